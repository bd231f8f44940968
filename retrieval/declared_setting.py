"""How a setting is declared and read.

A setting is one environment variable. It is declared once, with its name, its default and its help text.
`--help`, docs/settings.md and .env.example are generated from the declarations (`make settings`).
"""

import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from retrieval.errors import VidsearchError

LARGEST_PORT = 65_535

_MAX_DIGITS = 18
"""A longer number is a typing error, and Python refuses to parse very long ones."""

_HELP_WIDTH = 110

T = TypeVar("T")


class SettingsError(VidsearchError):
    """A setting has a value that cannot be used. The message names the setting."""


class Kind(msgspec.Struct, Generic[T], frozen=True):
    """The values that a setting can have: how to parse one, and the range that is accepted.

    `expected` completes the sentence "Set it to ...". `parse` raises ValueError for text of another form.
    """

    expected: str
    parse: Callable[[str], T]
    accepts: Callable[[Any], object] = lambda _: True


class Setting(msgspec.Struct, Generic[T], frozen=True):
    """One environment variable. An empty or blank value means the same as an unset one: the default.

    `used_by` names the commands that the setting has an effect on. `shown_default` describes a default that
    depends on the machine, or that is None.
    """

    name: str
    kind: Kind[T]
    default: T
    help: str
    used_by: Literal["api", "ingest", "both"] = "both"
    shown_default: str = ""

    def read(self, environment: Mapping[str, str]) -> T:
        """Return the value that the environment gives, or the default. Raises SettingsError."""
        text = environment.get(self.name, "").strip()
        if not text:
            return self.default
        try:
            value = self.kind.parse(text)
        except ValueError:
            raise self.refusal(text) from None
        self.check(value)
        return value

    def check(self, value: T) -> None:
        """Raise SettingsError for a value outside the accepted range; None, which is unset, passes."""
        if value is not None and not self.kind.accepts(value):
            raise self.refusal(value)

    def refusal(self, value: object, verb: str = "is") -> SettingsError:
        """Describe a value that cannot be used, and which values can."""
        return SettingsError(f"{self.name} {verb} {value!r}. Set it to {self.kind.expected}.")

    @property
    def default_text(self) -> str:
        """The default as a person would write it."""
        return self.shown_default or str(self.default)


def whole_number(least: int, most: int | None = None) -> Kind[int]:
    """Describe whole numbers in ASCII digits, both limits included."""
    expected = f"a whole number of at least {least}" if most is None else f"a number from {least} to {most}"
    return Kind(expected, _parse_digits, lambda number: least <= number and (most is None or number <= most))


def choice(*words: str) -> Kind[Any]:
    """Describe one of these words, in any case."""
    return Kind(f"one of {', '.join(words)}", str.lower, lambda word: word in words)


def is_http_url(url: str) -> bool:
    """Return whether this is an http or https URL with a host."""
    try:
        parts = urlsplit(url)
        return bool(parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
    except ValueError:
        return False


def describe_settings(settings: Iterable[Setting[Any]], used_by: Literal["api", "ingest"]) -> str:
    """Format the settings of a command for its `--help`, in two columns."""
    shown = [setting for setting in settings if setting.used_by in (used_by, "both")]
    width = max(len(setting.name) for setting in shown)
    return "\n".join(
        textwrap.fill(
            f"  {setting.name:<{width}}  {setting.help} (default: {setting.default_text})",
            _HELP_WIDTH,
            subsequent_indent=" " * (width + 4),
            break_on_hyphens=False,
        )
        for setting in shown
    )


def _parse_digits(text: str) -> int:
    # int() also accepts signs, underscores, blanks and other scripts' digits.
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise ValueError(text)
    return int(text)


FOLDER = Kind("a path", Path)
TEXT = Kind("a text", str)
PORT_NUMBER = whole_number(1, LARGEST_PORT)
SHARE = Kind("a share from 0 to 1", float, lambda share: 0 <= share <= 1)
HTTP_URL = Kind("a URL like http://localhost:6333", str, is_http_url)
