"""The rules of a search that types cannot express, the same for a query string and for a body."""

import math
from datetime import UTC, datetime
from typing import get_args

from api.wire.errors import EmptyQueryError, InvalidParameterError, QueryTooLongError
from api.wire.schemas import LONGEST_QUERY, SearchParameters
from retrieval.index.reading import NO_FILTER, SearchFilter
from retrieval.search.ranking import RANKED_VIDEOS, Mode
from retrieval.search.results import SearchRequest


def to_request(parameters: SearchParameters, where: str = "") -> SearchRequest:
    """Check the parameters of a search and convert them for the searcher.

    `where` precedes the name of the parameter in an error. Raises a RequestError.
    """
    if parameters.offset + parameters.limit > RANKED_VIDEOS:
        raise InvalidParameterError(
            f"{where}offset", f"offset and limit together are at most {RANKED_VIDEOS}."
        )
    if parameters.max_distance is not None and not math.isfinite(parameters.max_distance):
        raise InvalidParameterError(f"{where}max_distance", "is not a finite number.")
    return SearchRequest(
        text=check_query(parameters.query, f"{where}query"),
        limit=parameters.limit,
        offset=parameters.offset,
        moments=parameters.moments,
        mode=parameters.mode,
        max_distance=parameters.max_distance,
        where=_filter(parameters, where),
    )


def check_query(text: str, name: str = "query") -> str:
    """Strip a query. Raises EmptyQueryError, QueryTooLongError or InvalidParameterError."""
    query = _check_text(text, name).strip()
    if not query:
        raise EmptyQueryError(name)
    if len(query) > LONGEST_QUERY:
        raise QueryTooLongError(name, LONGEST_QUERY)
    return query


def plain_rule(message: str) -> str:
    """Reword a message of msgspec so that it does not quote the value.

    msgspec quotes a value only if it is not in its enumeration, and `mode` is the only enumeration.
    """
    if message.startswith("Invalid enum value"):
        return f"is none of {', '.join(get_args(Mode))}."
    return f"{message[:1].lower()}{message[1:].rstrip('.')}."


def _filter(parameters: SearchParameters, where: str) -> SearchFilter:
    after = _instant(parameters.published_after, f"{where}published_after")
    before = _instant(parameters.published_before, f"{where}published_before")
    channel = _label(parameters.channel, f"{where}channel")
    language = _label(parameters.language, f"{where}language")
    if not any((after, before, channel, language)):
        return NO_FILTER
    if after is not None and before is not None and after >= before:
        raise InvalidParameterError(f"{where}published_after", "is not earlier than published_before.")
    return SearchFilter(published_after=after, published_before=before, channel=channel, language=language)


def _instant(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
        return (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidParameterError(
            name, "is not an ISO 8601 date or time, like 2024-05-31 or 2024-05-31T12:00:00Z."
        ) from error


def _label(text: str | None, name: str) -> str | None:
    if text is not None and not _check_text(text, name).strip():
        raise InvalidParameterError(name, "is blank.")
    return text


def _check_text(text: str, name: str) -> str:
    if "\x00" in text:
        raise InvalidParameterError(name, "contains a NUL character.")
    # JSON can contain half of a surrogate pair, which is not a character and cannot be embedded or stored.
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidParameterError(name, "contains half of a surrogate pair.")
    return text
