"""The command line of the batch job: `python -m ingest`."""

import asyncio
import os
import sys
import traceback
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import Any

from ingest.errors import ExitCode, SourceError
from retrieval.errors import VidsearchError

_SEE_STATUS = "The live index still answers searches. To see it, run: python -m ingest status"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; only argparse raises SystemExit.

    An unexpected exception must not end the process with Python's own exit code 1, or with 0: both mean that
    the run succeeded. The engine's panics are no `Exception`, so this catches BaseException.
    """
    try:
        return _run(arguments)
    except SystemExit:
        raise
    except BaseException as e:  # noqa: BLE001 - the last resort of the process.
        with suppress(OSError):  # If standard error is closed, the exit code still reports the failure.
            _print_error(e)
        return ExitCode.UNREADABLE if isinstance(e, SourceError) else ExitCode.REFUSED


def _print_error(error: BaseException) -> None:
    match error:
        case VidsearchError():
            message = str(error)
        case KeyboardInterrupt():
            message = f"Stopped. {_SEE_STATUS}"
        case MemoryError():
            message = f"Not enough memory. {_SEE_STATUS}"
        case OSError():
            message = f"{error}. {_SEE_STATUS}"
        case _:
            traceback.print_exception(error)
            cause = f"{type(error).__name__}: {error}".encode(errors="replace").decode()
            report = "Please report it with the lines above."
            message = f"This is a defect in vidsearch ({cause}). {report} {_SEE_STATUS}"
    _print(f"error: {message}")
    if isinstance(error, SourceError) and error.hint:
        _print(error.hint)


def _print(message: str) -> None:
    try:
        from ingest.terminal import Terminal  # noqa: PLC0415 - it may be what is missing.

        Terminal(stderr=True).print(message)
    except ImportError:
        print(message, file=sys.stderr)  # noqa: T201


def _run(arguments: Sequence[str] | None) -> int:
    # Imported here, so that a missing package does not end the process with exit code 1.
    from ingest.commands.command_line import parse  # noqa: PLC0415
    from ingest.commands.signals import restored_handlers  # noqa: PLC0415
    from ingest.terminal import Terminal  # noqa: PLC0415
    from retrieval.settings import SearchSettings  # noqa: PLC0415

    args = parse(arguments)
    # With --json, standard output contains only the document.
    console = Terminal(stderr=getattr(args, "json", False))
    settings = SearchSettings.from_environment(os.environ)
    with restored_handlers():
        try:
            result: int | Coroutine[Any, Any, int] = args.run(args, settings, console)
            return result if isinstance(result, int) else asyncio.run(result)
        except SystemExit as e:  # Only argparse may choose the exit code.
            raise RuntimeError(f"a library called sys.exit({e.code!r})") from e


if __name__ == "__main__":
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # As for stderr: a title must not end a run.
    sys.exit(main())
