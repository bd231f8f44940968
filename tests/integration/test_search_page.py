"""The search page in a browser, on the sample catalogue and on a hostile one.

Each test fails if the browser logs an error, or requests another host before a click.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.access.key_file import write_keys
from api.access.keys import make_key
from api.media.files import SAMPLE_CLIP
from tests.support.browser import PHONE, HeldRequests, WatchedPage
from tests.support.documents import write_jsonl
from tests.support.hostile import TAGS, mark
from tests.support.page_catalogue import HEBREW_TITLE, ROWS
from tests.support.processes import Api, Ingest, running_api

OpenPage = Callable[..., WatchedPage]

QUERY = "why is my telescope view mushy"
SEARCH = "/app/search?query=why%20is%20my%20telescope%20view%20mushy"
# Longer than the delays in search.js: from a letter to its search, to a history entry, to the announcement.
DEBOUNCE_MS, SETTLE_MS, ANNOUNCE_MS = 100, 1_100, 800
RECORD_ANNOUNCEMENTS = """() => {
    window.announced = [];
    const announcement = document.querySelector("#announcement");
    new MutationObserver(() => announced.push(announcement.textContent))
        .observe(announcement, { childList: true });
}"""
BUSY = """<div id="results"><section data-problem="overloaded" data-retry-after="1">
<h1>The service is busy</h1><p class="again"></p></section></div>"""


@pytest.fixture(scope="module")
def hostile(model_dir: Path, index_folders: Callable[[], Path]) -> Iterator[Api]:
    folder = index_folders()
    ingest = Ingest(folder / "index", model_dir.resolve())
    ingest.done("sync", write_jsonl(folder / "talks.jsonl", ROWS))
    with running_api(ingest.index_dir, ingest.model_dir) as api:
        yield api


@pytest.fixture
def page(look_at: OpenPage, sample_api: Api) -> WatchedPage:
    return look_at(sample_api.address)


@pytest.fixture
def paused(page: WatchedPage) -> WatchedPage:
    """A page whose timers run only when the test advances its clock."""
    page.pause_clock()
    return page


@pytest.fixture
def hostile_page(look_at: OpenPage, hostile: Api) -> WatchedPage:
    page = look_at(hostile.address)
    page.allowed_hosts = {"pictures.example"}
    return page


def address(page: WatchedPage) -> str:
    shown: str = page.page.evaluate("location.pathname + location.search")
    return shown


def wait_for_headline(page: WatchedPage, text: str) -> None:
    page.page.wait_for_function(
        "text => document.querySelector('#results h1').textContent.includes(text)", arg=text
    )


def type_query(page: WatchedPage, text: str) -> None:
    """Type into the field of a page with a paused clock, and let the search start."""
    page.page.locator("#query").press_sequentially(text)
    page.advance(DEBOUNCE_MS)


def seconds_of(moment: Any) -> int:
    """Return the second at which a moment starts, as its time shows it."""
    minutes, seconds = moment.locator(".time").inner_text().split(":")
    return 60 * int(minutes) + int(seconds)


def focused(page: WatchedPage) -> str:
    name: str = page.page.evaluate("document.activeElement.className || document.activeElement.tagName")
    return name


def test_the_page_searches_while_the_user_types(paused: WatchedPage) -> None:
    paused.open("/app")
    paused.page.evaluate(RECORD_ANNOUNCEMENTS)
    type_query(paused, "collimating")
    wait_for_headline(paused, "collimating")
    type_query(paused, " a newtonian")
    wait_for_headline(paused, "collimating a newtonian")
    first = paused.page.locator(".result").first
    assert "Collimate My Newtonian" in first.locator("h2").inner_text()
    assert {text.lower() for text in first.locator("mark").all_inner_texts()} >= {"newtonian", "collimation"}
    assert paused.page.locator(".results > li").count() == 10
    paused.advance(ANNOUNCE_MS)
    assert paused.page.evaluate("announced") == ["Results for collimating a newtonian"]
    assert paused.page.title() == "collimating a newtonian \u2013 vidsearch"
    assert address(paused) == "/app/search?query=collimating%20a%20newtonian"
    assert paused.page.evaluate("document.activeElement.id") == "query"


def test_an_empty_field_shows_the_start_page(page: WatchedPage) -> None:
    page.open("/app")
    page.screenshot("start")
    page.check_accessibility()
    page.page.fill("#query", QUERY)
    wait_for_headline(page, QUERY)
    page.page.fill("#query", "")
    wait_for_headline(page, "Find the moment")
    assert address(page) == "/app/search"


def test_a_new_search_aborts_the_previous_one(page: WatchedPage) -> None:
    page.open("/app")
    held = HeldRequests(page.page, "**/app/search?query=telescope")
    page.page.fill("#query", "telescope")
    held.take()
    with page.page.expect_event("requestfailed", lambda request: request.url.endswith("telescope")):
        page.page.fill("#query", "shellac")
    wait_for_headline(page, "shellac")


def test_the_previous_results_stay_until_the_response_arrives(page: WatchedPage) -> None:
    page.open(SEARCH)
    held = HeldRequests(page.page, "**/app/search?query=shellac")
    page.page.fill("#query", "shellac")
    route = held.take()
    assert page.page.evaluate("document.querySelector('#results').ariaBusy") == "true"
    assert page.page.locator(".results > li").count() == 10
    # An arrow key moves the focus into results that the response then replaces.
    page.page.keyboard.press("ArrowDown")
    route.continue_()
    wait_for_headline(page, "shellac")
    assert page.page.evaluate("document.querySelector('#results').ariaBusy") is None
    assert focused(page) == "count"
    page.page.keyboard.press("ArrowDown")
    assert page.page.evaluate("document.activeElement.closest('h2').id") == "video-1"


def test_a_word_in_composition_is_not_searched_for(paused: WatchedPage) -> None:
    paused.open("/app")
    paused.page.locator("#query").focus()
    keyboard = paused.page.context.new_cdp_session(paused.page)
    keyboard.send("Input.imeSetComposition", {"text": "tele", "selectionStart": 4, "selectionEnd": 4})
    paused.advance(DEBOUNCE_MS)
    assert address(paused) == "/app"
    keyboard.send("Input.insertText", {"text": "telescope"})
    paused.advance(DEBOUNCE_MS)
    wait_for_headline(paused, "telescope")


def test_the_address_shares_the_search(page: WatchedPage, look_at: OpenPage, sample_api: Api) -> None:
    page.open("/app")
    page.page.fill("#query", QUERY)
    page.page.select_option("select[name=channel]", "Backyard Observatory")
    page.until("location.search.includes('channel')")
    page.until("document.querySelector('.active').textContent === '1'")
    titles = page.page.locator("h2").all_inner_texts()
    other = look_at(sample_api.address)
    other.open(address(page))
    assert other.page.locator("h2").all_inner_texts() == titles
    assert other.page.input_value("#query") == QUERY
    assert other.page.input_value("select[name=channel]") == "Backyard Observatory"


def test_back_and_forward_restore_query_filters_and_results(paused: WatchedPage) -> None:
    paused.open("/app")
    type_query(paused, "telescope")
    wait_for_headline(paused, "telescope")
    paused.advance(SETTLE_MS)
    entries = paused.page.evaluate("history.length")
    # Two searches of one history entry, as no search was shown for long enough.
    type_query(paused, " m")
    wait_for_headline(paused, "telescope m")
    type_query(paused, "irror")
    wait_for_headline(paused, "telescope mirror")
    assert paused.page.evaluate("history.length") == entries + 1
    paused.page.select_option("select[name=mode]", "lexical")
    paused.until("location.search.includes('lexical')")
    paused.page.go_back()
    paused.until("document.querySelector('[name=mode]').value === 'hybrid'")
    assert address(paused) == "/app/search?query=telescope%20mirror"
    paused.page.go_back()
    wait_for_headline(paused, "\u201ctelescope\u201d")
    paused.until("document.querySelector('#query').value === 'telescope'")
    paused.page.go_back()
    wait_for_headline(paused, "Find the moment")
    assert paused.page.input_value("#query") == ""
    paused.page.go_forward()
    wait_for_headline(paused, "\u201ctelescope\u201d")


def test_back_to_a_search_that_fails_restores_its_form(page: WatchedPage) -> None:
    page.allows_failures = True
    page.open("/app/search?query=telescope")
    page.page.select_option("select[name=mode]", "lexical")
    page.until("location.search.includes('lexical')")
    page.page.fill("#query", "shellac")
    wait_for_headline(page, "shellac")
    page.page.route("**/app/search?query=telescope", lambda route: route.abort("connectionrefused"))
    page.page.go_back()
    wait_for_headline(page, "No response")
    assert page.page.input_value("#query") == "telescope"
    assert page.page.input_value("select[name=mode]") == "hybrid"


def test_a_result_has_moments_and_a_timeline(page: WatchedPage) -> None:
    page.open(SEARCH)
    page.screenshot("results")
    page.check_accessibility()
    first = page.page.locator(".result").first
    assert first.locator(".moment").count() == 3
    assert first.locator(".bar g").count() == 3
    assert first.locator(".meta").inner_text().startswith("Backyard Observatory")
    moment = first.locator("a.moment").first
    assert moment.get_attribute("href") == f"{page.address}/media/{SAMPLE_CLIP}#t=34"


@pytest.mark.parametrize("number", [0, 4])
def test_the_first_click_on_the_sample_plays_from_its_second(page: WatchedPage, number: int) -> None:
    page.open(SEARCH)
    moment = page.page.locator("a.moment").nth(number)
    start = seconds_of(moment)
    moment.click()
    page.until(f"document.querySelector('video')?.currentTime > {start}")
    is_playing, played_from, error = page.page.evaluate(
        "() => { const video = document.querySelector('video');"
        " return [!video.paused, video.played.start(0), video.error] }"
    )
    assert (is_playing, error) == (True, None)
    assert start <= played_from < start + 1
    assert page.requested == []
    page.screenshot("sample-plays", whole=False)


def test_the_clip_plays_on_a_page_of_its_own(page: WatchedPage) -> None:
    page.open(f"/media/{SAMPLE_CLIP}#t=100")
    page.until("document.querySelector('video')?.currentTime >= 100")
    page.screenshot("clip", whole=False)


def test_one_moment_at_a_time_plays_in_its_result(page: WatchedPage) -> None:
    page.open(SEARCH)
    moments = page.page.locator("a.moment")
    moments.nth(1).click()
    player = page.page.locator(".player")
    assert player.locator("video").get_attribute("src") == moments.nth(1).get_attribute("href")
    assert player.get_attribute("aria-label").endswith(f"from {moments.nth(1).locator('.time').inner_text()}")
    assert page.requested == []
    page.check_accessibility()
    page.screenshot("playing", whole=False)
    moments.nth(4).click()
    assert player.count() == 1
    assert page.page.locator(".result").nth(1).locator(".player").count() == 1
    player.locator("button").click()
    assert player.count() == 0
    # With a modifier key, the click is the browser's: it opens a new tab.
    page.page.evaluate(
        "addEventListener('click', event => { left = !event.defaultPrevented; event.preventDefault() })"
    )
    moments.nth(0).click(modifiers=["Control"])
    assert page.page.evaluate("left") is True
    assert player.count() == 0


def test_more_moments_and_similar_videos_unfold_in_place(page: WatchedPage) -> None:
    page.open(SEARCH)
    first = page.page.locator(".result").first
    first.locator(".more").click()
    page.until("document.querySelector('.result').querySelectorAll('.moment').length > 3")
    page.until("document.querySelector('#announcement').textContent.endsWith(' moments')")
    held = HeldRequests(page.page, "**/app/videos/**")
    # The second request of a double click changes nothing.
    first.locator(".near").dblclick()
    for _ in range(2):
        with page.page.expect_event("requestfinished"):
            held.take().continue_()
    first.locator(".similar").wait_for()
    page.settle()
    assert first.locator(".similar").count() == 1
    assert first.locator(".similar li").count() == 6
    page.check_accessibility()
    page.screenshot("unfolded", whole=False)
    assert address(page) == SEARCH


def test_unfolding_is_dropped_after_another_search(page: WatchedPage) -> None:
    page.allows_failures = True
    page.open(SEARCH)
    held = HeldRequests(page.page, "**/app/videos/**")
    page.page.locator(".more").first.click()
    route = held.take()
    page.page.fill("#query", "shellac")
    wait_for_headline(page, "shellac")
    with page.page.expect_event("requestfailed"):
        route.abort("connectionrefused")
    page.settle()
    assert address(page) == "/app/search?query=shellac"


def test_next_and_previous_show_other_results(page: WatchedPage) -> None:
    page.open(SEARCH)
    titles = page.page.locator(".result h2")
    before = titles.all_inner_texts()
    page.page.locator("[rel=next]").click()
    wait_for_headline(page, "Results 11 to 20")
    assert not set(before) & set(titles.all_inner_texts())
    page.until("document.activeElement.className === 'count'")
    assert page.page.evaluate("scrollY") == 0
    page.page.locator("[rel=prev]").click()
    wait_for_headline(page, "Results for")


def test_filters_narrow_the_search_and_are_cleared(page: WatchedPage) -> None:
    page.open("/app")
    options = page.page.locator("select[name=channel] option").all_inner_texts()
    assert "Backyard Observatory (8)" in options
    page.page.fill("#query", "light")
    page.page.select_option("select[name=channel]", "Second Shutter")
    page.page.fill("input[name=published_after]", "2024-01-01")
    page.page.fill("input[name=published_before]", "2024-12-31")
    page.until("document.querySelector('.active').textContent === '3'")
    channels = page.page.locator(".meta bdi").all_inner_texts()
    assert {text.split("\n")[0] for text in channels} == {"Second Shutter"}
    assert all("2024" in text for text in page.page.locator(".meta time").all_inner_texts())
    page.page.locator(".clear a").click()
    page.until("document.querySelector('.active').textContent === ''")
    assert address(page) == "/app/search?query=light"
    assert page.page.input_value("select[name=channel]") == ""


def test_the_page_of_one_video(page: WatchedPage) -> None:
    page.open("/app/videos/mushy-planets-seeing-and-cooldown?query=telescope")
    page.screenshot("video")
    page.check_accessibility()
    assert page.page.locator("a.moment").count() > 3
    page.page.locator(".back a").click()
    wait_for_headline(page, "telescope")


def test_no_results_suggests_what_to_try(page: WatchedPage) -> None:
    page.open("/app/search?query=zzyzx&mode=lexical&channel=Gone")
    page.screenshot("nothing")
    page.check_accessibility()
    assert page.page.input_value("select[name=channel]") == "Gone"
    page.page.get_by_role("link", name="Search without filters").click()
    wait_for_headline(page, "Results for")


def test_an_error_shows_what_to_do_and_an_id_to_quote(page: WatchedPage) -> None:
    page.allows_failures = True
    page.open("/app/search?query=x&published_after=2024-05-31&published_before=2020-01-01")
    page.screenshot("error")
    page.check_accessibility()
    text = page.page.locator("#results").inner_text()
    assert "Check the dates" in text
    assert "\u201cPublished from\u201d" in text
    assert "\u201cPublished up to\u201d" in text
    assert "quote this ID" in text
    assert page.page.input_value("input[name=published_after]") == "2024-05-31"
    page.page.fill("input[name=published_before]", "")
    wait_for_headline(page, "Results for")


def test_a_busy_service_is_retried_with_growing_delays(paused: WatchedPage) -> None:
    paused.allows_failures = True
    paused.open("/app")
    held = HeldRequests(paused.page, "**/app/search?*")
    type_query(paused, "telescope")
    for least_ms in (1000, 2000):
        held.take().fulfill(status=503, content_type="text/html; charset=utf-8", body=BUSY)
        paused.page.locator(".again", has_text="Trying again\u2026").wait_for()
        # The delay has a random part of up to a half, so that clients do not return all at once.
        paused.advance(least_ms - 1)
        assert len(held) == 0
        paused.advance(least_ms // 2 + 2)
    held.take().continue_()
    wait_for_headline(paused, "telescope")


def test_a_service_that_is_down_can_be_retried(page: WatchedPage) -> None:
    page.allows_failures = True
    page.open("/app")
    page.page.route("**/app/search?*", lambda route: route.abort("connectionrefused"))
    page.page.fill("#query", "telescope")
    wait_for_headline(page, "No response")
    page.screenshot("no-response")
    page.check_accessibility()
    page.page.unroute("**/app/search?*")
    page.page.locator(".retry").click()
    wait_for_headline(page, "telescope")


def test_a_service_that_does_not_respond_is_given_up(page: WatchedPage) -> None:
    page.allows_failures = True
    page.page.add_init_script(
        "const timeout = AbortSignal.timeout; AbortSignal.timeout = ms => timeout.call(AbortSignal, ms / 100)"
    )
    page.open("/app")
    HeldRequests(page.page, "**/app/search?*", times_out=True)
    page.page.fill("#query", "telescope")
    wait_for_headline(page, "No response")


def test_without_an_index_the_page_shows_the_command_to_run(look_at: OpenPage, empty: Ingest) -> None:
    with running_api(empty.index_dir, empty.model_dir) as api:
        page = look_at(api.address)
        page.allows_failures = True
        page.open("/app")
        assert "python -m ingest sync SOURCE" in page.page.locator("#results").inner_text()
        page.screenshot("no-index")
        page.check_accessibility()
        page.page.fill("#query", "telescope")
        page.page.locator("[data-problem=index-unavailable]").wait_for()


def test_a_link_within_the_page_starts_no_search(page: WatchedPage) -> None:
    page.open(SEARCH)
    fetched = page.fetched()
    page.page.evaluate(
        "() => new Promise(done => {"
        "addEventListener('hashchange', () => setTimeout(done)); location.hash = 'main' })"
    )
    assert fetched == []


def test_a_key_is_kept_in_the_tab_and_never_in_an_address(
    look_at: OpenPage, sample_index: Ingest, tmp_path: Path
) -> None:
    key, stored = make_key("website", ["search"], datetime.now(UTC))
    write_keys(tmp_path / "keys.json", (stored,))
    keys = {"KEYS_FILE": str(tmp_path / "keys.json")}
    with running_api(sample_index.index_dir, sample_index.model_dir, **keys) as api:
        page = look_at(api.address)
        page.allows_failures = True
        page.open("/app")
        assert page.page.locator(".examples").count() == 0
        assert page.page.locator("select[name=channel] option").count() == 1
        page.page.fill("#query", "telescope")
        page.page.locator("[data-problem=key-required]").wait_for()
        page.screenshot("key")
        page.check_accessibility()
        page.page.fill("#key-value", "vs_wrong")
        page.page.locator("#key button").click()
        page.page.locator("[data-problem=key-invalid]").wait_for()
        page.page.fill("#key-value", key)
        page.page.locator("#key button").click()
        wait_for_headline(page, "telescope")
        assert page.page.locator("select[name=channel] option").count() > 1
        page.page.reload()
        wait_for_headline(page, "\u201ctelescope\u201d")
        assert page.page.input_value("#query") == "telescope"
        assert key not in page.page.url
        moment = page.page.locator("a.moment").first
        assert "?ticket=" in moment.get_attribute("href")
        moment.click()
        page.until(f"document.querySelector('video')?.currentTime > {seconds_of(moment)}")
        assert page.page.evaluate("localStorage.length") == 0
        assert key not in api.log.read_text()


def test_the_keyboard_reaches_everything(page: WatchedPage) -> None:
    page.open("/app")
    press = page.page.keyboard.press
    press("/")
    page.page.keyboard.type("telescope")
    wait_for_headline(page, "\u201ctelescope\u201d")
    press("ArrowDown")
    assert page.page.evaluate("document.activeElement.closest('h2').id") == "video-1"
    press("ArrowDown")
    assert focused(page) == "moment"
    page.screenshot("keyboard", whole=False)
    press("Enter")
    page.page.locator(".player").wait_for()
    assert focused(page) == "VIDEO"
    press("Escape")
    assert page.page.locator(".player").count() == 0
    assert focused(page) == "moment"
    press("ArrowUp")
    press("ArrowUp")
    assert page.page.evaluate("document.activeElement.id") == "query"
    press("Escape")
    assert focused(page) == "BODY"
    assert page.page.input_value("#query") == "telescope"
    press("?")
    assert page.page.evaluate("document.querySelector('#help').open")
    page.screenshot("help", whole=False)
    page.check_accessibility()
    press("Escape")
    assert not page.page.evaluate("document.querySelector('#help').open")


def test_without_javascript_the_page_is_a_form_with_links(look_at: OpenPage, sample_api: Api) -> None:
    page = look_at(sample_api.address, java_script_enabled=False)
    page.open("/app")
    page.page.fill("#query", QUERY)
    page.page.get_by_role("button", name="Search").click()
    assert "Results for" in page.page.locator("h1").inner_text()
    page.screenshot("without-javascript")
    page.page.locator("[rel=next]").click()
    assert "Results 11 to 20" in page.page.locator("h1").inner_text()
    page.page.go_back()
    page.page.locator(".more").first.click()
    assert page.page.locator("a.moment").count() > 3
    page.page.locator("a.moment").nth(1).click()
    assert page.page.url.startswith(f"{page.address}/media/{SAMPLE_CLIP}#t=")


def test_the_page_fits_every_width(hostile_page: WatchedPage) -> None:
    for path in ("/app", "/app/search?query=telescope", "/app/videos/endless?query=telescope"):
        hostile_page.open(path)
        for width in (1600, 768, 390, 360):
            hostile_page.page.set_viewport_size({"width": width, "height": 800})
            assert hostile_page.page.evaluate("document.documentElement.scrollWidth") <= width, path
    hostile_page.page.locator("#filters summary").click()
    assert hostile_page.page.evaluate("document.documentElement.scrollWidth") <= 360
    hostile_page.check_accessibility()
    hostile_page.screenshot("phone-filters", whole=False)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("phone", {"viewport": PHONE, "has_touch": True}),
        ("dark-phone", {"color_scheme": "dark", "viewport": PHONE}),
        ("forced-colors", {"forced_colors": "active"}),
    ],
)
def test_results_on_other_displays(
    look_at: OpenPage, sample_api: Api, name: str, options: dict[str, Any]
) -> None:
    page = look_at(sample_api.address, **options)
    page.open(SEARCH)
    page.screenshot(name)
    page.check_accessibility()
    page.open("/app")
    if name == "forced-colors":
        # The shadow that otherwise shows the focus is not drawn in this mode.
        page.page.focus("#query")
        outline = "field => getComputedStyle(field).outlineStyle"
        assert page.page.locator(".field").evaluate(outline) == "solid"
    page.screenshot(f"{name}-start")
    page.check_accessibility()


def test_each_text_has_its_own_direction(hostile_page: WatchedPage) -> None:
    page = hostile_page
    page.open("/app/search?query=telescope%20%D7%9E%D7%AA%D7%A7%D7%A8%D7%A8")
    title = page.page.locator("h2", has_text=HEBREW_TITLE[:5])
    assert title.evaluate("title => getComputedStyle(title).direction") == "rtl"
    assert title.get_attribute("lang") == "he"
    moment = page.page.locator(".result", has=title).locator(".moment")
    time, quoted = moment.locator(".time").bounding_box(), moment.locator("q").bounding_box()
    assert quoted["x"] + quoted["width"] < time["x"]
    latin = page.page.locator(".moment", has_text="on the lawn").first.locator("q")
    assert latin.evaluate("q => getComputedStyle(q).direction") == "ltr"
    page.screenshot("rtl")
    page.check_accessibility()


def test_hostile_texts_are_shown_as_text(hostile_page: WatchedPage) -> None:
    page = hostile_page
    page.page.on("dialog", lambda dialog: page.complaints.append(f"a dialog: {dialog.message}"))
    page.open("/app")
    page.page.fill("#query", f"telescope {mark(0)} {mark(1)}")
    wait_for_headline(page, mark(1))
    text = page.page.locator("#results").inner_text()
    assert any(tag.format(mark(number)).split("{")[0] in text for number, tag in enumerate(TAGS))
    for link in page.page.locator("#results a").all():
        assert link.evaluate("link => new URL(link.href).protocol") in {"http:", "https:"}
    assert page.page.locator("#results :is(script, iframe, svg:not(.bar), style, object, embed)").count() == 0
    page.screenshot("hostile")
    page.check_accessibility()
    page.open("/app/search?query=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert page.page.input_value("#query") == '"><script>alert(1)</script>'


def test_a_thumbnail_that_fails_to_load_leaves_its_placeholder(hostile_page: WatchedPage) -> None:
    hostile_page.allows_failures = hostile_page.is_offline = True
    hostile_page.open("/app/search?query=telescope")
    hostile_page.until("!document.querySelector('.shot img')")
    assert hostile_page.requested
    hostile_page.screenshot("offline", whole=False)


@pytest.mark.parametrize(
    ("video", "tag", "src"),
    [
        ("hebrew", "iframe", "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ?start=61&autoplay=1"),
        ("vimeo", "iframe", "https://player.vimeo.com/video/76979871?autoplay=1&dnt=1#t=61s"),
        ("file", "video", "https://files.example/talk.mp4#t=0"),
        ("podcast", "audio", "https://files.example/talk.mp3#t=3600"),
    ],
)
def test_a_video_plays_in_the_player_of_its_kind(
    hostile_page: WatchedPage, video: str, tag: str, src: str
) -> None:
    page = hostile_page
    page.open(f"/app/videos/{video}?query=telescope")
    page.check()
    page.allowed_hosts |= {"www.youtube-nocookie.com", "player.vimeo.com", "files.example"}
    page.page.locator("a.moment").click()
    player = page.page.locator(f".player {tag}")
    assert player.get_attribute("src") == src
    if tag == "iframe":
        assert player.get_attribute("referrerpolicy") == "strict-origin-when-cross-origin"
        page.until("document.activeElement.className.includes('player')")
    page.screenshot(f"plays-{video}", whole=False)
    page.page.keyboard.press("Escape")
    assert focused(page) == "moment"


def test_other_videos_open_in_a_new_tab_or_have_no_link(hostile_page: WatchedPage) -> None:
    page = hostile_page
    page.allowed_hosts.add("talks.example")
    page.open("/app/videos/page?query=telescope")
    with page.page.context.expect_page() as opened:
        page.page.locator("a.moment").click()
    assert opened.value.url == "https://talks.example/1#t=61"
    page.open("/app/videos/nowhere?query=telescope")
    assert page.page.locator("a.moment").count() == 0
    assert page.page.locator(".moment").count() == 1
    page.open("/app/videos/silent?query=telescope")
    assert "no transcript" in page.page.locator("#results").inner_text()
