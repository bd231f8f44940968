import re
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.access.rates import Rate
from tests.unit.api.guarded import guarded

SCRIPT = "/embed.js"
FILE = Path(__file__).parents[4] / "api" / "routes" / "embed.js"
DOCUMENT = Path(__file__).parents[4] / "docs" / "search-page.md"
LARGEST = 12_000
"""Bytes of the response. A search box must not slow down the page that contains it."""


def test_the_response_is_the_file(client: TestClient[Litestar]) -> None:
    answer = client.get(SCRIPT)
    assert answer.content == FILE.read_bytes()
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert len(answer.content) < LARGEST


def test_it_alone_may_be_loaded_by_pages_of_other_sites(client: TestClient[Litestar]) -> None:
    headers = client.get(SCRIPT).headers
    assert headers.get_list("cross-origin-resource-policy") == ["cross-origin"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert client.get("/").headers["cross-origin-resource-policy"] == "same-origin"


def test_it_may_be_cached_for_an_hour(client: TestClient[Litestar]) -> None:
    kept = client.get(SCRIPT).headers["cache-control"].split(", ")
    assert {"public", "max-age=3600"} <= set(kept)


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_a_current_etag_gets_304_without_a_body(client: TestClient[Litestar], form: str) -> None:
    sent = client.get(SCRIPT)
    answer = client.get(SCRIPT, headers={"if-none-match": form.format(sent.headers["etag"])})
    assert (answer.status_code, answer.content) == (304, b"")
    # A cache updates its stored response with these headers (RFC 9111, 4.3.4).
    for name in ("etag", "cache-control", "cross-origin-resource-policy"):
        assert answer.headers[name] == sent.headers[name]


def test_another_etag_gets_the_script(client: TestClient[Litestar]) -> None:
    assert client.get(SCRIPT, headers={"if-none-match": '"other"'}).status_code == 200


def test_head_has_the_headers_of_get(client: TestClient[Litestar]) -> None:
    asked, got = client.head(SCRIPT), client.get(SCRIPT)
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["etag"] == got.headers["etag"]
    assert asked.headers["content-length"] == got.headers["content-length"]


def test_it_is_not_rate_limited() -> None:
    with guarded(rate_of_address=Rate(1, 3600)) as client:
        assert [client.get(SCRIPT).status_code for _ in range(3)] == [200, 200, 200]


def test_an_allowed_site_may_check_it_by_its_hash() -> None:
    site = "https://app.example.com"
    with guarded(cors_origins=(site,)) as client:
        # <script integrity="..." crossorigin> asks with an origin.
        answer = client.get(SCRIPT, headers={"origin": site})
        assert answer.headers["access-control-allow-origin"] == site
        assert answer.headers["vary"] == "Origin"


def test_each_option_and_custom_property_is_documented_and_no_other() -> None:
    script, document = FILE.read_text(encoding="utf-8"), DOCUMENT.read_text(encoding="utf-8")
    options = {f"data-{name}" for name in re.findall(r'^    \["([a-z]+)", /', script, re.MULTILINE)}
    assert len(options) > 5
    rows = "".join(line.partition(" | ")[0] for line in document.splitlines() if line.startswith("| `"))
    assert {*re.findall(r"`(data-[a-z]+)`", rows)} == options | {"data-target"}
    assert {*re.findall(r"`(--vidsearch-[a-z]+)`", rows)} == {
        *re.findall(r"var\((--vidsearch-[a-z]+)", script)
    }
