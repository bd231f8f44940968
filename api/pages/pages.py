"""What the pages for people have in common: their templates, what lies beside them, and their errors.

A page is rendered here and nowhere else. A script may fetch one and put a part of it in place; it makes none.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import jinja2
from litestar import Router
from litestar.datastructures import CacheControlHeader, Headers
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.static_files import create_static_files_router
from litestar.template import TemplateConfig
from litestar.types import Scope

from api import __version__
from api.access.guard import PAGES

ASSETS = "/app/assets"
PAGE_ROUTES = ("/app", "/status")
"""What is at these addresses and below them is a page, its errors too."""

REQUEST_ID = "request_id"
"""Under this key of a request's state stands its id."""

NOT_KEPT = {"Cache-Control": "private, no-cache"}
"""A page holds what was asked and found, and changes with the index."""

_FOLDER = Path(__file__).parent
_HTML = ("text/html", "text/*", "*/*")
_JSON = ("application/json", "application/*", "*/*")


@cache
def templates() -> jinja2.Environment:
    """Read the templates, whose every value is escaped and none may be missing."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(assets=ASSETS, version=__version__)
    return environment


def template_config() -> TemplateConfig[JinjaTemplateEngine]:
    """Have Litestar's `Template` responses use these templates."""
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(templates()))


def serve_page_assets() -> Router:
    """Serve the pages' styles and scripts, asked for anew each time: no page meets those of another."""
    return create_static_files_router(
        ASSETS,
        [_FOLDER / "assets"],
        name="page-assets",
        cache_control=CacheControlHeader(no_cache=True),
        include_in_schema=False,
        opt=PAGES,
    )


def wants_page(scope: Scope) -> bool:
    """Say whether a request is for a page, so that an error is to be one too."""
    path = path_of(scope)
    if path == "/":
        return scope.get("method") == "GET" and prefers_page(Headers.from_scope(scope).get("accept", ""))
    return path in PAGE_ROUTES or path.startswith(tuple(f"{route}/" for route in PAGE_ROUTES))


def path_of(scope: Scope) -> str:
    """Give the path below wherever the app is mounted, without a slash at its end."""
    return scope["path"].removeprefix(scope.get("root_path", "")).rstrip("/") or "/"


def prefers_page(accept: str) -> bool:
    """Say whether a value of `Accept` asks for HTML rather than JSON. Who takes either alike gets JSON."""
    weights = dict(map(_weighed, accept.lower().split(",")))
    return _weight(weights, _HTML) > _weight(weights, _JSON)


def _weighed(part: str) -> tuple[str, float]:
    media_type, *parameters = (piece.strip() for piece in part.split(";"))
    quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return media_type, float(quality)
    except ValueError:
        return media_type, 0.0


def _weight(weights: Mapping[str, float], ranges: tuple[str, ...]) -> float:
    # The most exact of them decides.
    return next((weights[each] for each in ranges if each in weights), 0.0)
