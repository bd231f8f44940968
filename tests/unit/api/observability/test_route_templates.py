import pytest

from api.app import create_app
from api.observability.request_log import UNMATCHED, RouteTemplates
from api.settings import ApiSettings
from retrieval.settings import SearchSettings

VIDEO = "/v1/videos/{video_id}"


@pytest.fixture(scope="module")
def templates() -> RouteTemplates:
    app = create_app(ApiSettings(search=SearchSettings()))
    return RouteTemplates(route.path_format for route in app.routes)


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
        ("", "/"),
    ],
)
def test_finds_the_route_of_a_path(templates: RouteTemplates, path: str, template: str) -> None:
    assert templates.of(path) == template


def test_an_app_without_parameters_or_routes() -> None:
    assert RouteTemplates(["/a"]).of("/a/b") == UNMATCHED
    assert RouteTemplates([]).of("/") == UNMATCHED
