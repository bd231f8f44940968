"""A check of our own, in the place of one that takes the schema for the whole of the rules."""

from __future__ import annotations

import re
from typing import Any

import schemathesis

_TOLD = re.compile(
    r"(requests\[\d+\]\.)?("
    r"offset: offset and limit together are at most \d+\."
    r"|max_distance: is not a finite number\."
    r"|published_(after|before): is not an ISO 8601 date or time, .*"
    r"|published_after: is not earlier than published_before\."
    r"|cursor: is not one that this service gave out\."
    r"|\w+: (is blank\..*|is longer than [\d,]+ characters\..*)"
    # To a schema 3.0 is an integer; in a body it is not written as one.
    r"|\w+: expected `int`, got `float`\."
    r"|\w+: holds (a zero character|half of a surrogate pair)\."
    r")",
    re.DOTALL,
)
_BAD_REQUEST = 400


@schemathesis.check  # type: ignore[untyped-decorator, unused-ignore]
def refused_for_a_told_reason(
    ctx: schemathesis.CheckContext,  # noqa: ARG001 - the signature of a check.
    response: schemathesis.Response,
    case: schemathesis.Case[Any],
) -> None:
    """Hold that what the schema allows is refused only by a rule that no schema can state."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code == _BAD_REQUEST:
        detail = response.json()["detail"]
        assert _TOLD.fullmatch(detail), f"refused, though the schema allows it: {detail}"
