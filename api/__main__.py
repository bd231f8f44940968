"""`python -m api`: the command line, with SIGTERM heard from the start.

A container's first process hears no signal that it has no handler for, and what the command line imports
takes most of a second.
"""

import os
import signal
import sys
from types import FrameType


def stop_at_once(_signal: int, _frame: FrameType | None) -> None:
    """End the process: nothing was opened yet, and an error raised within an import may get lost there."""
    os._exit(0)


def main() -> int:
    """Run the command line and return its exit code."""
    signal.signal(signal.SIGTERM, stop_at_once)
    from api.command_line import main as run  # noqa: PLC0415 - not before SIGTERM is heard.

    return run()


if __name__ == "__main__":
    sys.exit(main())
