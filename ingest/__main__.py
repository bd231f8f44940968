"""The command line of the batch job: `python -m ingest`."""

import os
import sys
from collections.abc import Sequence

from rich.console import Console

from ingest.command_line import parser
from ingest.errors import ExportError, IngestError, SourceError
from ingest.exit_codes import ExitCode
from retrieval.errors import VidsearchError
from retrieval.settings import SearchSettings

_SEE_STATUS = "What is live answers as before; python -m ingest status shows it."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = parser().parse_args(arguments)
    # What a program asked for has the output to itself.
    console = Console(highlight=False, soft_wrap=True, stderr=getattr(args, "json", False))
    try:
        settings = SearchSettings.from_environment(os.environ)
        code: int = args.run(args, settings, console)
    except SourceError as e:
        return _fail(e, ExitCode.UNREADABLE)
    except (IngestError, ExportError, VidsearchError) as e:
        return _fail(e, ExitCode.REFUSED)
    except OSError as e:
        return _fail(f"{e}. {_SEE_STATUS}", ExitCode.REFUSED)
    except KeyboardInterrupt:
        return _fail(f"Stopped. {_SEE_STATUS}", ExitCode.REFUSED)
    return code


def _fail(error: object, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main())
