"""The commands that messages name, as the user can type them here."""

import os
import re
import shlex
import shutil
import sys

_PYTHON = re.compile(r"(?<![\w/])python (?=-m (?:api|ingest|pip)\b)")


def as_typed_here(message: str) -> str:
    """Write `python -m ...` in a message with the interpreter that runs now.

    In a checkout, this is `.venv/bin/python -m ...`. If `python` alone is that interpreter, as in an image or
    an activated environment, the message is unchanged.
    """
    return _PYTHON.sub(lambda _: f"{_python()} ", message)


def _python() -> str:
    running = sys.executable
    if not running or shutil.which("python") == running:
        return "python"
    # Not resolved: in a virtual environment, the link's own path selects the packages.
    path = os.path.relpath(running)
    return shlex.quote(running if path.startswith(os.pardir) else path)
