"""Chromium on a page of ours, which must complain of nothing and ask nobody else before a click."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.processes import REPOSITORY

playwright = pytest.importorskip("playwright.sync_api", reason="The package playwright is not installed.")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = REPOSITORY / ".data" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = 5_000
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

_UNLOADABLE = "Failed to load resource"
"""What the browser says of every answer that is an error, and of every host that is not reached."""

_EMPTY = {
    "document": ("text/html", b"<!DOCTYPE html><title>elsewhere</title>"),
    "image": ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "media": ("video/mp4", b""),
}


class Watched:
    """A page in a browser, what it complained of, and whom it asked beyond `address`.

    Other hosts are never reached: they answer with nothing, or with `is_offline` not at all. `may_ask` are
    those that it may ask, `may_fail` says that answers which are errors are expected.
    """

    def __init__(self, page: Any, address: str, screenshots: Path | None) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.may_ask: set[str] = set()
        self.may_fail = False
        self.is_offline = False
        self._screenshots = screenshots
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"an error: {error}"))
        # Of the whole context: what is opened in another tab counts as well.
        page.context.route(lambda url: not url.startswith((f"{address}/", "data:", "blob:")), self._elsewhere)

    def open(self, path: str) -> Any:
        """Show what is at a path, and return the answer to it."""
        return self.page.goto(f"{self.address}{path}")

    def until(self, condition: str) -> None:
        """Wait until an expression is true on the page: in a function, as its policy evaluates no text."""
        self.page.wait_for_function(f"() => {condition}")

    def shoot(self, name: str, *, whole: bool = True) -> None:
        """Take a picture, where somebody asked for pictures."""
        if self._screenshots is not None:
            self.page.screenshot(path=self._screenshots / f"{name}.png", full_page=whole)

    def check(self) -> None:
        """Hold that nothing was complained of and nobody else was asked."""
        assert not self.complaints, self.complaints
        others = [url for url in self.asked if urlsplit(url).hostname not in self.may_ask]
        assert not others, others

    def check_for_everyone(self) -> None:
        """Hold that axe finds no violation of any default rule. Skips the test where axe is missing."""
        if not AXE.is_file():
            pytest.skip("axe-core is missing. Get it: make axe")
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        # To preload is to wait 10 s for the length of a video that never comes.
        found = self.page.evaluate("axe.run({preload: false}).then(({violations}) => violations)")
        told = [
            f"{fault['id']}: {node['html'][:200]} {node['failureSummary']}"
            for fault in found
            for node in fault["nodes"]
        ]
        assert not told, "\n".join(told)

    def _heard(self, message: Any) -> None:
        # axe tells of what it could not look at in the same place.
        is_ours = not message.text.startswith("axe.") and not (self.may_fail and _UNLOADABLE in message.text)
        if message.type in {"error", "warning"} and is_ours:
            self.complaints.append(f"{message.type}: {message.text} at {json.dumps(message.location)}")

    def _elsewhere(self, route: Any) -> None:
        self.asked.append(route.request.url)
        if self.is_offline:
            route.abort("internetdisconnected")
            return
        media_type, body = _EMPTY.get(route.request.resource_type, ("text/plain", b""))
        route.fulfill(status=200, content_type=media_type, body=body)


@contextmanager
def started_browser() -> Iterator[Any]:
    """Start Chromium, and stop it at the end of the block. Skips the test where there is none."""
    if CHROMIUM is None:
        pytest.skip("No Chromium is installed to show the pages in.")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
        )
        yield browser
        browser.close()


@contextmanager
def watched_page(
    browser: Any, address: str, screenshots: Path | None, options: Mapping[str, Any]
) -> Iterator[Watched]:
    """Open a page of its own, with the options of a Playwright context, and check it at the end."""
    context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **options})
    try:
        watched = Watched(context.new_page(), address, screenshots)
        yield watched
        watched.check()
    finally:
        context.close()
