"""The messages of the command line: the only place that decides their form.

The first word of a message names its kind, and has a colour if the terminal has colours (NO_COLOR turns them
off). Lines are wrapped at the width of a terminal, between words only. In a pipe they are not wrapped.
"""

import os
import re
import sys
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, ClassVar

from rich.cells import cell_len
from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.theme import Theme
from typing_extensions import override

from retrieval.command_names import as_typed_here

_STYLES = MappingProxyType(
    {
        "kind.error": "bold red",
        "kind.rejected": "red",
        "kind.warning": "yellow",
        "kind.note": "cyan",
        "kind.live": "bold green",
        "kind.next": "bold",
    }
)
_KIND = re.compile(r"(?:error|rejected|warning|note): ")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""The control characters, such as those of ANSI escapes, that a file name may contain."""

_HANGING = 2
"""The additional indentation of the further lines of a message that begins with its kind, in columns."""


class _Kinds(RegexHighlighter):
    base_style = "kind."
    highlights: ClassVar[list[str]] = [
        r"^(?P<error>error:)",
        r"^(?P<rejected>rejected:)",
        r"^(?P<warning>warning:)",
        r"^(?P<note>note:)",
        r"^(?P<live>Live:)",
        r"^(?P<next>Next:)",
    ]


class Terminal(Console):
    """A console that prints messages as they are given: without markup, emoji codes or broken words."""

    def __init__(self, **options: Any) -> None:
        """Take the options of Console that concern the file: `stderr`, `file`, `width`."""
        super().__init__(
            markup=False,
            emoji=False,
            highlighter=_Kinds(),
            soft_wrap=True,  # Lines are wrapped here, because rich breaks or cuts long words.
            theme=Theme(dict(_STYLES)),
            **options,
        )

    @override
    def print(self, *objects: Any, **options: Any) -> None:
        """Print a message, or anything that rich can print."""
        super().print(*(self._shaped(o) if isinstance(o, str) else o for o in objects), **options)

    @override
    def on_broken_pipe(self) -> None:
        """Discard further output. A reader that closes the pipe early, such as `head`, must not end a run."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        # What is still buffered is written when the process ends.
        os.dup2(nowhere, (sys.stderr if self.stderr else sys.stdout).fileno())
        os.close(nowhere)

    def _shaped(self, message: str) -> str:
        message = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", as_typed_here(message))
        return wrapped(message, self.width) if self.is_terminal else message


def wrapped(message: str, width: int) -> str:
    """Wrap the lines of a message between words (pure). A word that is wider than `width` stays whole."""
    return "\n".join(part for line in message.split("\n") for part in _parts(line, width))


def _parts(line: str, width: int) -> Iterator[str]:
    text = line.lstrip(" ")
    indent = " " * (len(line) - len(text))
    hanging = f"{indent}{' ' * _HANGING}" if indent or _KIND.match(text) else ""
    part = indent
    for number, word in enumerate(text.split(" ")):
        longer = f"{part} {word}" if number else f"{part}{word}"
        if number and cell_len(longer) > width:
            yield part
            longer = f"{hanging}{word}"
        part = longer
    yield part
