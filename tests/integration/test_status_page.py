"""The status page in a browser, on a running service.

Each test fails if the browser logs an error, or requests another host.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.access.key_file import write_keys
from api.access.keys import make_key
from retrieval.catalogue.runs import Run, RunOutcome, write_runs
from tests.support.browser import WatchedPage
from tests.support.processes import PATIENCE, Api, Ingest, copied, eventually, running_api

OpenPage = Callable[..., WatchedPage]

REFRESH_MS = 10_000
NOW = datetime.now(UTC)
SMALL_PHONE = {"width": 360, "height": 740}
MARK_AS_OLD = """() => {
    const status = document.getElementById("status");
    status.dataset.old = "";
    delete status.dataset.stale;
}"""
HIDE = """isHidden => {
    Object.defineProperty(document, "hidden", { get: () => isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
WIDE = {"width": 1600, "height": 1000}


@pytest.fixture(scope="module")
def searched(sample_index: Ingest) -> Iterator[Api]:
    """A service that has answered five searches."""
    with running_api(sample_index.index_dir, sample_index.model_dir) as api:
        for query in ("telescope", "sourdough", "brakes", "telescope"):
            api.get("/v1/search", query=query).raise_for_status()
        api.get("/app/search", query="zebra").raise_for_status()
        yield api


@pytest.fixture
def page(look_at: OpenPage, searched: Api) -> WatchedPage:
    return shown(look_at, searched)


def shown(look_at: OpenPage, api: Api, **options: Any) -> WatchedPage:
    """Open the status page of a service, with a paused clock."""
    page = look_at(api.address, **options)
    page.pause_clock()
    answer = page.open("/status")
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    return page


def is_refresh(request: Any) -> bool:
    """Return whether a request is a refresh. The browser requests the icon at any time."""
    is_own: bool = request.resource_type == "fetch" and request.url.endswith("/status")
    return is_own


def refresh(page: WatchedPage) -> None:
    """Put the clock forward by ten seconds, and wait until the page has handled the response."""
    page.page.evaluate(MARK_AS_OLD)
    page.page.clock.fast_forward(REFRESH_MS)
    page.until("document.querySelector('#status:not([data-old]), #status[data-stale]')")


def reload(page: WatchedPage) -> None:
    """Load the page again."""
    page.page.reload()


def headline(page: WatchedPage) -> str:
    text: str = page.page.locator("h1:visible").inner_text()
    return text


def wait_until_working(
    page: WatchedPage, working: str = "Everything works", *, again: Callable[[WatchedPage], object] = reload
) -> None:
    """Reload until a canary search was answered within its time limit. On a busy machine, some are not."""

    def works() -> bool | None:
        if headline(page) == working:
            return True
        again(page)
        return None

    eventually(works, within=PATIENCE)


def announced(page: WatchedPage) -> str:
    text: str = page.page.locator("[role=status]").inner_text()
    return text


def has_no_sideways_scrolling(page: WatchedPage) -> bool:
    fits: bool = page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return fits


def past(hours: float, outcome: RunOutcome | None, **more: Any) -> Run:
    began_at = NOW - timedelta(hours=hours)
    ended_at = began_at + timedelta(seconds=75) if outcome else None
    return Run(
        began_at=began_at, ended_at=ended_at, outcome=outcome, sources=("/home/someone/talks.csv",), **more
    )


RUNS = [
    past(2.5, RunOutcome.REFUSED, why="/home/someone/talks.csv", counts={"add": 3, "remove": 40, "keep": 24}),
    past(26, RunOutcome.PUBLISHED, index_version="20240531T120000Z-1a2b3c", counts={"add": 64}),
    past(50, RunOutcome.UNCHANGED, counts={"keep": 64}, times=3, since=NOW - timedelta(hours=70)),
    past(80, RunOutcome.FAILED, why="/home/someone/talks.csv"),
    past(90, RunOutcome.STOPPED, counts={"add": 12, "rejected": 1}),
    past(99, RunOutcome.PUBLISHED, index_version="20240530T120000Z-1a2b3c", counts={"add": 12}),
    past(120, None),
]


def test_the_searches_of_the_last_hour_are_shown(page: WatchedPage) -> None:
    wait_until_working(page)
    page.screenshot("status")
    assert page.page.title() == "Everything works \u2013 vidsearch"
    charts = page.page.get_by_role("img")
    assert charts.count() == 2
    assert "5 answered, 0 refused or failed" in charts.first.get_attribute("aria-label")
    assert page.page.locator("rect.answered").bounding_box()["height"] > 50
    assert page.page.locator("path.median").bounding_box()["width"] > 2
    page.page.locator("#minutes-summary").click()
    assert page.page.locator("#minutes tbody tr").count() in {1, 2}
    assert "zebra" not in page.page.content()
    page.check_accessibility()


def test_a_refresh_keeps_details_open_and_the_focus(page: WatchedPage) -> None:
    page.page.locator("#minutes-summary").click()
    refresh(page)
    assert page.page.locator("#minutes[open]").count() == 1
    assert page.page.evaluate("document.activeElement.id") == "minutes-summary"
    assert page.page.locator("#refreshed").inner_text().startswith("Refreshed ")


def test_a_refresh_is_announced_only_if_it_changes_the_overall_state(page: WatchedPage) -> None:
    def unchanged() -> tuple[str, str] | None:
        state, before = headline(page), announced(page)
        refresh(page)
        return (before, announced(page)) if headline(page) == state else None

    before, after = eventually(unchanged, within=PATIENCE)
    assert before == after


def test_a_refresh_waits_while_text_is_selected(page: WatchedPage) -> None:
    page.page.evaluate("getSelection().selectAllChildren(document.querySelector('.about code'))")
    requested = page.fetched()
    page.page.clock.fast_forward(REFRESH_MS)
    page.page.evaluate("getSelection().removeAllRanges()")
    assert requested == []
    refresh(page)


def test_a_hidden_tab_does_not_refresh(page: WatchedPage) -> None:
    requested = page.fetched()
    page.page.evaluate(HIDE, True)  # noqa: FBT003 - Playwright's way to pass an argument.
    page.page.clock.fast_forward(10 * REFRESH_MS)
    page.page.evaluate("0")
    assert requested == []
    with page.page.expect_request_finished(is_refresh):
        page.page.evaluate(HIDE, False)  # noqa: FBT003 - The same.
    assert requested == [f"{page.address}/status"]


def test_an_unreachable_service_is_shown_until_it_is_back(page: WatchedPage) -> None:
    page.allows_failures = True
    page.page.route("**/status", lambda route: route.abort("connectionrefused"))
    page.page.clock.fast_forward(REFRESH_MS)
    page.page.locator("#unreachable").wait_for()
    page.screenshot("status-unreachable")
    assert headline(page) == "The service can't be reached"
    assert "Trying again" in page.page.locator("#unreachable").inner_text()
    assert announced(page) == "The service can't be reached."
    page.check_accessibility()
    page.page.unroute("**/status")
    page.page.route("**/status", lambda route: route.fulfill(status=502, body="Bad gateway"))
    refresh(page)
    assert headline(page) == "The service can't be reached"
    page.page.unroute("**/status")
    refresh(page)
    page.page.locator("#unreachable").wait_for(state="hidden")
    assert headline(page) == announced(page)
    wait_until_working(page, again=refresh)


def test_search_is_failing_until_there_is_an_index(look_at: OpenPage, empty: Ingest, catalogue: Path) -> None:
    with running_api(empty.index_dir, empty.model_dir) as api:
        page = shown(look_at, api)
        page.screenshot("status-failing")
        assert headline(page) == "Search is failing"
        assert "python -m ingest sync SOURCE" in page.page.locator("#status").inner_text()
        assert "No searches since the service started" in page.page.locator("#status").inner_text()
        page.check_accessibility()
        empty.done("sync", catalogue)

        def works() -> bool | None:
            refresh(page)
            return headline(page) == "Everything works" or None

        eventually(works, within=PATIENCE)
        assert announced(page) == "Everything works"
        assert page.page.title() == "Everything works \u2013 vidsearch"


@pytest.fixture(scope="module")
def warned(
    model_dir: Path, small_index: tuple[Path, str], index_folders: Callable[[], Path]
) -> Iterator[Api]:
    """A service whose last run was refused, and which has too few transcripts."""
    index_dir = copied(small_index[0], index_folders() / "index")
    write_runs(index_dir, RUNS)
    with running_api(index_dir, model_dir.resolve(), HEALTH_LEAST_COVERAGE="0.9") as api:
        for _ in range(3):
            api.get("/search", query="bread").raise_for_status()
        yield api


def test_warnings_and_the_outcome_of_each_run(look_at: OpenPage, warned: Api) -> None:
    page = shown(look_at, warned)
    wait_until_working(page, "Working, with warnings")
    page.screenshot("status-warning")
    text = page.page.locator("#status").inner_text()
    assert "80% of the videos have a transcript, fewer than expected." in text
    assert "Last run: refused, 2 hours ago." in text
    assert "Planned: 3 to add, 40 to remove, 24 to keep" in text
    assert "someone" not in page.page.content()
    page.page.locator("#earlier-runs-summary").click()
    assert page.page.locator(".runs > li").count() == len(RUNS)
    page.check_accessibility()
    refresh(page)
    assert page.page.locator("#earlier-runs[open]").count() == 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("small-phone", {"viewport": SMALL_PHONE, "color_scheme": "dark"}),
        ("wide", {"viewport": WIDE}),
    ],
)
def test_the_page_on_other_displays(
    look_at: OpenPage, warned: Api, name: str, options: dict[str, Any]
) -> None:
    page = shown(look_at, warned, **options)
    page.page.locator("#minutes-summary").click()
    page.page.locator("#earlier-runs-summary").click()
    page.screenshot(f"status-{name}")
    assert has_no_sideways_scrolling(page)
    page.check_accessibility()


METRICS_KEY, STORED_METRICS_KEY = make_key("dashboard", ["metrics"], NOW)
SEARCH_KEY, STORED_SEARCH_KEY = make_key("website", ["search"], NOW)
ADMIN_KEY, STORED_ADMIN_KEY = make_key("me", ["admin"], NOW)


@pytest.fixture(scope="module")
def locked(sample_index: Ingest, index_folders: Callable[[], Path]) -> Iterator[Api]:
    """A service that requires keys."""
    keys_file = index_folders() / "keys.json"
    write_keys(keys_file, (STORED_METRICS_KEY, STORED_SEARCH_KEY, STORED_ADMIN_KEY))
    keys = {"KEYS_FILE": str(keys_file)}
    with running_api(sample_index.index_dir, sample_index.model_dir, **keys) as api:
        yield api


def test_if_keys_are_required_a_metrics_key_shows_the_charts(look_at: OpenPage, locked: Api) -> None:
    page = shown(look_at, locked)
    page.allows_failures = True
    field = page.page.locator("#key")
    field.wait_for()
    wait_until_working(page)
    page.screenshot("status-key")
    assert "enter a key with the metrics scope" in page.page.locator("#activity").inner_text()
    page.check_accessibility()
    field.press_sequentially("vs_hal")
    refresh(page)
    assert page.page.evaluate("document.activeElement.id") == "key"
    assert field.input_value() == "vs_hal"
    for wrong, refusal in (
        ("vs_half \u2013 a key", "This key isn't valid."),
        (SEARCH_KEY, "This key doesn't have the metrics scope."),
    ):
        field.fill(wrong)
        page.page.locator("#key-button").click()
        page.page.locator(".refusal", has_text=refusal).wait_for()
    field.fill(METRICS_KEY)
    field.press("Enter")
    page.page.locator("#activity :is(.empty, .figures)").wait_for()
    assert page.page.locator("#key").count() == 0
    page.page.reload()
    page.page.locator("#activity :is(.empty, .figures)").wait_for()
    assert METRICS_KEY not in page.page.url
    assert METRICS_KEY not in locked.log.read_text()


def test_the_key_of_the_search_page_shows_the_charts_too(look_at: OpenPage, locked: Api) -> None:
    page = look_at(locked.address)
    page.allows_failures = True
    page.open("/app/search?query=telescope")
    page.page.fill("#key-value", ADMIN_KEY)
    page.page.locator("#key button").click()
    page.page.locator(".result").first.wait_for()
    page.open("/status")
    page.page.get_by_role("img").first.wait_for()


def test_without_javascript_the_page_reloads_itself(look_at: OpenPage, searched: Api) -> None:
    page = look_at(searched.address, java_script_enabled=False)
    page.open("/status")
    wait_until_working(page)
    page.screenshot("status-without-javascript")
    assert page.page.get_by_role("img").count() == 2
    assert page.page.locator("#refreshed").inner_text().startswith("As of ")
    assert page.page.locator("noscript meta[http-equiv=refresh]").get_attribute("content") == "30"
