"""The errors that cross package borders. Each message states what is wrong, where, and what to do.

`code` and `title` are public: the API sends them. A code is stable, because programs rely on it. An error
that defines neither is an internal error to a client of the API.
"""

from typing import ClassVar


class VidsearchError(Exception):
    """Base of every error that this product raises on purpose. Its text is fit for a user to read."""

    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"


class IndexUnavailableError(VidsearchError):
    """There is no index, or the index cannot be opened or does not respond."""

    code = "index-unavailable"
    title = "The index is unavailable"


class UnreadableVersionError(IndexUnavailableError):
    """The pointer to the live version, or the version itself, is damaged or missing."""


class UnreadableLogError(VidsearchError):
    """The log of ingest runs is damaged."""


class IncompatibleIndexError(IndexUnavailableError):
    """The index was built with another model, distance or schema than this program serves."""


class RunInProgressError(VidsearchError):
    """Another ingest run is working on the same index or model."""


class ModelUnavailableError(VidsearchError):
    """The exported model is missing or damaged, or is not the one that its description names."""


class OverloadedError(VidsearchError):
    """More work is waiting than the limit allows. The caller may retry shortly."""

    code = "overloaded"
    title = "Overloaded"


class VideoNotFoundError(VidsearchError):
    """The index has no video with that id."""

    code = "video-not-found"
    title = "Video not found"


class CursorError(VidsearchError):
    """A page cursor that this program did not issue."""

    code = "invalid-parameter"
    title = "Invalid parameter"
