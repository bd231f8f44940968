"""Conditional and range requests for a file (RFC 9110, sections 13 and 14). Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import msgspec

from api.wire.errors import RangeNotSatisfiableError

_ONE_RANGE = re.compile(r"bytes\s*=\s*(?P<first>[0-9]*)-(?P<last>[0-9]*)\s*", re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[^"]*")')
_MOST_DIGITS = 18
"""A longer number is beyond the end of every file."""

_NANOSECONDS = 1_000_000_000
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999."""


class FileVersion(msgspec.Struct, frozen=True):
    """The size in bytes of a file, and the time of its last modification in nanoseconds."""

    size: int
    modified_ns: int

    @property
    def tag(self) -> str:
        """The strong entity tag: another content has another size or time."""
        return f'"{self.modified_ns:x}-{self.size:x}"'

    @property
    def last_modified(self) -> str:
        """The time as an HTTP date, which has whole seconds."""
        return format_datetime(self._modified, usegmt=True)

    @property
    def _modified(self) -> datetime:
        # A file system can store a time that no HTTP date can express. The tag is still exact.
        return datetime.fromtimestamp(min(max(self.modified_ns // _NANOSECONDS, 0), _LAST_SECOND), UTC)

    def is_known_to(self, headers: Mapping[str, str]) -> bool:
        """Whether the client has this version already (If-None-Match, else If-Modified-Since)."""
        tags = headers.get("if-none-match")
        if tags is not None:
            return tags.strip() == "*" or self.tag in _TAG.findall(tags)
        since = _date(headers.get("if-modified-since"))
        return since is not None and self._modified <= since

    def requested_part(self, headers: Mapping[str, str]) -> range | None:
        """Return the bytes that a GET requests, or None for the whole file.

        The whole file is also the answer to several ranges, to a range that is not valid, and to a range of
        another version (If-Range). Raises RangeNotSatisfiableError if the range starts after the end.
        """
        found = _ONE_RANGE.fullmatch(headers.get("range", "").strip())
        version = headers.get("if-range", self.tag).strip()
        if found is None or version not in {self.tag, self.last_modified}:
            return None
        first, last = _number(found["first"]), _number(found["last"])
        if first is None and last is None:
            return None
        if first is not None and last is not None and last < first:
            return None
        if first is None:
            # The last bytes of the file.
            first, last = max(0, self.size - (last or 0)), None
        if first >= self.size:
            raise RangeNotSatisfiableError(self.size)
        return range(first, self.size if last is None else min(last + 1, self.size))


def _number(digits: str) -> int | None:
    if not digits:
        return None
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # A year or a zone of 20 digits is too large for datetime.
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
