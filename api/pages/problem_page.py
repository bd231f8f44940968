"""An error as a page: what is wrong, what to do, and the request id to quote in a report."""

import re
from collections.abc import Mapping
from typing import Any

from litestar.types import Scope

from api.pages.search_form import NO_LABELS, SearchForm, list_filters
from api.pages.templating import templates
from api.wire.paths import path_of
from api.wire.route_table import REQUEST_ID
from api.wire.schemas import LONGEST_QUERY, Problem

_FORM = SearchForm()

# The problem table names the API's parameters. A page names the fields of its form instead.
_TITLES = {
    "invalid-parameter": "Check the search",
    "query-too-long": "The question is too long",
    "overloaded": "The service is busy",
}
_DETAILS = {
    "not-found": "There is no such page.",
    "video-not-found": "There's no such video.",
    "query-too-long": f"A question has {LONGEST_QUERY:,} characters at most.",
}
_FIELDS = {
    "query": "The question",
    "mode": "\u201cMatch by\u201d",
    "channel": "\u201cChannel\u201d",
    "language": "\u201cLanguage\u201d",
    "published_after": "\u201cPublished from\u201d",
    "published_before": "\u201cPublished up to\u201d",
}
_NAME = re.compile(rf"\b({'|'.join(_FIELDS)})\b:?")


def render_problem(problem: Problem, scope: Scope, retry_after: str | None) -> bytes:
    """Render the page as UTF-8. Its search form is empty, because an error never repeats the query."""
    state: Mapping[str, Any] = scope.get("state", {})
    has_bad_date = problem.code == "invalid-parameter" and problem.detail.startswith("published_")
    page = (
        templates()
        .get_template("problem.html")
        .render(
            problem=problem,
            title="Check the dates" if has_bad_date else _TITLES.get(problem.code, problem.title),
            detail=_DETAILS.get(problem.code) or _NAME.sub(lambda found: _FIELDS[found[1]], problem.detail),
            retry_after=retry_after,
            request_id=state.get(REQUEST_ID),
            is_search=not path_of(scope).startswith("/status"),
            form=_FORM,
            filters=list_filters(NO_LABELS, _FORM),
        )
    )
    return page.encode()
