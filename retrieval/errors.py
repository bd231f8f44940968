"""The errors that cross rooms. Each message says what is wrong, where, and what to do."""


class VidsearchError(Exception):
    """Any error this product raises on purpose; its text is fit for a user to read."""


class IndexUnavailableError(VidsearchError):
    """There is no index, or the one there cannot be opened or does not answer."""


class UnreadableVersionError(IndexUnavailableError):
    """What says which version is live, or what a version is, is damaged or gone."""


class UnreadableLogError(VidsearchError):
    """The log of ingest runs is damaged."""


class IncompatibleIndexError(IndexUnavailableError):
    """The index was built with another model, distance or schema than this program serves."""


class RunInProgressError(VidsearchError):
    """Another ingest run is at work on the same index or model."""


class ModelUnavailableError(VidsearchError):
    """The exported model is missing, damaged or not the one its description claims."""


class OverloadedError(VidsearchError):
    """More work is waiting than the limit allows; the caller may try again shortly."""


class VideoNotFoundError(VidsearchError):
    """No video of that id is in the index."""


class CursorError(VidsearchError):
    """A page cursor that this program did not issue."""
