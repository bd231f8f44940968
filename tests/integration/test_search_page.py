"""The search page in a browser, on the sample catalogue and on one that means harm.

Each test fails on what the browser complains of, and on a request to another host that nobody asked for.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.access.key_file import write_keys
from api.access.keys import make_key
from api.pages.problem_page import render_problem
from api.wire.problems import kind_of
from retrieval.errors import OverloadedError
from retrieval.search.searcher import SearchRequest, SearchResult
from tests.support.browser import PHONE, Watched
from tests.support.documents import write_jsonl
from tests.support.hostile import TAGS, mark
from tests.support.page_catalogue import HEBREW_TITLE, ROWS
from tests.support.processes import Api, Ingest, running_api

Look = Callable[..., Watched]

QUERY = "why is my telescope view mushy"
SEARCH = "/app/search?query=why%20is%20my%20telescope%20view%20mushy"
FILES = {"videos.example.org"}
SETTLED_MS = 1_300
NOTE_ANNOUNCEMENTS = """() => {
    const told = document.querySelector("#told");
    new MutationObserver(() => announced.push(told.textContent)).observe(told, { childList: true });
}"""


@pytest.fixture(scope="module")
def sample(sample_index: Ingest) -> Iterator[Api]:
    with running_api(sample_index.index_dir, sample_index.model_dir) as api:
        yield api


@pytest.fixture(scope="module")
def hostile(model_dir: Path, index_folders: Callable[[], Path]) -> Iterator[Api]:
    folder = index_folders()
    ingest = Ingest(folder / "index", model_dir.resolve())
    ingest.done("sync", write_jsonl(folder / "talks.jsonl", ROWS))
    with running_api(ingest.index_dir, ingest.model_dir) as api:
        yield api


@pytest.fixture
def page(look_at: Look, sample: Api) -> Watched:
    return look_at(sample.address)


def address(page: Any) -> str:
    shown: str = page.evaluate("location.pathname + location.search")
    return shown


def headline(page: Any, text: str) -> None:
    """Wait until the results say this first."""
    page.wait_for_function(
        "text => document.querySelector('#results h1').textContent.includes(text)", arg=text
    )


def hold(page: Watched, query: str) -> list[Any]:
    """Keep the answers to a query back; they are in the list."""
    held: list[Any] = []

    def keep(route: Any) -> None:
        held.append(route)

    page.page.route(f"**/app/search?query={query}", keep)
    return held


def focused(page: Any) -> str:
    name: str = page.evaluate("document.activeElement.className || document.activeElement.tagName")
    return name


# Typing.


def test_what_is_typed_is_searched_for_while_it_is_typed(page: Watched) -> None:
    page.open("/app")
    page.shoot("start")
    page.check_for_everyone()
    announced = page.page.evaluate_handle("() => window.announced = []")
    page.page.evaluate(NOTE_ANNOUNCEMENTS)
    page.page.locator("#query").press_sequentially("collimating a newtonian", delay=100)
    headline(page.page, "collimating a newtonian")
    first = page.page.locator(".result").first
    assert "Collimate My Newtonian" in first.locator("h2").inner_text()
    assert {text.lower() for text in first.locator("mark").all_inner_texts()} >= {"newtonian", "collimation"}
    assert page.page.locator(".results > li").count() == 10
    page.until("document.querySelector('#told').textContent")
    assert announced.json_value() == ["The 10 best videos for collimating a newtonian"]
    assert page.page.title() == "collimating a newtonian \u2013 vidsearch"
    assert address(page.page) == "/app/search?query=collimating%20a%20newtonian"
    assert page.page.evaluate("document.activeElement.id") == "query"


def test_pasted_text_is_searched_for_and_nothing_is_the_start(page: Watched) -> None:
    page.open("/app")
    page.page.fill("#query", QUERY)
    headline(page.page, QUERY)
    page.page.fill("#query", "")
    headline(page.page, "Find the moment")
    assert address(page.page) == "/app/search"


def test_an_answer_that_was_overtaken_is_never_shown(page: Watched) -> None:
    page.open("/app")
    held = hold(page, "telescope")
    page.page.fill("#query", "telescope")
    page.page.wait_for_timeout(150)
    page.page.fill("#query", "shellac")
    headline(page.page, "shellac")
    assert len(held) == 1
    page.page.wait_for_timeout(100)
    headline(page.page, "shellac")


def test_while_an_answer_is_awaited_the_last_one_stays(page: Watched) -> None:
    page.open(SEARCH)
    held = hold(page, "shellac")
    page.page.fill("#query", "shellac")
    page.until("document.querySelector('#results').ariaBusy === 'true'")
    page.page.wait_for_timeout(450)
    assert page.page.locator(".results > li").count() == 10
    page.shoot("loading", whole=False)
    held[0].continue_()
    headline(page.page, "shellac")
    assert page.page.evaluate("document.querySelector('#results').ariaBusy") is None


def test_a_word_that_is_being_composed_is_not_searched_for(page: Watched) -> None:
    page.open("/app")
    page.page.locator("#query").focus()
    keyboard = page.page.context.new_cdp_session(page.page)
    keyboard.send("Input.imeSetComposition", {"text": "tele", "selectionStart": 4, "selectionEnd": 4})
    page.page.wait_for_timeout(200)
    assert address(page.page) == "/app"
    keyboard.send("Input.insertText", {"text": "telescope"})
    headline(page.page, "telescope")


# Addresses and the history.


def test_a_link_shares_what_is_shown(page: Watched, look_at: Look, sample: Api) -> None:
    page.open("/app")
    page.page.fill("#query", QUERY)
    page.page.select_option("select[name=channel]", "Backyard Observatory")
    headline(page.page, QUERY)
    page.until("location.search.includes('channel')")
    page.until("document.querySelector('.active').textContent === '1'")
    titles = page.page.locator("h2").all_inner_texts()
    other = look_at(sample.address)
    other.open(address(page.page))
    assert other.page.locator("h2").all_inner_texts() == titles
    assert other.page.input_value("#query") == QUERY
    assert other.page.input_value("select[name=channel]") == "Backyard Observatory"


def test_back_and_forward_bring_back_query_filters_and_results(page: Watched) -> None:
    page.open("/app")
    page.page.locator("#query").press_sequentially("telescope", delay=10)
    headline(page.page, "telescope")
    page.page.wait_for_timeout(SETTLED_MS)
    entries = page.page.evaluate("history.length")
    page.page.locator("#query").press_sequentially(" mirror", delay=10)
    headline(page.page, "telescope mirror")
    assert page.page.evaluate("history.length") == entries + 1
    page.page.select_option("select[name=mode]", "lexical")
    page.until("location.search.includes('lexical')")
    page.page.go_back()
    page.until("document.querySelector('[name=mode]').value === 'hybrid'")
    assert address(page.page) == "/app/search?query=telescope%20mirror"
    page.page.go_back()
    headline(page.page, "\u201ctelescope\u201d")
    page.until("document.querySelector('#query').value === 'telescope'")
    page.page.go_back()
    headline(page.page, "Find the moment")
    assert page.page.input_value("#query") == ""
    page.page.go_forward()
    headline(page.page, "\u201ctelescope\u201d")


def test_back_to_what_does_not_answer_has_the_query_that_is_tried_again(page: Watched) -> None:
    page.may_fail = True
    page.open("/app/search?query=telescope")
    page.page.select_option("select[name=mode]", "lexical")
    page.until("location.search.includes('lexical')")
    page.page.fill("#query", "shellac")
    headline(page.page, "shellac")
    page.page.route("**/app/search?query=telescope", lambda route: route.abort("connectionrefused"))
    page.page.go_back()
    headline(page.page, "No answer")
    assert page.page.input_value("#query") == "telescope"
    assert page.page.input_value("select[name=mode]") == "hybrid"


# What is found, and playing it.


def test_results(page: Watched) -> None:
    page.open(SEARCH)
    page.shoot("results")
    page.check_for_everyone()
    first = page.page.locator(".result").first
    assert first.locator(".moment").count() == 3
    assert first.locator(".bar g").count() == 3
    assert first.locator(".meta").inner_text().startswith("Backyard Observatory")
    moment = first.locator("a.moment").first
    assert moment.get_attribute("href") == (
        "https://videos.example.org/mushy-planets-seeing-and-cooldown.mp4#t=34"
    )


def test_a_moment_plays_in_its_result_one_at_a_time(page: Watched) -> None:
    page.may_ask = FILES
    page.open(SEARCH)
    moments = page.page.locator("a.moment")
    moments.nth(1).click()
    player = page.page.locator(".player")
    assert player.locator("video").get_attribute("src") == moments.nth(1).get_attribute("href")
    assert player.get_attribute("aria-label").endswith(f"from {moments.nth(1).locator('.time').inner_text()}")
    assert page.asked
    page.check_for_everyone()
    page.shoot("playing", whole=False)
    moments.nth(4).click()
    assert player.count() == 1
    assert page.page.locator(".result").nth(1).locator(".player").count() == 1
    player.locator("button").click()
    assert player.count() == 0
    # With a key held down a click is the browser's own, which opens another tab.
    page.page.evaluate(
        "addEventListener('click', event => { left = !event.defaultPrevented; event.preventDefault() })"
    )
    moments.nth(0).click(modifiers=["Control"])
    assert page.page.evaluate("left") is True
    assert player.count() == 0


def test_more_moments_and_similar_videos_unfold_in_place(page: Watched) -> None:
    page.open(SEARCH)
    first = page.page.locator(".result").first
    first.locator(".more").click()
    page.until("document.querySelector('.result').querySelectorAll('.moment').length > 3")
    page.until("document.querySelector('#told').textContent.endsWith(' moments')")
    first.locator(".near").click()
    first.locator(".similar").wait_for()
    assert first.locator(".similar li").count() == 6
    page.check_for_everyone()
    page.shoot("unfolded", whole=False)
    assert address(page.page) == SEARCH


def test_a_second_click_unfolds_nothing_twice(page: Watched) -> None:
    page.open(SEARCH)
    first = page.page.locator(".result").first
    first.locator(".near").dblclick()
    first.locator(".similar").wait_for()
    page.page.wait_for_timeout(200)
    assert first.locator(".similar").count() == 1


def test_unfolding_does_not_follow_to_another_search(page: Watched) -> None:
    page.may_fail = True
    page.open(SEARCH)
    held: list[Any] = []
    page.page.route("**/app/videos/**", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks it.
    page.page.locator(".more").first.click()
    page.page.fill("#query", "shellac")
    headline(page.page, "shellac")
    held[0].abort("connectionrefused")
    page.page.wait_for_timeout(200)
    assert address(page.page) == "/app/search?query=shellac"


def test_more_results_are_another_page(page: Watched) -> None:
    page.open(SEARCH)
    titles = page.page.locator(".result h2")
    before = titles.all_inner_texts()
    page.page.locator("[rel=next]").click()
    headline(page.page, "Videos 11 to 20")
    assert not set(before) & set(titles.all_inner_texts())
    assert focused(page.page) == "count"
    assert page.page.evaluate("scrollY") == 0
    page.page.locator("[rel=prev]").click()
    headline(page.page, "The 10 best videos")


def test_filters_narrow_down_and_are_cleared(page: Watched) -> None:
    page.open("/app")
    options = page.page.locator("select[name=channel] option").all_inner_texts()
    assert "Backyard Observatory (8)" in options
    page.page.fill("#query", "light")
    page.page.select_option("select[name=channel]", "Second Shutter")
    page.page.fill("input[name=published_after]", "2024-01-01")
    page.page.fill("input[name=published_before]", "2024-12-31")
    page.until("document.querySelector('.active').textContent === '3'")
    assert {text.split("\n")[0] for text in page.page.locator(".meta bdi").all_inner_texts()} == {
        "Second Shutter"
    }
    assert all("2024" in text for text in page.page.locator(".meta time").all_inner_texts())
    page.page.locator(".clear a").click()
    page.until("document.querySelector('.active').textContent === ''")
    assert address(page.page) == "/app/search?query=light"
    assert page.page.input_value("select[name=channel]") == ""


def test_one_video(page: Watched) -> None:
    page.open("/app/videos/mushy-planets-seeing-and-cooldown?query=telescope")
    page.shoot("video")
    page.check_for_everyone()
    assert page.page.locator("a.moment").count() > 3
    page.page.locator(".back a").click()
    headline(page.page, "telescope")


# States.


def test_nothing_found_says_what_to_try(page: Watched) -> None:
    page.open("/app/search?query=zzyzx&mode=lexical&channel=Gone")
    page.shoot("nothing")
    page.check_for_everyone()
    assert page.page.input_value("select[name=channel]") == "Gone"
    page.page.get_by_role("link", name="Search everything").click()
    headline(page.page, "best videos")


def test_an_error_says_what_to_do_and_how_to_report_it(page: Watched) -> None:
    page.may_fail = True
    page.open("/app/search?query=x&published_after=2024-05-31&published_before=2020-01-01")
    page.shoot("error")
    page.check_for_everyone()
    told = page.page.locator("#results").inner_text()
    assert "\u201cPublished from\u201d is not earlier than \u201cPublished until\u201d." in told
    assert "name the request" in told
    assert page.page.input_value("input[name=published_after]") == "2024-05-31"
    page.page.fill("input[name=published_before]", "")
    headline(page.page, "best videos")


def test_overloaded_is_tried_again_by_itself(page: Watched) -> None:
    page.may_fail = True
    body = render_problem(kind_of(OverloadedError).told(), {"path": "/app/search"}, "1")  # type: ignore[typeddict-item]
    left = [2]

    def refuse(route: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            route.continue_()
        else:
            headers = {"retry-after": "1"}
            route.fulfill(status=503, content_type="text/html; charset=utf-8", body=body, headers=headers)

    page.page.route("**/app/search?*", refuse)
    # The waits are noted, and all but the first are short.
    page.page.add_init_script(
        "const wait = setTimeout; waits = [];"
        "setTimeout = (then, ms) => wait(then, ms > 1000 && waits.push(ms) > 1 ? ms / 10 : ms)"
    )
    page.open("/app")
    page.page.fill("#query", "telescope")
    headline(page.page, "Too busy just now")
    assert "tried again by itself" in page.page.locator("#results").inner_text()
    page.shoot("overloaded")
    page.check_for_everyone()
    # Later each time, and by chance up to half as long again: who was refused together does not come back so.
    headline(page.page, "telescope")
    assert left[0] < 0
    for wait, least in zip(page.page.evaluate("waits"), (1000, 2000), strict=True):
        assert least < wait < 1.5 * least


def test_a_service_that_is_gone(page: Watched) -> None:
    page.may_fail = True
    page.open("/app")
    page.page.route("**/app/search?*", lambda route: route.abort("connectionrefused"))
    page.page.fill("#query", "telescope")
    headline(page.page, "No answer")
    page.page.unroute("**/app/search?*")
    page.page.locator(".retry").click()
    headline(page.page, "telescope")


def test_a_service_that_keeps_one_waiting_is_given_up(page: Watched) -> None:
    page.may_fail = True
    page.page.add_init_script(
        "const timeout = AbortSignal.timeout; AbortSignal.timeout = ms => timeout.call(AbortSignal, ms / 100)"
    )
    page.open("/app")
    page.page.route("**/app/search?*", lambda route: None)  # noqa: ARG005 - It never answers.
    page.page.fill("#query", "telescope")
    headline(page.page, "No answer")


def test_no_index_yet_says_what_to_run(look_at: Look, empty: Ingest) -> None:
    with running_api(empty.index_dir, empty.model_dir) as api:
        page = look_at(api.address)
        page.may_fail = True
        page.open("/app")
        assert "python -m ingest sync SOURCE" in page.page.locator("#results").inner_text()
        page.shoot("no-index")
        page.check_for_everyone()
        page.page.fill("#query", "telescope")
        headline(page.page, "The index is unavailable")


def test_a_link_within_the_page_is_no_search(page: Watched) -> None:
    page.open(SEARCH)
    page.page.locator("a.moment").first.focus()
    page.page.evaluate("document.querySelector('#results').dataset.kept = 'yes'")
    page.page.evaluate("location.hash = 'main'")
    page.page.wait_for_timeout(100)
    assert page.page.locator("[aria-busy]").count() == 0
    assert focused(page.page) in {"MAIN", "moment"}


def test_a_key_is_asked_for_kept_in_the_tab_and_never_in_an_address(
    look_at: Look, sample_index: Ingest, tmp_path: Path
) -> None:
    key, stored = make_key("website", ["search"], datetime.now(UTC))
    write_keys(tmp_path / "keys.json", (stored,))
    keys = {"KEYS_FILE": str(tmp_path / "keys.json")}
    with running_api(sample_index.index_dir, sample_index.model_dir, **keys) as api:
        page = look_at(api.address)
        page.may_fail = True
        page.open("/app")
        assert page.page.locator(".examples").count() == 0
        assert page.page.locator("select[name=channel] option").count() == 1
        page.page.fill("#query", "telescope")
        headline(page.page, "Key required")
        page.shoot("key")
        page.check_for_everyone()
        page.page.fill("#key-value", "vs_wrong")
        page.page.locator("#key button").click()
        headline(page.page, "Key invalid")
        page.page.fill("#key-value", key)
        page.page.locator("#key button").click()
        headline(page.page, "telescope")
        assert page.page.locator("select[name=channel] option").count() > 1
        page.page.reload()
        headline(page.page, "\u201ctelescope\u201d")
        assert page.page.input_value("#query") == "telescope"
        assert key not in page.page.url
        assert page.page.evaluate("localStorage.length") == 0
        assert key not in api.log.read_text()


def test_degraded_says_so_calmly(page: Watched, degraded: str) -> None:
    page.page.route("**/app/search?*", lambda route: route.fulfill(content_type="text/html", body=degraded))
    page.open("/app")
    page.page.fill("#query", "telescope")
    page.page.locator("p.notice").wait_for()
    page.shoot("degraded", whole=False)
    page.check_for_everyone()


@pytest.fixture
def degraded() -> str:
    from litestar.testing import TestClient

    from api.app import create_app
    from api.settings import ApiSettings
    from retrieval.settings import SearchSettings
    from tests.unit.api.fakes import EchoSearcher, opens

    class Degraded(EchoSearcher):
        async def search(self, request: SearchRequest) -> SearchResult:
            found = await super().search(request)
            return msgspec.structs.replace(found, is_degraded=True)

    with TestClient(
        create_app(ApiSettings(search=SearchSettings()), open_search=opens(Degraded()))
    ) as client:
        return client.get("/app/search?query=telescope").text


# For everyone.


def test_with_the_keyboard_alone(page: Watched) -> None:
    page.may_ask = FILES
    page.open("/app")
    press = page.page.keyboard.press
    press("/")
    page.page.keyboard.type("telescope")
    headline(page.page, "telescope")
    press("ArrowDown")
    assert page.page.evaluate("document.activeElement.closest('h2').id") == "video-1"
    press("ArrowDown")
    assert focused(page.page) == "moment"
    page.shoot("keyboard", whole=False)
    press("Enter")
    page.page.locator(".player").wait_for()
    assert focused(page.page) == "VIDEO"
    press("Escape")
    assert page.page.locator(".player").count() == 0
    assert focused(page.page) == "moment"
    press("ArrowUp")
    press("ArrowUp")
    assert page.page.evaluate("document.activeElement.id") == "query"
    press("Escape")
    assert focused(page.page) == "BODY"
    assert page.page.input_value("#query") == "telescope"
    press("?")
    assert page.page.evaluate("document.querySelector('#help').open")
    page.shoot("help", whole=False)
    page.check_for_everyone()
    press("Escape")
    assert not page.page.evaluate("document.querySelector('#help').open")


def test_the_focus_is_not_lost_with_what_an_answer_replaces(page: Watched) -> None:
    page.open("/app/search?query=telescope")
    held = hold(page, "shellac")
    page.page.fill("#query", "shellac")
    page.until("document.querySelector('#results').ariaBusy === 'true'")
    page.page.keyboard.press("ArrowDown")
    held[0].continue_()
    headline(page.page, "shellac")
    assert focused(page.page) == "count"
    page.page.keyboard.press("ArrowDown")
    assert page.page.evaluate("document.activeElement.closest('h2').id") == "video-1"


def test_without_javascript_it_is_a_form_and_links(look_at: Look, sample: Api) -> None:
    page = look_at(sample.address, java_script_enabled=False)
    page.may_ask = FILES
    page.open("/app")
    page.page.fill("#query", QUERY)
    page.page.get_by_role("button", name="Search").click()
    assert "The 10 best videos" in page.page.locator("h1").inner_text()
    page.shoot("without-javascript")
    page.page.locator("[rel=next]").click()
    assert "Videos 11 to 20" in page.page.locator("h1").inner_text()
    page.page.go_back()
    page.page.locator(".more").first.click()
    assert page.page.locator("a.moment").count() > 3
    page.page.locator("a.moment").nth(1).click()
    assert "videos.example.org" in page.page.url


@pytest.mark.parametrize("width", [360, 390, 768, 1600])
def test_fits_every_width(look_at: Look, hostile: Api, width: int) -> None:
    page = look_at(hostile.address, viewport={"width": width, "height": 800}, has_touch=width < 500)
    page.may_ask = {"pictures.example"}
    for path in ("/app", "/app/search?query=telescope", "/app/videos/endless?query=telescope"):
        page.open(path)
        assert page.page.evaluate("document.documentElement.scrollWidth") <= width, path
    if width == 360:
        page.page.locator("#filters summary").click()
        assert page.page.evaluate("document.documentElement.scrollWidth") <= width
        page.check_for_everyone()
        page.shoot("phone-filters", whole=False)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("phone", {"viewport": PHONE, "has_touch": True}),
        ("dark", {"color_scheme": "dark"}),
        ("dark-phone", {"color_scheme": "dark", "viewport": PHONE}),
        ("forced-colors", {"forced_colors": "active"}),
        ("wide", {"viewport": {"width": 1600, "height": 1000}}),
    ],
)
def test_results_as_others_see_them(look_at: Look, sample: Api, name: str, options: dict[str, Any]) -> None:
    page = look_at(sample.address, **options)
    page.open(SEARCH)
    page.shoot(name)
    page.check_for_everyone()
    page.open("/app")
    if name == "forced-colors":
        # Shadows and colours, which show the focus elsewhere, are the browser's own there.
        page.page.focus("#query")
        outline = "field => getComputedStyle(field).outlineStyle"
        assert page.page.locator(".field").evaluate(outline) == "solid"
    page.shoot(f"{name}-start")
    page.check_for_everyone()


# A catalogue is anybody's text.


def test_a_title_is_read_in_its_own_direction(look_at: Look, hostile: Api) -> None:
    page = look_at(hostile.address)
    page.may_ask = {"pictures.example"}
    page.open("/app/search?query=telescope%20%D7%9E%D7%AA%D7%A7%D7%A8%D7%A8")
    title = page.page.locator("h2", has_text=HEBREW_TITLE[:5])
    assert title.evaluate("title => getComputedStyle(title).direction") == "rtl"
    assert title.get_attribute("lang") == "he"
    moment = page.page.locator(".result", has=title).locator(".moment")
    time, quoted = moment.locator(".time").bounding_box(), moment.locator("q").bounding_box()
    assert quoted["x"] + quoted["width"] < time["x"]
    latin = page.page.locator(".moment", has_text="on the lawn").first.locator("q")
    assert latin.evaluate("q => getComputedStyle(q).direction") == "ltr"
    page.shoot("rtl")
    page.check_for_everyone()


def test_hostile_texts_are_text(look_at: Look, hostile: Api) -> None:
    page = look_at(hostile.address)
    page.may_ask = {"pictures.example"}
    page.page.on("dialog", lambda dialog: page.complaints.append(f"a dialog: {dialog.message}"))
    page.open("/app")
    page.page.fill("#query", f"telescope {mark(0)} {mark(1)}")
    headline(page.page, mark(1))
    told = page.page.locator("#results").inner_text()
    assert any(tag.format(mark(number)).split("{")[0] in told for number, tag in enumerate(TAGS))
    for link in page.page.locator("#results a").all():
        assert link.evaluate("link => new URL(link.href).protocol") in {"http:", "https:"}
    assert page.page.locator("#results :is(script, iframe, svg:not(.bar), style, object, embed)").count() == 0
    page.shoot("hostile")
    page.check_for_everyone()
    page.page.goto(f"{hostile.address}/app/search?query=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert page.page.input_value("#query") == '"><script>alert(1)</script>'


def test_a_picture_that_cannot_be_had_leaves_the_drawn_one(look_at: Look, hostile: Api) -> None:
    page = look_at(hostile.address)
    page.may_ask, page.may_fail, page.is_offline = {"pictures.example"}, True, True
    page.open("/app/search?query=telescope")
    page.until("!document.querySelector('.shot img')")
    assert page.asked
    page.shoot("offline", whole=False)


@pytest.mark.parametrize(
    ("video", "tag", "src"),
    [
        ("hebrew", "iframe", "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ?start=61&autoplay=1"),
        ("vimeo", "iframe", "https://player.vimeo.com/video/76979871?autoplay=1&dnt=1#t=61s"),
        ("file", "video", "https://files.example/talk.mp4#t=0"),
        ("podcast", "audio", "https://files.example/talk.mp3#t=3600"),
    ],
)
def test_plays_where_it_can(look_at: Look, hostile: Api, video: str, tag: str, src: str) -> None:
    page = look_at(hostile.address)
    page.may_ask = {"pictures.example"}
    page.open(f"/app/videos/{video}?query=telescope")
    page.check()
    page.may_ask |= {"www.youtube-nocookie.com", "player.vimeo.com", "files.example"}
    page.page.locator("a.moment").click()
    screen = page.page.locator(f".player {tag}")
    assert screen.get_attribute("src") == src
    if tag == "iframe":
        assert screen.get_attribute("referrerpolicy") == "strict-origin-when-cross-origin"
        page.until("document.activeElement.className.includes('player')")
    page.page.wait_for_timeout(100)
    page.shoot(f"plays-{video}", whole=False)
    page.page.keyboard.press("Escape")
    assert focused(page.page) == "moment"


def test_what_cannot_play_opens_elsewhere_or_not_at_all(look_at: Look, hostile: Api) -> None:
    page = look_at(hostile.address)
    page.may_ask = {"pictures.example", "talks.example"}
    page.open("/app/videos/page?query=telescope")
    with page.page.context.expect_page() as opened:
        page.page.locator("a.moment").click()
    assert opened.value.url == "https://talks.example/1#t=61"
    page.open("/app/videos/nowhere?query=telescope")
    assert page.page.locator("a.moment").count() == 0
    assert page.page.locator(".moment").count() == 1
    page.open("/app/videos/silent?query=telescope")
    assert "no transcript" in page.page.locator("#results").inner_text()
