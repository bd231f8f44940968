import pytest
from litestar.routes import HTTPRoute

from api.wire.route_properties import (
    ASSET,
    CATALOGUE,
    DOCUMENTATION,
    INFO,
    MEDIA,
    METRICS,
    PAGE,
    PROBE,
    ROOT,
    SEARCH,
    SEARCH_PAGE,
    STATUS_ACTIVITY,
    STATUS_PAGE,
    RouteProperties,
    properties_of,
)
from api.wire.route_table import UNMATCHED, RouteTable
from tests.unit.api.guarded import APP

VIDEO = "/v1/videos/{video_id}"
BATCH = RouteProperties(kind="search", key_scope="search", searches=4)

# A new route fails the test below until its properties are listed here.
ROUTES = {
    "/": ROOT,
    "/info": INFO,
    "/search": SEARCH,
    "/v1/search": SEARCH,
    "/v1/search/batch": BATCH,
    "/v1/videos": CATALOGUE,
    VIDEO: CATALOGUE,
    f"{VIDEO}/search": SEARCH,
    f"{VIDEO}/similar": CATALOGUE,
    "/media/{file_path}": MEDIA,
    "/app": PAGE,
    "/app/search": SEARCH_PAGE,
    "/app/videos/{video_id}": SEARCH_PAGE,
    "/app/assets/{file_path}": PAGE,
    "/livez": PROBE,
    "/startupz": PROBE,
    "/readyz": PROBE,
    "/metrics": METRICS,
    "/health": PROBE,
    "/status": STATUS_PAGE,
    "/status/activity": STATUS_ACTIVITY,
    "/schema": DOCUMENTATION,
    "/schema/openapi.json": DOCUMENTATION,
    "/schema/assets/{file_path}": ASSET,
    "/schema/{path}": DOCUMENTATION,
    "/embed.js": ASSET,
}


def test_every_method_of_every_route_declares_the_properties_of_the_route() -> None:
    declared = {
        (route.path_format, method): properties_of(handler)
        for route in APP.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
    }
    assert {path for path, _ in declared} == ROUTES.keys()
    for (path, method), properties in declared.items():
        assert properties == (INFO if method == "OPTIONS" else ROUTES[path]), (path, method)


def test_the_table_has_the_properties_of_every_route() -> None:
    table = RouteTable.of(APP)
    assert {*table.templates} == ROUTES.keys()
    for template, properties in ROUTES.items():
        assert table.match(template.replace("{", "").replace("}", "")).properties == properties


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/", "/"),
        ("/search", "/search"),
        ("/v1/search/", "/v1/search"),
        ("/v1/search/batch", "/v1/search/batch"),
        ("/v1/videos", "/v1/videos"),
        ("/v1/videos/", "/v1/videos"),
        ("/v1/videos/abc", VIDEO),
        ("/v1/videos/a/b c", VIDEO),
        ("/v1/videos/search", VIDEO),
        ("/v1/videos/abc/search", f"{VIDEO}/search"),
        ("/v1/videos/a/b/search", f"{VIDEO}/search"),
        ("/v1/videos/abc/similar", f"{VIDEO}/similar"),
        ("/v1/videos/abc\n/similar", UNMATCHED),
        ("/schema", "/schema"),
        ("/schema/openapi.json", "/schema/openapi.json"),
        ("/schema/assets/swagger-ui.css", "/schema/assets/{file_path}"),
        ("/v1", UNMATCHED),
        ("/nope", UNMATCHED),
        ("/searchx", UNMATCHED),
        ("/v1/videosx/abc", UNMATCHED),
        ("/app/nope", UNMATCHED),
        ("", "/"),
    ],
)
def test_finds_the_route_of_a_path(path: str, template: str) -> None:
    assert RouteTable.of(APP).match(path).template == template
