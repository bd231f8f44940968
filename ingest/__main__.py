"""The command line of the batch job: `python -m ingest`."""

import os
import sys
import traceback
from collections.abc import Sequence
from io import TextIOWrapper

from rich.console import Console

from ingest.commands.command_line import parse
from ingest.commands.signals import handlers_given_back
from ingest.errors import ExitCode, SourceError
from ingest.rows.fields import clean_text
from retrieval.errors import VidsearchError
from retrieval.settings import SearchSettings

_SEE_STATUS = "What is live answers as before; python -m ingest status shows it."

_REASONS = {MemoryError: "There was not enough memory", KeyboardInterrupt: "Stopped"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; only a wrong command line raises SystemExit.

    An error that nobody foresaw must not become Python's own exit code for it, which is 1: that says that
    the run went through.
    """
    args = parse(arguments)
    # What a program asked for has the output to itself.
    console = Console(highlight=False, soft_wrap=True, stderr=getattr(args, "json", False))
    try:
        settings = SearchSettings.from_environment(os.environ)
        with handlers_given_back():
            code: int = args.run(args, settings, console)
    except SourceError as e:
        return _fail(e, ExitCode.UNREADABLE)
    except VidsearchError as e:
        return _fail(e, ExitCode.REFUSED)
    except (OSError, MemoryError, KeyboardInterrupt) as e:
        return _fail(f"{_REASONS.get(type(e), e)}. {_SEE_STATUS}", ExitCode.REFUSED)
    except Exception as e:  # noqa: BLE001 - the edge of the program.
        traceback.print_exc()
        told = clean_text(f"{type(e).__name__}: {e}")
        return _fail(
            f"This is a defect in vidsearch ({told}). Please report it with the lines above. {_SEE_STATUS}",
            ExitCode.REFUSED,
        )
    return code


def _fail(error: object, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    return code


if __name__ == "__main__":
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # As stderr is: a title must not end a run.
    sys.exit(main())
