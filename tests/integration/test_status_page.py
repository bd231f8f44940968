"""The status page in a browser, on a running service. Each test fails on anything that the browser complains
of, and on a request to another host."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.access.key_file import write_keys
from api.access.keys import make_key
from retrieval.catalogue.runs import Run, RunOutcome, write_runs
from tests.support.browser import PHONE, Watched
from tests.support.processes import PATIENCE, Api, Ingest, copied, eventually, running_api

Look = Callable[..., Watched]

EVERY_MS = 10_000
NOW = datetime.now(UTC)
SMALL_PHONE = {"width": 360, "height": 740}
HIDE = """isHidden => {
    Object.defineProperty(document, "hidden", { get: () => isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
WIDE = {"width": 1600, "height": 1000}


@pytest.fixture(scope="module")
def searched(sample_index: Ingest) -> Iterator[Api]:
    """A service that has answered some searches."""
    with running_api(sample_index.index_dir, sample_index.model_dir) as api:
        for query in ("telescope", "sourdough", "brakes", "telescope"):
            api.get("/v1/search", query=query).raise_for_status()
        api.get("/app/search", query="zebra").raise_for_status()
        yield api


@pytest.fixture
def page(look_at: Look, searched: Api) -> Watched:
    return shown(look_at, searched)


def shown(look_at: Look, api: Api, **options: Any) -> Watched:
    """The page of a service, in a browser whose clock can be put forward."""
    page = look_at(api.address, **options)
    page.page.clock.install()
    answer = page.open("/status")
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    return page


def is_refresh(request: Any) -> bool:
    """Whether a request is the page asking for itself, and not for its icon, which comes when it likes."""
    asks: bool = request.resource_type == "fetch" and request.url.endswith("/status")
    return asks


def refresh(page: Watched) -> None:
    """Let ten seconds pass, and what is asked for then arrive."""
    with page.page.expect_request_finished(is_refresh):
        page.page.clock.fast_forward(EVERY_MS)
    # What follows the answer happens before the next task of the page.
    page.page.evaluate("() => new Promise((done) => requestAnimationFrame(done))")


def fetched_by(page: Watched) -> list[str]:
    """What the page's script asks for from now on."""
    asked: list[str] = []
    page.page.on(
        "request", lambda request: asked.append(request.url) if request.resource_type == "fetch" else None
    )
    return asked


def headline(page: Watched) -> str:
    text: str = page.page.locator("h1:visible").inner_text()
    return text


def announced(page: Watched) -> str:
    text: str = page.page.locator("[role=status]").inner_text()
    return text


def has_no_sideways_scrolling(page: Watched) -> bool:
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


def test_searches_are_drawn_and_everything_is_told(page: Watched) -> None:
    page.shoot("status")
    assert headline(page) == "Everything works"
    assert page.page.title() == "Everything works \u2013 vidsearch"
    charts = page.page.get_by_role("img")
    assert charts.count() == 2
    assert "5 answered, 0 refused or failed" in charts.first.get_attribute("aria-label")
    assert page.page.locator("rect.answered").bounding_box()["height"] > 50
    assert page.page.locator("path.median").bounding_box()["width"] > 2
    page.page.locator("#minutes-summary").click()
    assert page.page.locator("#minutes tbody tr").count() in {1, 2}
    assert "zebra" not in page.page.content()
    page.check_for_everyone()


def test_what_is_open_stays_open_and_what_has_the_focus_keeps_it(page: Watched) -> None:
    page.page.locator("#minutes-summary").click()
    page.page.evaluate("document.getElementById('status').dataset.old = ''")
    refresh(page)
    page.page.wait_for_selector("#status:not([data-old])")
    assert page.page.locator("#minutes[open]").count() == 1
    assert page.page.evaluate("document.activeElement.id") == "minutes-summary"
    assert page.page.locator("#refreshed").inner_text().startswith("Refreshed ")
    # A refresh that changes nothing for all of it is nobody's news.
    assert announced(page) == ""


def test_nothing_is_replaced_under_a_selection(page: Watched) -> None:
    page.page.evaluate("getSelection().selectAllChildren(document.querySelector('.about code'))")
    asked = fetched_by(page)
    page.page.clock.fast_forward(EVERY_MS)
    page.page.evaluate("getSelection().removeAllRanges()")
    assert asked == []
    refresh(page)


def test_a_tab_that_is_hidden_asks_nothing(page: Watched) -> None:
    asked = fetched_by(page)
    page.page.evaluate(HIDE, True)  # noqa: FBT003 - Playwright's way to pass an argument.
    page.page.clock.fast_forward(10 * EVERY_MS)
    page.page.evaluate("0")
    assert asked == []
    with page.page.expect_request_finished(is_refresh):
        page.page.evaluate(HIDE, False)  # noqa: FBT003 - The same.
    assert asked == [f"{page.address}/status"]


def test_a_service_that_cannot_be_reached_is_told_and_taken_up_again(page: Watched) -> None:
    page.may_fail = True
    page.page.route("**/status", lambda route: route.abort("connectionrefused"))
    page.page.clock.fast_forward(EVERY_MS)
    page.page.locator("#unreachable").wait_for()
    page.shoot("status-unreachable")
    assert headline(page) == "The service cannot be reached"
    assert "trying again" in page.page.locator("#unreachable").inner_text()
    assert announced(page) == "The service cannot be reached."
    page.check_for_everyone()
    page.page.unroute("**/status")
    page.page.route("**/status", lambda route: route.fulfill(status=502, body="Bad gateway"))
    refresh(page)
    assert headline(page) == "The service cannot be reached"
    page.page.unroute("**/status")
    refresh(page)
    page.page.locator("#unreachable").wait_for(state="hidden")
    assert headline(page) == announced(page) == "Everything works"


def test_an_index_that_is_missing_fails_until_it_is_there(
    look_at: Look, empty: Ingest, catalogue: Path
) -> None:
    with running_api(empty.index_dir, empty.model_dir) as api:
        page = shown(look_at, api)
        page.shoot("status-failing")
        assert headline(page) == "Searches fail"
        assert "python -m ingest sync SOURCE" in page.page.locator("#status").inner_text()
        assert "No searches in the minute since the start" in page.page.locator("#status").inner_text()
        page.check_for_everyone()
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
    """A service whose last run was refused, and which expects more transcripts."""
    index_dir = copied(small_index[0], index_folders() / "index")
    write_runs(index_dir, RUNS)
    with running_api(index_dir, model_dir.resolve(), HEALTH_LEAST_COVERAGE="0.9") as api:
        for _ in range(3):
            api.get("/search", query="bread").raise_for_status()
        yield api


def test_warnings_and_how_each_run_ended(look_at: Look, warned: Api) -> None:
    page = shown(look_at, warned)
    page.shoot("status-warning")
    assert headline(page) == "Works, with warnings"
    text = page.page.locator("#status").inner_text()
    assert "80% of the videos have a transcript, fewer than there should be." in text
    assert "Last run: refused, 2 hours ago." in text
    assert "Planned: 3 to add, 40 to remove, 24 to keep" in text
    assert "someone" not in page.page.content()
    page.page.locator("#earlier-runs-summary").click()
    assert page.page.locator(".runs > li").count() == len(RUNS)
    page.check_for_everyone()
    refresh(page)
    assert page.page.locator("#earlier-runs[open]").count() == 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("phone", {"viewport": PHONE}),
        ("small-phone", {"viewport": SMALL_PHONE, "color_scheme": "dark"}),
        ("dark", {"color_scheme": "dark"}),
        ("wide", {"viewport": WIDE}),
    ],
)
def test_in_every_light_and_size(look_at: Look, warned: Api, name: str, options: dict[str, Any]) -> None:
    page = shown(look_at, warned, **options)
    page.page.locator("#minutes-summary").click()
    page.page.locator("#earlier-runs-summary").click()
    page.shoot(f"status-{name}")
    assert has_no_sideways_scrolling(page)
    page.check_for_everyone()


def test_where_keys_are_asked_for_a_key_shows_the_charts(
    look_at: Look, sample_index: Ingest, tmp_path: Path
) -> None:
    metrics, kept = make_key("dashboard", ["metrics"], NOW)
    search, kept_of_search = make_key("website", ["search"], NOW)
    write_keys(tmp_path / "keys.json", (kept, kept_of_search))
    keys = {"KEYS_FILE": str(tmp_path / "keys.json")}
    with running_api(sample_index.index_dir, sample_index.model_dir, **keys) as api:
        page = shown(look_at, api)
        page.may_fail = True
        field = page.page.locator("#key")
        field.wait_for()
        page.shoot("status-key")
        assert headline(page) == "Everything works"
        assert "are shown with a key of scope metrics" in page.page.locator("#activity").inner_text()
        page.check_for_everyone()
        field.press_sequentially("vs_hal")
        refresh(page)
        assert page.page.evaluate("document.activeElement.id") == "key"
        assert field.input_value() == "vs_hal"
        for wrong, told in (
            ("vs_half \u2013 a key", "not one of this service"),
            (search, "not the scope metrics"),
        ):
            field.fill(wrong)
            page.page.locator("#key-button").click()
            page.page.locator(".refusal", has_text=told).wait_for()
        field.fill(metrics)
        field.press("Enter")
        page.page.get_by_text("No searches in the minute since the start").wait_for()
        assert page.page.locator("#key").count() == 0
        api.get("/v1/search", query="telescope")
        refresh(page)
        assert "No searches" in page.page.locator("#activity").inner_text()
        page.page.reload()
        page.page.get_by_text("No searches in the minute since the start").wait_for()
        assert metrics not in page.page.url
        assert metrics not in api.log.read_text()


def test_the_key_that_is_searched_with_shows_the_charts_too(
    look_at: Look, sample_index: Ingest, tmp_path: Path
) -> None:
    key, kept = make_key("me", ["admin"], NOW)
    write_keys(tmp_path / "keys.json", (kept,))
    keys = {"KEYS_FILE": str(tmp_path / "keys.json")}
    with running_api(sample_index.index_dir, sample_index.model_dir, **keys) as api:
        page = look_at(api.address)
        page.may_fail = True
        page.open("/app/search?query=telescope")
        page.page.fill("#key-value", key)
        page.page.locator("#key button").click()
        page.page.locator(".result").first.wait_for()
        page.open("/status")
        page.page.get_by_role("img").first.wait_for()


def test_without_a_script_it_is_a_page_that_asks_for_itself(look_at: Look, searched: Api) -> None:
    page = look_at(searched.address, java_script_enabled=False)
    page.open("/status")
    page.shoot("status-without-javascript")
    assert headline(page) == "Everything works"
    assert page.page.get_by_role("img").count() == 2
    assert page.page.locator("#refreshed").inner_text().startswith("As of ")
    assert page.page.locator("noscript meta[http-equiv=refresh]").get_attribute("content") == "30"
