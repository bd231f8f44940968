"""A check that replaces Schemathesis's own, which takes the schema for all of the rules."""

from __future__ import annotations

import re
from typing import Any

import schemathesis

_REASONS = re.compile(
    r"(requests\[\d+\]\.)?("
    r"offset: offset and limit together are at most \d+\."
    r"|max_distance: is not a finite number\."
    r"|published_(after|before): is not an ISO 8601 date or time, .*"
    r"|published_after: is not earlier than published_before\."
    r"|cursor: was not issued by this service\."
    r"|\w+: (is blank\..*|is longer than [\d,]+ characters\..*)"
    # JSON Schema accepts 3.0 as an integer; the service does not.
    r"|\w+: expected `int`, got `float`\."
    r"|\w+: contains (a NUL character|half of a surrogate pair)\."
    r")",
    re.DOTALL,
)
_BAD_REQUEST = 400


@schemathesis.check  # type: ignore[untyped-decorator, unused-ignore]
def refused_with_a_reason(
    ctx: schemathesis.CheckContext,  # noqa: ARG001 - the signature of a check.
    response: schemathesis.Response,
    case: schemathesis.Case[Any],
) -> None:
    """Check that the service refuses valid data only by a rule that no schema can express."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code == _BAD_REQUEST:
        detail = response.json()["detail"]
        assert _REASONS.fullmatch(detail), f"refused, although the schema allows it: {detail}"
