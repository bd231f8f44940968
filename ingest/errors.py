"""The errors of the batch job, with messages for the operator, and its exit codes."""

from enum import IntEnum

from retrieval.errors import VidsearchError


class SourceError(VidsearchError):
    """A source cannot be read: it is missing, damaged, of an unknown kind, or lacks a required column.

    `hint` are further lines for the terminal, such as commands to copy; the log of runs does not store them.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ExportError(VidsearchError):
    """A model cannot be exported, or its export computes other embeddings than the original."""


class IngestError(VidsearchError):
    """A run cannot continue; the live index is unchanged."""


class ExitCode(IntEnum):
    """The exit codes of the command line."""

    DONE = 0
    SOME_REJECTED = 1
    USAGE = 2
    UNREADABLE = 3
    REFUSED = 4
