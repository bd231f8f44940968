"""The search box of `/embed.js` on a page of another site, in a browser.

The page, its policy and the server's settings are those of docs/search-page.md, with other addresses.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import HeldRequests, WatchedPage
from tests.support.documents import write_jsonl
from tests.support.other_site import OtherSite
from tests.support.processes import REPOSITORY, Api, Ingest, run_module, running_api

DOCUMENTED = (REPOSITORY / "docs" / "search-page.md").read_text(encoding="utf-8")
PLACEHOLDER = "https://videos.example.org"
PAGE = re.findall(r"```html\n(<!DOCTYPE html>.*?)```", DOCUMENTED, re.DOTALL)[0]
POLICY = re.findall(r"^Content-Security-Policy: (.*)$", DOCUMENTED, re.MULTILINE)[0]
LINE = re.findall(r"```html\n(<script.*?)\n```", DOCUMENTED)[0]

# Apart from the documented policy, the page forbids everything: styles, images, markup from text.
STRICT = "default-src 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

QUERY = "why is my telescope view mushy"
FOUND = "Why Your Planets Look Mushy (and What to Do About It)"

OpenPage = Callable[..., WatchedPage]


class Embedding:
    """Shows pages of another site that contain the box."""

    def __init__(self, site: OtherSite, api: Api, look_at: OpenPage) -> None:
        self._site = site
        self._api = api
        self._look_at = look_at

    def show(self, page: str, *, host: str = "127.0.0.1", allowing: str = "", **options: Any) -> WatchedPage:
        """Open a page, with the API's address in place of the documented one.

        `host` is the name of the site, and `allowing` an addition to the documented policy.
        """
        self._site.pages["/"] = page.replace(PLACEHOLDER, self._api.address)
        self._site.policy = f"{STRICT}; {POLICY.replace(PLACEHOLDER, self._api.address)}; {allowing}"
        watched = self._look_at(self._site.address.replace("127.0.0.1", host), **options)
        # An interception would answer the browser's CORS preflights in place of the API.
        watched.page.context.unroute_all()
        watched.page.on("request", lambda request: watched.requested.append(request.url))
        watched.allowed_hosts = {"127.0.0.1", host}
        watched.page.on("dialog", lambda dialog: watched.complaints.append(f"a dialog: {dialog.message}"))
        watched.open("/")
        return watched


@pytest.fixture
def embedding(other_site: OtherSite, sample_api: Api, look_at: OpenPage) -> Embedding:
    return Embedding(other_site, sample_api, look_at)


def simple(attributes: str = "", style: str = "") -> str:
    """Return a page that contains the documented line, with these attributes and styles."""
    line = LINE.replace("><", f" {attributes}><")
    return f"<!DOCTYPE html><html lang=en><title>A site</title>{style}<main><h1>A site</h1>{line}</main>"


def box(page: Any, number: int = 0) -> Any:
    """Return the box, with its shadow root."""
    return page.locator(".vidsearch").nth(number)


def video_of(page: Any, title: str) -> Any:
    """Return the part of the box that shows one video."""
    return page.locator(".panel > ul > li").filter(has=page.get_by_text(title, exact=True))


def type_query(shown: Any, query: str) -> None:
    """Type a query, letter by letter."""
    shown.get_by_role("searchbox").press_sequentially(query)


def wait_for_status(shown: Any, text: str) -> None:
    """Wait until the box shows a status text."""
    shown.get_by_role("status").get_by_text(text).wait_for()


def test_the_documented_page_finds_moments_while_the_user_types(
    embedding: Embedding, sample_api: Api
) -> None:
    watched = embedding.show(PAGE)
    shown = box(watched.page.locator("#video-search"))
    watched.screenshot("embed-first")
    watched.check_accessibility()
    type_query(shown, QUERY)
    wait_for_status(shown, "5 videos found.")
    video = video_of(watched.page, FOUND)
    title, first, second = video.get_by_role("link").all()
    assert title.get_attribute("href") == f"{sample_api.address}/media/sample.webm"
    start = re.search(r"#t=(\d+)$", first.get_attribute("href"))
    assert start
    minutes, seconds = divmod(int(start[1]), 60)
    assert first.inner_text().startswith(f"{minutes}:{seconds:02}")
    for link in (title, first, second):
        assert (link.get_attribute("target"), link.get_attribute("rel")) == ("_blank", "noopener noreferrer")
    assert video.get_by_text("Backyard Observatory").is_visible()
    assert {"view", "telescope"} <= {word.strip(",.") for word in shown.locator("mark").all_inner_texts()}
    watched.screenshot("embed-found")
    watched.check_accessibility()
    # The page, the script, and one search for each pause while typing.
    searches = [url for url in watched.requested if "/v1/search?" in url]
    assert searches
    assert len(watched.requested) == len(searches) + 2


def test_a_site_that_is_not_allowed_gets_a_hint_in_the_console(embedding: Embedding) -> None:
    # The same site under another name is another origin, which CORS_ORIGINS lacks.
    watched = embedding.show(PAGE, host="localhost")
    type_query(box(watched.page), "telescope")
    wait_for_status(box(watched.page), "The video search can't be reached. Please try again later.")
    watched.screenshot("embed-not-allowed")
    watched.check_accessibility()
    hints = [text for text in watched.complaints if "vidsearch: no response from" in text]
    assert hints
    assert f"Is {watched.address} in its CORS_ORIGINS?" in hints[0]
    others = [text for text in watched.complaints if text not in hints]
    assert all("has been blocked by CORS policy" in text or "ERR_FAILED" in text for text in others)
    watched.complaints.clear()


def test_the_arrow_keys_move_through_the_results(embedding: Embedding) -> None:
    page = embedding.show(simple('data-limit="2" data-moments="1"')).page
    shown = box(page)
    keys = page.keyboard
    keys.press("Tab")
    keys.type(QUERY)
    wait_for_status(shown, "2 videos found.")
    links = [link.get_attribute("href") for link in shown.get_by_role("link").all()]
    assert len(links) == 4

    def focused() -> str:
        href: str = page.evaluate(
            "document.querySelector('.vidsearch').shadowRoot.activeElement.href ?? 'the field'"
        )
        return href

    visited = []
    for key in ("ArrowDown",) * 5 + ("ArrowUp",) * 5:
        keys.press(key)
        visited.append(focused())
    assert visited == [*links, links[3], *links[2::-1], "the field", "the field"]
    # Other keys belong to the browser: Tab reaches each link as well.
    keys.press("Tab")
    assert focused() == links[0]
    keys.press("Escape")
    assert focused() == "the field"
    assert shown.get_by_role("searchbox").input_value() == ""
    shown.get_by_role("link").first.wait_for(state="detached")
    assert shown.get_by_role("status").inner_text() == ""


def test_no_results_enter_and_an_empty_field(embedding: Embedding) -> None:
    watched = embedding.show(simple('data-channel="Nobody"'))
    shown = box(watched.page)
    type_query(shown, "telescope")
    wait_for_status(shown, "No results for “telescope”. Try different or fewer words.")
    watched.screenshot("embed-nothing")
    watched.check_accessibility()
    assert "channel=Nobody" in watched.requested[-1]
    before = len(watched.requested)
    # Enter neither leaves the page nor repeats the search.
    watched.page.keyboard.press("Enter")
    type_query(shown, " moon")
    wait_for_status(shown, "“telescope moon”")
    assert len(watched.requested) > before
    shown.get_by_role("searchbox").fill("  ")
    shown.get_by_role("status").get_by_text("No results").wait_for(state="detached")


def test_options_are_sent_and_invalid_ones_are_named(embedding: Embedding) -> None:
    good = (
        'data-limit="3" data-moments="0" data-mode="lexical" data-language="en" '
        'data-label="Find" data-placeholder="Say"'
    )
    watched = embedding.show(simple(good))
    shown = box(watched.page)
    field = watched.page.get_by_role("search", name="Find").get_by_role("searchbox", name="Find")
    assert field.get_attribute("placeholder") == "Say"
    # On a busy machine, the first letters are a search of their own.
    with watched.page.expect_response(lambda answer: "query=telescope&" in answer.url) as answer:
        type_query(shown, "telescope")
    sent = answer.value.url.partition("?")[2]
    assert sent == "query=telescope&limit=3&moments=0&mode=lexical&language=en"
    wait_for_status(shown, "3 videos found.")
    assert shown.locator(".moment").count() == 0

    bad = (
        'data-limit="51" data-moments="two" data-mode="fuzzy" data-theme="red" data-label=" " '
        'data-key="\u00e4 b" data-target="#no"'
    )
    watched = embedding.show(simple(bad))
    watched.expect_complaints(
        "data-limit must be 1 to 50. It is ignored.",
        "data-moments must be 0 to 20. It is ignored.",
        "data-mode must be hybrid, semantic or lexical. It is ignored.",
        "data-label must be a text. It is ignored.",
        "data-theme must be auto, light or dark. It is ignored.",
        "data-key must be a key. It is ignored.",
        "data-target must be the selector of an element in <body>.",
    )
    with watched.page.expect_response(lambda answer: "query=telescope&" in answer.url) as answer:
        type_query(box(watched.page), "telescope")
    assert answer.value.url.partition("?")[2] == "query=telescope&limit=5&moments=2"


@pytest.mark.parametrize("way", ["", "async", "defer"])
def test_a_script_in_the_head_with_a_target(embedding: Embedding, way: str) -> None:
    script = LINE.replace("><", f' {way} data-target="main"><')
    watched = embedding.show(
        f"<!DOCTYPE html><html lang=en><head><title>A site</title>{script}</head><main></main>"
    )
    watched.page.locator("main > .vidsearch").wait_for()


def test_two_boxes_on_one_page_are_independent(embedding: Embedding) -> None:
    line = LINE.replace("><", ' data-label="Search the club" data-limit="1"><')
    watched = embedding.show(simple().replace("</main>", f"{line}</main>"))
    first, second = box(watched.page), box(watched.page, 1)
    type_query(second, "telescope")
    wait_for_status(second, "1 video found.")
    type_query(first, "bread")
    wait_for_status(first, "5 videos found.")
    assert second.get_by_role("status").inner_text() == "1 video found."
    watched.screenshot("embed-two")
    watched.check_accessibility()


HOSTILE_STYLE = """<style nonce=hostile>
  * {
    color: red !important; font: 900 italic 40px fantasy; background: lime; border: 9px solid red;
    text-align: center; text-transform: uppercase; letter-spacing: 1em; line-height: 4; white-space: pre;
    visibility: hidden;
  }
  .vidsearch, div { all: unset; display: none !important; color: red !important; }
  form, input, p, ul, li, a, span { display: none !important; }
</style>"""

DRAWN = """host => [...host.shadowRoot.querySelectorAll("*")].map((part) => {
  const style = getComputedStyle(part);
  const looks = "color display visibility fontStyle fontWeight letterSpacing textAlign textTransform";
  return [part.localName, ...looks.split(" ").map((name) => style[name])];
})"""


def test_the_page_s_styles_do_not_affect_the_box(embedding: Embedding) -> None:
    drawn = []
    for style in ("", HOSTILE_STYLE):
        watched = embedding.show(simple(style=style), allowing="style-src 'nonce-hostile'")
        shown = box(watched.page)
        type_query(shown, QUERY)
        wait_for_status(shown, "5 videos found.")
        drawn.append(shown.evaluate(DRAWN))
    watched.screenshot("embed-hostile-style")
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) > 50


def test_hostile_texts_are_text_and_only_web_addresses_are_links(
    other_site: OtherSite, look_at: OpenPage, empty: Ingest
) -> None:
    rows = [
        {
            "video_id": "tags",
            "title": "<img src=x onerror=alert(1)> telescope",
            "channel": "<script>alert(2)</script>",
            "url": "javascript:alert(3)",
            "cues": [{"start": 3723.9, "end": 3730.0, "text": "</span><svg onload=alert(4)> telescope"}],
        },
        {
            "video_id": "hebrew",
            "title": "\u05d8\u05dc\u05e1\u05e7\u05d5\u05e4 telescope",
            "channel": "\u05de\u05e6\u05e4\u05d4 \u05db\u05d5\u05db\u05d1\u05d9\u05dd",
            "url": "https://videos.example.org/a%22%3E%3Cb?x=1&y=2",
            "transcript": "\u05d4\u05d9\u05e8\u05d7 \u05e0\u05e8\u05d0\u05d4 telescope. " * 3,
        },
        {"video_id": "data", "title": "A telescope, as data", "url": "data:text/html,x", "transcript": "n/a"},
        {"video_id": "odd", "title": f"Telescope{'pe' * 90}", "url": "https://", "transcript": "telescope"},
    ]
    empty.done("sync", write_jsonl(empty.index_dir.parent / "hostile.jsonl", rows))
    with running_api(empty.index_dir, empty.model_dir, CORS_ORIGINS=other_site.address) as api:
        watched = Embedding(other_site, api, look_at).show(simple(), viewport={"width": 390, "height": 844})
        shown = box(watched.page)
        type_query(shown, "telescope")
        wait_for_status(shown, "4 videos found.")
        tags = shown.locator(".panel > ul > li").filter(has_text="onerror")
        assert tags.locator(".title").inner_text() == "<img src=x onerror=alert(1)> telescope"
        assert tags.locator(".channel").inner_text() == "<script>alert(2)</script>"
        assert tags.locator(".time").inner_text() == "1:02:03"
        assert "</span><svg onload=alert(4)>" in tags.locator(".quote").inner_text()
        hebrew = shown.locator(".panel > ul > li").filter(has_text="\u05de\u05e6\u05e4\u05d4")
        for part in (".title", ".moment"):
            assert hebrew.locator(part).evaluate("part => getComputedStyle(part).direction") == "rtl"
        links = {link.get_attribute("href") for link in shown.get_by_role("link").all()}
        assert links == {"https://videos.example.org/a%22%3E%3Cb?x=1&y=2"}
        assert shown.locator("img, svg, script, style").count() == 0
        watched.screenshot("embed-hostile-texts")
        watched.check_accessibility()


def test_a_box_with_a_key(
    other_site: OtherSite, look_at: OpenPage, sample_index: Ingest, folder: Path
) -> None:
    own = {"KEYS_FILE": str(folder / "keys.json")}
    key = run_module("api", "keys", "add", "website", "--scope", "search", **own).stdout.strip()
    with running_api(
        sample_index.index_dir, sample_index.model_dir, CORS_ORIGINS=other_site.address, **own
    ) as api:
        embedding = Embedding(other_site, api, look_at)
        watched = embedding.show(simple(f'data-key="{key}"'))
        type_query(box(watched.page), "telescope")
        wait_for_status(box(watched.page), "5 videos found.")
        assert key not in "".join(watched.requested)

        for wrong in ("", 'data-key="vs_0"'):
            watched = embedding.show(simple(wrong))
            watched.allows_failures = True
            type_query(box(watched.page), "telescope")
            wait_for_status(box(watched.page), "This page has no valid key for the video search.")
            watched.check_accessibility()
            watched.expect_complaints(f"vidsearch: {api.address} responded with status 401.")


def test_a_busy_service_is_retried_once(embedding: Embedding, sample_api: Api) -> None:
    watched = embedding.show(simple())
    watched.allows_failures = True
    held = HeldRequests(watched.page, "**/v1/search?*")
    type_query(box(watched.page), "bread")
    headers = {"access-control-allow-origin": "*", "access-control-expose-headers": "retry-after"}
    held.take().fulfill(status=503, headers={**headers, "retry-after": "1"})
    wait_for_status(box(watched.page), "The video search is busy. Trying again…")
    held.take().fulfill(status=503, headers={**headers, "retry-after": "1"})
    wait_for_status(box(watched.page), "The video search is busy. Please try again in a moment.")
    watched.expect_complaints(f"vidsearch: {sample_api.address} responded with status 503.")


def test_a_long_wait_is_shown(other_site: OtherSite, look_at: OpenPage, sample_index: Ingest) -> None:
    own = {"CORS_ORIGINS": other_site.address, "RATE_LIMIT_ADDRESS": "1/hour"}
    with running_api(sample_index.index_dir, sample_index.model_dir, **own) as api:
        api.get("/v1/search", query="telescope").raise_for_status()
        watched = Embedding(other_site, api, look_at).show(simple())
        watched.allows_failures = True
        field = box(watched.page).get_by_role("searchbox")
        field.fill("bread")
        status = box(watched.page).get_by_role("status")
        status.get_by_text(re.compile(r"busy\. Please try again in \d\d minutes\.")).wait_for()
        assert box(watched.page).get_by_role("link").count() == 0
        watched.check_accessibility()
        watched.expect_complaints(f"vidsearch: {api.address} responded with status 429.")


def test_a_degraded_answer_is_labelled_and_an_overtaken_one_is_dropped(embedding: Embedding) -> None:
    watched = embedding.show(simple())
    held = HeldRequests(watched.page, "**/v1/search?*")
    shown = box(watched.page)
    field = shown.get_by_role("searchbox")
    field.fill("telescope")
    wait_for_status(shown, "Searching…")
    watched.screenshot("embed-slow")
    route = held.take()
    response = route.fetch()
    route.fulfill(response=response, json={**response.json(), "degraded": "lexical"})
    wait_for_status(
        shown, "5 videos found. The service is busy: it matched words only, so some may be missing."
    )
    field.fill("bread")
    held.take()
    with watched.page.expect_event("requestfailed", lambda request: "query=bread" in request.url):
        field.fill("bicycle")
    held.take().continue_()
    shown.get_by_role("status").get_by_text("5 videos found.", exact=True).wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_box_follows_the_colour_scheme_and_fits_every_width(embedding: Embedding, scheme: str) -> None:
    watched = embedding.show(PAGE, color_scheme=scheme)
    shown = box(watched.page)
    type_query(shown, QUERY)
    wait_for_status(shown, "5 videos found.")
    assert has_white_panel(shown) is (scheme == "light")
    for width in (1600, 390, 280):
        watched.page.set_viewport_size({"width": width, "height": 900})
        assert watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        watched.screenshot(f"embed-{scheme}-{width}")
    watched.check_accessibility()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_option_overrides_the_page_s_scheme(embedding: Embedding, theme: str) -> None:
    other = {"light": "dark", "dark": "light"}[theme]
    watched = embedding.show(simple(f'data-theme="{theme}"'), color_scheme=other)
    type_query(box(watched.page), "telescope")
    wait_for_status(box(watched.page), "5 videos found.")
    assert has_white_panel(box(watched.page)) is (theme == "light")


def has_white_panel(shown: Any) -> bool:
    background: str = shown.locator(".panel").evaluate("part => getComputedStyle(part).backgroundColor")
    return background == "rgb(255, 255, 255)"
