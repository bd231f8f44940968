"""`python -m api`: runs the command line, and handles SIGTERM from the start.

The first process of a container ignores any signal that it has no handler for, and importing the command
line takes most of a second.
"""

import os
import signal
import sys
from types import FrameType


def stop_at_once(_signal: int, _frame: FrameType | None) -> None:
    """End the process. Nothing is open yet, and an exception raised during an import can get lost."""
    os._exit(0)


def main() -> int:
    """Run the command line and return its exit code."""
    signal.signal(signal.SIGTERM, stop_at_once)
    from api.command_line import main as run  # noqa: PLC0415 - only after SIGTERM is handled.

    return run()


if __name__ == "__main__":
    sys.exit(main())
