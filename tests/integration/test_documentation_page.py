"""The documentation page in a browser: it renders, with everything its policy does not allow left out."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import PATIENCE, Api, Ingest, running_api

BROWSER = next(filter(shutil.which, ("chromium", "chromium-browser", "google-chrome")), None)
NEEDS_BROWSER = pytest.mark.skipif(BROWSER is None, reason="No Chromium is installed to show the page in.")


@pytest.fixture
def api(empty: Ingest) -> Iterator[Api]:
    with running_api(empty.index_dir, empty.model_dir) as api:
        yield api


def show(address: str) -> tuple[str, list[str]]:
    """Show a page, and return what it became and what the browser complained of."""
    finished = subprocess.run(
        [
            *(str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *("--virtual-time-budget=10000", "--dump-dom", address),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return finished.stdout, [line for line in finished.stderr.splitlines() if ":CONSOLE" in line]


@NEEDS_BROWSER
def test_the_page_shows_every_route_and_breaks_no_rule(api: Api) -> None:
    # With one operation open: its parameters, examples and answers are drawn as well.
    page, complaints = show(f"{api.address}/schema#/search/search")
    assert complaints == []
    for path in api.get("/schema/openapi.json").json()["paths"]:
        assert f'data-path="{path}"' in page
    assert "What to look for, in plain words" in page
    assert "key-required" in page
    assert "Authorize" in page


@NEEDS_BROWSER
def test_a_broken_rule_would_have_been_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<meta http-equiv='content-security-policy' content=\"script-src 'self'\"><script>alert()</script>"
    )
    _, complaints = show(page.as_uri())
    assert len(complaints) == 1
    assert "Content Security Policy" in complaints[0]
