"""Chromium on a page of ours, which must log no error and request nothing from other hosts before a click."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.processes import PATIENCE, REPOSITORY

playwright = pytest.importorskip("playwright.sync_api", reason="The package playwright is not installed.")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = REPOSITORY / ".data" / "node_modules" / "axe-core" / "axe.min.js"
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

_LOAD_FAILURE = "Failed to load resource"
"""Chromium logs this for every error response and for every host that it cannot reach."""

_EMPTY = {
    "document": ("text/html", b"<!DOCTYPE html><title>elsewhere</title>"),
    "image": ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "media": ("video/mp4", b""),
}


class WatchedPage:
    """A page in a browser, the errors it logged, and its requests beyond `address`.

    Other hosts are never reached: they answer with an empty body, or fail if `is_offline`. The page may
    request only `allowed_hosts`. `allows_failures` ignores error responses.
    """

    def __init__(self, page: Any, address: str, screenshots: Path | None) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self.allowed_hosts: set[str] = set()
        self.allows_failures = False
        self.is_offline = False
        self._screenshots = screenshots
        page.set_default_timeout(PATIENCE * 1000)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"an error: {error}"))
        # On the whole context, so that other tabs count as well.
        page.context.route(
            lambda url: not url.startswith((f"{address}/", "data:", "blob:")), self._answer_for_other_host
        )

    def open(self, path: str) -> Any:
        """Load a path, and return the response."""
        return self.page.goto(f"{self.address}{path}")

    def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true. It is a function, as the page's policy forbids eval."""
        self.page.wait_for_function(f"() => {condition}")

    def pause_clock(self) -> None:
        """Stop the timers of pages that are opened from now on. `advance` runs them."""
        self.page.clock.install(time=0)
        self.page.clock.pause_at(1000)

    def advance(self, milliseconds: int) -> None:
        """Run the timers that are due within this time, and let the page handle what they cause."""
        self.page.clock.run_for(milliseconds)
        self.settle()

    def settle(self) -> None:
        """Let the page run the tasks that are due now."""
        self.page.evaluate("() => 0")

    def fetched(self) -> list[str]:
        """Return a list of the addresses that the page's script fetches from now on."""
        fetched: list[str] = []
        self.page.on(
            "request",
            lambda request: fetched.append(request.url) if request.resource_type == "fetch" else None,
        )
        return fetched

    def screenshot(self, name: str, *, whole: bool = True) -> None:
        """Save a screenshot if pytest runs with --screenshots."""
        if self._screenshots is not None:
            self.page.screenshot(path=self._screenshots / f"{name}.png", full_page=whole)

    def check(self) -> None:
        """Assert that the page logged no error and requested nothing from other hosts."""
        assert not self.complaints, self.complaints
        others = [url for url in self.requested if urlsplit(url).hostname not in self.allowed_hosts]
        assert not others, others

    def expect_complaints(self, *texts: str) -> None:
        """Assert that these complaints and no others were made, and forget them.

        Some builds of Chromium end a console message with its location, so the texts are not compared whole.
        On a busy machine, typing may pause and send a request more than once, so a complaint may be repeated.
        """
        assert all(any(text in complaint for complaint in self.complaints) for text in texts), self.complaints
        assert all(any(text in complaint for text in texts) for complaint in self.complaints), self.complaints
        self.complaints.clear()

    def check_accessibility(self) -> None:
        """Assert that axe finds no violation of its default rules. Skips the test if axe is missing."""
        if not AXE.is_file():
            pytest.skip("axe-core is missing. Get it: make axe")
        # In an isolated world, where the timers of axe run even if the page's clock is paused.
        session = self.page.context.new_cdp_session(self.page)
        frame_id = session.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
        world = session.send("Page.createIsolatedWorld", {"frameId": frame_id})["executionContextId"]
        where = {"contextId": world, "awaitPromise": True, "returnByValue": True}
        session.send("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8"), "contextId": world})
        # Preloading would wait 10 s for the duration of a video that never loads.
        run = "axe.run({preload: false}).then(({violations}) => violations)"
        violations = session.send("Runtime.evaluate", {"expression": run, **where})["result"]["value"]
        found = [
            f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}"
            for violation in violations
            for node in violation["nodes"]
        ]
        assert not found, "\n".join(found)

    def _on_console(self, message: Any) -> None:
        # axe logs what it could not check.
        is_expected = message.text.startswith("axe.") or (
            self.allows_failures and _LOAD_FAILURE in message.text
        )
        if message.type in {"error", "warning"} and not is_expected:
            self.complaints.append(f"{message.type}: {message.text} at {json.dumps(message.location)}")

    def _answer_for_other_host(self, route: Any) -> None:
        self.requested.append(route.request.url)
        if self.is_offline:
            route.abort("internetdisconnected")
            return
        media_type, body = _EMPTY.get(route.request.resource_type, ("text/plain", b""))
        route.fulfill(status=200, content_type=media_type, body=body)


class HeldRequests:
    """Requests of a page that match a pattern. They wait until the test continues, fulfils or aborts them.

    The page does not give them up, however busy the machine is, unless `times_out`.
    """

    def __init__(self, page: Any, pattern: str, *, times_out: bool = False) -> None:
        self._page = page
        if not times_out:
            page.evaluate("AbortSignal.timeout = () => new AbortController().signal")
        self._routes: list[Any] = []

        def hold(route: Any) -> None:
            self._routes.append(route)

        page.route(pattern, hold)

    def take(self) -> Any:
        """Wait for the next request, and return its route."""
        # Playwright calls `hold` only while a call of its own runs.
        for _ in range(int(PATIENCE * 100)):
            if self._routes:
                return self._routes.pop(0)
            self._page.wait_for_timeout(10)
        pytest.fail("The page did not send the request.")

    def __len__(self) -> int:
        return len(self._routes)


@contextmanager
def started_browser() -> Iterator[Any]:
    """Start Chromium, and stop it at the end. Skips the test if Chromium is not installed."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed.")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
        )
        yield browser
        browser.close()


@contextmanager
def watched_page(
    browser: Any, address: str, screenshots: Path | None, options: Mapping[str, Any]
) -> Iterator[WatchedPage]:
    """Open a page in a context of its own, with these Playwright options, and check it at the end."""
    context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **options})
    try:
        watched = WatchedPage(context.new_page(), address, screenshots)
        yield watched
        watched.check()
    finally:
        context.close()
