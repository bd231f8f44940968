from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.server.admission import Admission
from retrieval.errors import OverloadedError
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import RaisingSearcher
from tests.unit.api.guarded import guarded, service

SITE = "https://app.example.com"
SEARCH = "/search?query=x"
ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def policy(text: str) -> dict[str, list[str]]:
    return {words[0]: words[1:] for words in map(str.split, text.split(";"))}


@pytest.mark.parametrize(
    "path",
    [SEARCH, "/search", "/", "/livez", "/health", "/nope", "/schema/openapi.json", "/schema/assets/page.js"],
)
def test_a_response_that_is_no_page_may_do_nothing_in_a_browser(
    client: TestClient[Litestar], path: str
) -> None:
    headers = client.get(path).headers
    assert ALWAYS.items() <= dict(headers).items()
    assert policy(headers["content-security-policy"]) == {
        "default-src": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    assert "server" not in headers
    assert len(headers.get_list("content-security-policy")) == 1


def test_an_unexpected_error_has_the_headers_too(serve: Serve) -> None:
    headers = serve(RaisingSearcher(RuntimeError("boom"))).get(SEARCH).headers
    assert ALWAYS.items() <= dict(headers).items()


def test_the_documentation_page_loads_only_files_of_this_service(client: TestClient[Litestar]) -> None:
    headers = client.get("/schema").headers
    assert ALWAYS.items() <= dict(headers).items()
    allowed = policy(headers["content-security-policy"])
    assert allowed["default-src"] == allowed["frame-ancestors"] == allowed["base-uri"] == ["'none'"]
    assert allowed["script-src"] == allowed["style-src"] == allowed["connect-src"] == ["'self'"]
    assert "unsafe" not in headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/app", "/app/search?query=x", "/app/videos/a", "/app/nope"])
def test_a_page_may_also_load_pictures_and_players(client: TestClient[Litestar], path: str) -> None:
    headers = client.get(path).headers
    assert ALWAYS.items() <= dict(headers).items()
    allowed = policy(headers["content-security-policy"])
    assert allowed.pop("frame-src") == ["https://www.youtube-nocookie.com", "https://player.vimeo.com"]
    assert allowed.pop("img-src") == ["'self'", "data:", "http:", "https:"]
    assert allowed.pop("media-src") == ["http:", "https:"]
    assert {word for words in allowed.values() for word in words} == {"'self'", "'none'"}
    assert allowed["script-src"] == allowed["style-src"] == allowed["form-action"] == ["'self'"]


def test_a_page_without_thumbnails_loads_no_pictures_of_other_hosts() -> None:
    with service(page_thumbnails="off") as client:
        allowed = policy(client.get("/app").headers["content-security-policy"])
    assert allowed["img-src"] == ["'self'", "data:"]


def test_the_root_varies_by_accept_and_origin(shared: TestClient[Litestar]) -> None:
    assert set(shared.get("/", headers={"origin": SITE}).headers.get_list("vary")) == {"Accept", "Origin"}


@pytest.fixture(scope="module")
def shared() -> Iterator[TestClient[Litestar]]:
    with guarded(cors_origins=(SITE, "http://localhost:3000")) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status"), [(SEARCH, 200), ("/search", 400), ("/nope", 404), ("/v1/search/batch", 405)]
)
def test_a_page_of_an_allowed_site_may_read_responses_and_errors(
    shared: TestClient[Litestar], path: str, status: int
) -> None:
    response = shared.get(path, headers={"origin": SITE})
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == SITE
    assert "RateLimit-Remaining" in response.headers["access-control-expose-headers"]
    assert "Retry-After" in response.headers["access-control-expose-headers"]
    assert "X-Request-ID" in response.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in response.headers
    assert response.headers.get_list("vary") == ["Origin"]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", f"{SITE}.evil.example", "http://app.example.com", "null", f"{SITE}:444"],
)
def test_a_page_of_another_site_may_not_read_them(shared: TestClient[Litestar], origin: str) -> None:
    response = shared.get(SEARCH, headers={"origin": origin})
    assert "access-control-allow-origin" not in response.headers
    assert response.headers["vary"] == "Origin"
    asked = {"origin": origin, "access-control-request-method": "GET"}
    assert "access-control-allow-origin" not in shared.options("/search", headers=asked).headers


def test_a_refusal_under_overload_has_each_header_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_admission: Admission, _permits: int) -> None:
        raise OverloadedError

    monkeypatch.setattr(Admission, "acquire", refuse)
    with guarded(cors_origins=(SITE,)) as client:
        response = client.get(SEARCH, headers={"origin": SITE})
    assert response.status_code == 503
    assert ALWAYS.items() <= dict(response.headers).items()
    assert response.headers["access-control-allow-origin"] == SITE
    assert "Retry-After" in response.headers["access-control-expose-headers"]
    assert response.headers["vary"] == "Origin"
    names = [name for name, _ in response.headers.multi_items()]
    assert len(names) == len(set(names))


def test_a_response_varies_by_origin_even_without_one(shared: TestClient[Litestar]) -> None:
    assert shared.get(SEARCH).headers["vary"] == "Origin"


def test_a_preflight_request_needs_no_key(shared: TestClient[Litestar]) -> None:
    asked = {
        "origin": SITE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, x-api-key, x-request-id, traceparent",
    }
    response = shared.options("/v1/search/batch", headers=asked)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == SITE
    assert {"GET", "HEAD", "POST"} == set(response.headers["access-control-allow-methods"].split(", "))
    allowed = {name.lower() for name in response.headers["access-control-allow-headers"].split(", ")}
    assert allowed >= {"authorization", "content-type", "x-api-key", "x-request-id", "traceparent"}
    assert ALWAYS.items() <= dict(response.headers).items()


def test_every_site_may_be_allowed() -> None:
    with guarded(cors_origins=("*",)) as client:
        response = client.get(SEARCH, headers={"origin": "https://whoever.example"})
        assert response.headers["access-control-allow-origin"] == "*"
        assert "vary" not in response.headers


def test_without_the_setting_no_other_site_may_read_responses(client: TestClient[Litestar]) -> None:
    response = client.get(SEARCH, headers={"origin": SITE})
    assert not [name for name in response.headers if name.startswith("access-control")]
