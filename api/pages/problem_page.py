"""An error as a page: what it is, what to do, and the id of the request to report it by."""

import re
from collections.abc import Mapping
from typing import Any

from litestar.types import Scope

from api.pages.pages import REQUEST_ID, path_of, templates
from api.pages.search_form import SearchForm
from api.pages.search_labels import NO_LABELS, describe_filters
from api.wire.schemas import Problem

_FORM = SearchForm()

# What the table says to programs goes by the names of parameters; the page has fields.
_TITLES = {
    "invalid-parameter": "That cannot be searched for",
    "query-too-long": "That is a long question",
    "overloaded": "Too busy just now",
}
_DETAILS = {"not-found": "There is no such page."}
_FIELDS = {
    "query": "The question",
    "mode": "\u201cMatch by\u201d",
    "channel": "\u201cChannel\u201d",
    "language": "\u201cLanguage\u201d",
    "published_after": "\u201cPublished from\u201d",
    "published_before": "\u201cPublished until\u201d",
}
_NAME = re.compile(rf"\b({'|'.join(_FIELDS)})\b:?")


def render_problem(problem: Problem, scope: Scope, retry_after: str | None) -> bytes:
    """Write the page. Its search form is empty: nothing that was asked stands in an error."""
    state: Mapping[str, Any] = scope.get("state", {})
    page = (
        templates()
        .get_template("problem.html")
        .render(
            problem=problem,
            title=_TITLES.get(problem.code, problem.title),
            detail=_DETAILS.get(problem.code) or _NAME.sub(lambda found: _FIELDS[found[1]], problem.detail),
            retry_after=retry_after,
            request_id=state.get(REQUEST_ID),
            is_search=not path_of(scope).startswith("/status"),
            form=_FORM,
            filters=describe_filters(NO_LABELS, _FORM),
        )
    )
    return page.encode()
