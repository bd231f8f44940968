"""The errors of the batch job, each fit for the person who started it to read."""

from enum import IntEnum

from retrieval.errors import VidsearchError


class SourceError(VidsearchError):
    """A source that cannot be read: missing, of an unknown kind, damaged, or without a needed column."""


class ExportError(VidsearchError):
    """A model that cannot be exported, or whose export does not do what the original does."""


class IngestError(VidsearchError):
    """A run that cannot go on; the live index is as it was."""


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    SOME_REJECTED = 1
    USAGE = 2
    UNREADABLE = 3
    REFUSED = 4
