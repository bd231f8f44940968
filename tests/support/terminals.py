"""A process on a terminal of its own."""

import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from fcntl import ioctl

import msgspec

from tests.support.processes import PATIENCE, REPOSITORY

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CURSOR = re.compile(r"\r|\x1b\[\?25[hl]")
_OVERWRITTEN = re.compile(r"[^\n]*(?:\n\x1b\[1A)?\x1b\[2K")
"""A line that a progress bar replaces by its new state, or clears at its end."""


class Screen(msgspec.Struct, frozen=True):
    """The output of a process that ended: as it was written, and as lines without colours."""

    raw: str
    code: int

    @property
    def lines(self) -> list[str]:
        """The lines that remain on the screen."""
        text = _OVERWRITTEN.sub("", _CURSOR.sub("", self.raw))
        return _ESCAPE.sub("", text).splitlines()


def on_a_terminal(
    command: Sequence[str], environment: dict[str, str], *, columns: int = 80, stop_after: str = ""
) -> Screen:
    """Run a command on a terminal, and stop it with Ctrl-C once it has printed `stop_after`."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={**environment, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written = b""
    deadline = time.monotonic() + PATIENCE
    try:
        while part := _read(ours, deadline):
            written += part
            if stop_after and stop_after.encode() in written:
                process.send_signal(2)
                stop_after = ""
        return Screen(written.decode(errors="replace"), process.wait(PATIENCE))
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read(terminal: int, deadline: float) -> bytes:
    """Read from a terminal; nothing at its end, which Linux reports as an error."""
    ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
    assert ready, "the process neither wrote nor ended"
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
