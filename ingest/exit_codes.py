"""What the batch job's exit codes mean; `--help` and deploy/schedule say the same."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    SOME_REJECTED = 1
    USAGE = 2
    UNREADABLE = 3
    REFUSED = 4
