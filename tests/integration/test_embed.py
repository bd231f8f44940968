"""The search box of `/embed.js` on a page of another site, in a browser.

The page, its policy and what the server is to be told are those of docs/embed.md, with other addresses.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.documents import write_jsonl
from tests.support.other_site import OtherSite, serving_site
from tests.support.processes import REPOSITORY, Api, Ingest, run_module, running_api

DOCUMENTED = (REPOSITORY / "docs" / "search-page.md").read_text(encoding="utf-8")
PLACEHOLDER = "https://videos.example.org"
PAGE = re.findall(r"```html\n(<!DOCTYPE html>.*?)```", DOCUMENTED, re.DOTALL)[0]
POLICY = re.findall(r"^Content-Security-Policy: (.*)$", DOCUMENTED, re.MULTILINE)[0]
LINE = re.findall(r"```html\n(<script.*?)\n```", DOCUMENTED)[0]

# Beyond what the document asks for, such a page allows nothing: no style, no picture, no markup from text.
STRICT = "default-src 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

QUERY = "why is my telescope view mushy"
FOUND = "Why Your Planets Look Mushy (and What to Do About It)"
NO_LEAVE = "has been blocked by CORS policy"

LookAt = Callable[..., Any]


@pytest.fixture(scope="module")
def site() -> Iterator[OtherSite]:
    with serving_site() as site:
        yield site


@pytest.fixture(scope="module")
def api(sample_index: Ingest, site: OtherSite) -> Iterator[Api]:
    own = {"CORS_ORIGINS": site.address}
    with running_api(sample_index.index_dir, sample_index.model_dir, **own) as api:
        yield api


class Embedding:
    """Pages of another site that show the box, and a browser on them."""

    def __init__(self, site: OtherSite, api: Api, look_at: LookAt) -> None:
        self._site = site
        self._api = api
        self._look_at = look_at

    def show(self, page: str, *, host: str = "127.0.0.1", allowing: str = "", **options: Any) -> Any:
        """Open a page with the box, the API's address in place of the documented one.

        `host` is what the site is called, `allowing` what its policy allows beyond what is documented.
        """
        self._site.pages["/"] = page.replace(PLACEHOLDER, self._api.address)
        self._site.policy = f"{STRICT}; {POLICY.replace(PLACEHOLDER, self._api.address)}; {allowing}"
        watched = self._look_at(self._site.address.replace("127.0.0.1", host), **options)
        # Nothing in between, which would answer for the API what browsers ask beforehand.
        watched.page.context.unroute_all()
        watched.page.on("request", lambda request: watched.asked.append(request.url))
        watched.may_ask = {"127.0.0.1", host}
        watched.page.on("dialog", lambda dialog: watched.complaints.append(f"a dialog: {dialog.message}"))
        watched.open("/")
        return watched


@pytest.fixture
def embedding(site: OtherSite, api: Api, look_at: LookAt) -> Embedding:
    return Embedding(site, api, look_at)


def simple(attributes: str = "", style: str = "") -> str:
    """A page with the documented line in it, and these attributes and styles."""
    line = LINE.replace("><", f" {attributes}><")
    return f"<!DOCTYPE html><html lang=en><title>A site</title>{style}<main><h1>A site</h1>{line}</main>"


def box(page: Any, number: int = 0) -> Any:
    """The box itself, and all that is in its shadow root."""
    return page.locator(".vidsearch").nth(number)


def video_of(page: Any, title: str) -> Any:
    """The part of the box that shows one video."""
    return page.locator(".panel > ul > li").filter(has=page.get_by_text(title, exact=True))


def ask(shown: Any, query: str) -> None:
    """Type a query, letter by letter."""
    shown.get_by_role("searchbox").press_sequentially(query)


def says(shown: Any, text: str) -> None:
    """Wait until the box says something."""
    shown.get_by_role("status").get_by_text(text).wait_for()


def test_the_documented_page_finds_moments_while_one_types(embedding: Embedding) -> None:
    watched = embedding.show(PAGE)
    shown = box(watched.page.locator("#video-search"))
    watched.shoot("embed-first")
    watched.check_for_everyone()
    ask(shown, QUERY)
    says(shown, "5 videos found.")
    video = video_of(watched.page, FOUND)
    title, first, second = video.get_by_role("link").all()
    assert title.get_attribute("href").endswith("/mushy-planets-seeing-and-cooldown.mp4")
    start = re.search(r"#t=(\d+)$", first.get_attribute("href"))
    assert start
    minutes, seconds = divmod(int(start[1]), 60)
    assert first.inner_text().startswith(f"{minutes}:{seconds:02}")
    for link in (title, first, second):
        assert (link.get_attribute("target"), link.get_attribute("rel")) == ("_blank", "noopener noreferrer")
    assert video.get_by_text("Backyard Observatory").is_visible()
    assert {"view", "telescope"} <= {word.strip(",.") for word in shown.locator("mark").all_inner_texts()}
    watched.shoot("embed-found")
    watched.check_for_everyone()
    # The page, the script, and a search for each time that typing paused.
    searches = [url for url in watched.asked if "/v1/search?" in url]
    assert 1 <= len(searches) < len(QUERY) / 2
    assert len(watched.asked) == len(searches) + 2


def test_a_page_that_is_not_allowed_says_so_in_plain_words(embedding: Embedding) -> None:
    # The same site by another name is another origin, which CORS_ORIGINS does not hold.
    watched = embedding.show(PAGE, host="localhost")
    ask(box(watched.page), "telescope")
    says(box(watched.page), "The video search cannot be reached. Please try again later.")
    watched.shoot("embed-not-allowed")
    watched.check_for_everyone()
    ours = [complaint for complaint in watched.complaints if "vidsearch: no answer from" in complaint]
    assert ours
    assert f"Is {watched.address} in its CORS_ORIGINS?" in ours[0]
    theirs = [complaint for complaint in watched.complaints if complaint not in ours]
    assert [
        complaint for complaint in theirs if NO_LEAVE not in complaint and "ERR_FAILED" not in complaint
    ] == []
    watched.complaints.clear()


def test_the_keyboard_goes_through_what_was_found(embedding: Embedding) -> None:
    page = embedding.show(simple('data-limit="2" data-moments="1"')).page
    shown = box(page)
    keys = page.keyboard
    keys.press("Tab")
    keys.type(QUERY)
    says(shown, "2 videos found.")
    links = [link.get_attribute("href") for link in shown.get_by_role("link").all()]
    assert len(links) == 4

    def focused() -> str:
        href: str = page.evaluate(
            "document.querySelector('.vidsearch').shadowRoot.activeElement.href ?? 'the field'"
        )
        return href

    been = []
    for key in ("ArrowDown",) * 5 + ("ArrowUp",) * 5:
        keys.press(key)
        been.append(focused())
    assert been == [*links, links[3], *links[2::-1], "the field", "the field"]
    # What is not the box's to do is left to the browser: each link is reached by Tab as well.
    keys.press("Tab")
    assert focused() == links[0]
    keys.press("Escape")
    assert focused() == "the field"
    assert shown.get_by_role("searchbox").input_value() == ""
    shown.get_by_role("link").first.wait_for(state="detached")
    assert shown.get_by_role("status").inner_text() == ""


def test_nothing_found_and_enter_and_an_empty_field(embedding: Embedding) -> None:
    watched = embedding.show(simple('data-channel="Nobody"'))
    shown = box(watched.page)
    ask(shown, "telescope")
    says(shown, "Nothing found for “telescope”. Try other words, or fewer.")
    watched.shoot("embed-nothing")
    watched.check_for_everyone()
    assert "channel=Nobody" in watched.asked[-1]
    before = len(watched.asked)
    # Enter neither leaves the page nor asks again for what is shown.
    watched.page.keyboard.press("Enter")
    ask(shown, " moon")
    says(shown, "“telescope moon”")
    assert len(watched.asked) > before
    shown.get_by_role("searchbox").fill("  ")
    shown.get_by_role("status").get_by_text("Nothing").wait_for(state="detached")


def test_options_are_sent_and_bad_ones_named(embedding: Embedding) -> None:
    good = (
        'data-limit="3" data-moments="0" data-mode="lexical" data-language="en" '
        'data-label="Find" data-placeholder="Say"'
    )
    watched = embedding.show(simple(good))
    shown = box(watched.page)
    field = watched.page.get_by_role("search", name="Find").get_by_role("searchbox", name="Find")
    assert field.get_attribute("placeholder") == "Say"
    ask(shown, "telescope")
    says(shown, "3 videos found.")
    assert watched.asked[-1].partition("?")[2] == "query=telescope&limit=3&moments=0&mode=lexical&language=en"
    assert shown.locator(".moment").count() == 0

    bad = (
        'data-limit="51" data-moments="two" data-mode="fuzzy" data-theme="red" data-label=" " '
        'data-key="\u00e4 b" data-target="#no"'
    )
    watched = embedding.show(simple(bad))
    told = [re.search(r"vidsearch: (.*)\.( It counts as left out)? at ", each) for each in watched.complaints]
    assert [match and match[1] for match in told] == [
        "data-limit must be 1 to 50. It counts as left out",
        "data-moments must be 0 to 20. It counts as left out",
        "data-mode must be hybrid, semantic or lexical. It counts as left out",
        "data-label must be a text. It counts as left out",
        "data-theme must be auto, light or dark. It counts as left out",
        "data-key must be a key. It counts as left out",
        "data-target must be the selector of an element in <body>",
    ]
    watched.complaints.clear()
    ask(box(watched.page), "telescope")
    says(box(watched.page), "5 videos found.")
    assert watched.asked[-1].partition("?")[2] == "query=telescope&limit=5&moments=2"


@pytest.mark.parametrize("way", ["", "async", "defer"])
def test_a_script_in_the_head_with_a_target(embedding: Embedding, way: str) -> None:
    script = LINE.replace("><", f' {way} data-target="main"><')
    watched = embedding.show(
        f"<!DOCTYPE html><html lang=en><head><title>A site</title>{script}</head><main></main>"
    )
    watched.page.locator("main > .vidsearch").wait_for()


def test_two_boxes_on_one_page_know_nothing_of_each_other(embedding: Embedding) -> None:
    line = LINE.replace("><", ' data-label="Search the club" data-limit="1"><')
    watched = embedding.show(simple().replace("</main>", f"{line}</main>"))
    first, second = box(watched.page), box(watched.page, 1)
    ask(second, "telescope")
    says(second, "1 video found.")
    ask(first, "bread")
    says(first, "5 videos found.")
    assert second.get_by_role("status").inner_text() == "1 video found."
    watched.shoot("embed-two")
    watched.check_for_everyone()


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


def test_the_styles_of_the_page_stay_out(embedding: Embedding) -> None:
    drawn = []
    for style in ("", HOSTILE_STYLE):
        watched = embedding.show(simple(style=style), allowing="style-src 'nonce-hostile'")
        shown = box(watched.page)
        ask(shown, QUERY)
        says(shown, "5 videos found.")
        drawn.append(shown.evaluate(DRAWN))
    watched.shoot("embed-hostile-style")
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) > 50


def test_hostile_texts_are_texts_and_only_addresses_of_the_web_are_links(
    site: OtherSite, look_at: LookAt, empty: Ingest
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
    with running_api(empty.index_dir, empty.model_dir, CORS_ORIGINS=site.address) as api:
        watched = Embedding(site, api, look_at).show(simple(), viewport={"width": 390, "height": 844})
        shown = box(watched.page)
        ask(shown, "telescope")
        says(shown, "4 videos found.")
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
        watched.shoot("embed-hostile-texts")
        watched.check_for_everyone()


def test_with_a_key(site: OtherSite, look_at: LookAt, sample_index: Ingest, folder: Path) -> None:
    own = {"KEYS_FILE": str(folder / "keys.json")}
    key = run_module("api", "keys", "add", "website", "--scope", "search", **own).stdout.strip()
    with running_api(sample_index.index_dir, sample_index.model_dir, CORS_ORIGINS=site.address, **own) as api:
        embedding = Embedding(site, api, look_at)
        watched = embedding.show(simple(f'data-key="{key}"'))
        ask(box(watched.page), "telescope")
        says(box(watched.page), "5 videos found.")
        assert key not in "".join(watched.asked)

        for wrong in ("", 'data-key="vs_0"'):
            watched = embedding.show(simple(wrong))
            watched.may_fail = True
            ask(box(watched.page), "telescope")
            says(box(watched.page), "This page may not search the videos: it has no valid key.")
            watched.check_for_everyone()
            assert all(f"vidsearch: {api.address} answered 401." in each for each in watched.complaints)
            watched.complaints.clear()


def answered(watched: Any, query: str) -> int:
    """Search by Enter, and return the status of the first answer."""
    with watched.page.expect_response(f"**/v1/search?query={query}&*") as answer:
        box(watched.page).get_by_role("searchbox").fill(query)
        watched.page.keyboard.press("Enter")
    status: int = answer.value.status
    return status


def test_a_box_that_asks_too_often_tries_again_once(
    site: OtherSite, look_at: LookAt, sample_index: Ingest
) -> None:
    where = (sample_index.index_dir, sample_index.model_dir)
    with running_api(*where, CORS_ORIGINS=site.address, RATE_LIMIT_ADDRESS="20/minute") as api:
        watched = Embedding(site, api, look_at).show(simple())
        watched.may_fail = True
        for _ in range(20):
            assert api.get("/v1/search", query="bread").status_code == 200
        assert answered(watched, "bread") == 429
        says(box(watched.page), "The video search is busy. Trying again …")
        says(box(watched.page), "5 videos found.")
        asked = [url.partition("query=")[2].partition("&")[0] for url in watched.asked[2:]]
        assert asked == ["bread", "bread"]


def test_a_box_that_would_have_to_wait_long_says_how_long(
    site: OtherSite, look_at: LookAt, sample_index: Ingest
) -> None:
    where = (sample_index.index_dir, sample_index.model_dir)
    with running_api(*where, CORS_ORIGINS=site.address, RATE_LIMIT_ADDRESS="1/hour") as api:
        watched = Embedding(site, api, look_at).show(simple())
        watched.may_fail = True
        assert [answered(watched, query) for query in ("telescope", "bread")] == [200, 429]
        says(box(watched.page), "The video search is busy. Please try again in 60 minutes.")
        assert box(watched.page).get_by_role("link").count() == 0
        watched.check_for_everyone()
        assert all(f"vidsearch: {api.address} answered 429." in each for each in watched.complaints)
        watched.complaints.clear()


def test_an_answer_from_words_alone_says_so_and_a_slow_one_that_it_is_coming(embedding: Embedding) -> None:
    watched = embedding.show(simple())
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    watched.page.route("**/v1/search?*", hold)
    shown = box(watched.page)
    ask(shown, "telescope")
    says(shown, "Searching …")
    watched.shoot("embed-slow")
    route = held.pop()
    answer = route.fetch()
    route.fulfill(response=answer, json={**answer.json(), "degraded": "lexical"})
    says(shown, "5 videos found. By their words alone just now: some may be missing.")
    # One that is overtaken is given up, and its answer is not shown.
    given_up = []
    watched.page.on("requestfailed", lambda request: given_up.append(request.url))
    shown.get_by_role("searchbox").fill("bread")
    watched.page.wait_for_timeout(300)
    shown.get_by_role("searchbox").fill("bicycle")
    watched.page.wait_for_timeout(300)
    assert [url.partition("query=")[2].partition("&")[0] for url in given_up] == ["bread"]
    held.pop().continue_()
    says(shown, "5 videos found.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [280, 390, 1600])
def test_light_and_dark_from_narrow_to_wide(embedding: Embedding, scheme: str, width: int) -> None:
    watched = embedding.show(PAGE, color_scheme=scheme, viewport={"width": width, "height": 900})
    shown = box(watched.page)
    ask(shown, QUERY)
    says(shown, "5 videos found.")
    background = shown.locator(".panel").evaluate("part => getComputedStyle(part).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is (scheme == "light")
    assert watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    watched.shoot(f"embed-{scheme}-{width}")
    watched.check_for_everyone()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_that_is_not_the_pages(embedding: Embedding, theme: str) -> None:
    watched = embedding.show(simple(f'data-theme="{theme}"'))
    shown = box(watched.page)
    ask(shown, "telescope")
    says(shown, "5 videos found.")
    background = shown.locator(".panel").evaluate("part => getComputedStyle(part).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is (theme == "light")
