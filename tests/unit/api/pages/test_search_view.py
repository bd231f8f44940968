from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.media.addresses import VideoAddresses
from api.pages.search_form import SearchForm
from api.pages.search_view import (
    BAR,
    LONGEST_TITLE,
    Mark,
    Thumbnails,
    VideoView,
    describe_index,
    view_page,
    view_video,
)
from retrieval.catalogue.links import Player
from retrieval.index.hits import Moment
from retrieval.search.results import FoundVideo, SearchResult
from retrieval.text.matching import Piece
from tests.unit.api.fakes import MANIFEST, record

FORM = SearchForm(query="telescope mirror")
ADDRESSES = VideoAddresses(None)
NOW = MANIFEST.built_at + timedelta(hours=3)


def shown(*moments: Moment, thumbnails: Thumbnails = "catalogue", **fields: object) -> VideoView:
    video = FoundVideo(msgspec.structs.replace(record(), **fields), 20.0, moments)
    return view_video(video, FORM, ADDRESSES, thumbnails=thumbnails)


def said(text: str = "The mirror cools.", start: float | None = 65.5, end: float | None = 95.0) -> Moment:
    return Moment(start, end, text, 20.0)


def test_a_video_with_a_moment() -> None:
    view = shown(said(), title="Cooling a telescope", thumbnail_url="https://i.example/1.jpg")
    assert view.title == (Piece("Cooling a "), Piece("telescope", matches=True))
    assert (view.plain_title, view.initials) == ("Cooling a telescope", "CA")
    assert (view.channel, view.published, view.published_on) == ("A channel", "31 May 2024", "2024-05-31")
    assert (view.length, view.language) == ("10:00", "en")
    assert view.url == "https://youtu.be/tLf2bGhmWsI"
    assert view.thumbnail == "https://i.example/1.jpg"
    assert view.page == "/app/videos/tLf2bGhmWsI?query=telescope%20mirror"
    (moment,) = view.moments
    assert moment.time == "1:05"
    assert moment.pieces == (Piece("The "), Piece("mirror", matches=True), Piece(" cools."))
    assert moment.url == "https://youtu.be/tLf2bGhmWsI?t=65"
    assert moment.player == Player(
        "frame", "https://www.youtube-nocookie.com/embed/tLf2bGhmWsI?start=65&autoplay=1"
    )
    assert view.marks == (Mark(109, 49),)


def test_moments_without_times_have_no_mark() -> None:
    view = shown(said(start=None, end=None), Moment(1.0, 2.0, None, 3.0))
    (moment,) = view.moments
    assert (moment.time, moment.mark, moment.url) == (None, None, view.url)
    assert not view.has_times


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,<script>", "//evil.example/x"])
def test_only_web_addresses_become_links_thumbnails_or_players(address: str) -> None:
    view = shown(said(), video_id="a", url=address, thumbnail_url=address)
    assert (view.url, view.thumbnail) == (None, None)
    assert [(moment.url, moment.player) for moment in view.moments] == [(None, None)]


def test_thumbnails_can_be_disabled() -> None:
    assert shown(thumbnail_url="https://i.example/1.jpg", thumbnails="off").thumbnail is None


def test_pictures_of_youtube_are_shown_only_if_they_are_asked_for() -> None:
    picture = "https://i.ytimg.com/vi/tLf2bGhmWsI/mqdefault.jpg"
    assert shown(thumbnails="on").thumbnail == picture
    assert shown(thumbnails="catalogue").thumbnail is None
    assert shown(thumbnails="off").thumbnail is None
    own = "https://i.example/1.jpg"
    assert shown(thumbnails="on", thumbnail_url=own).thumbnail == own
    assert shown(thumbnails="on", thumbnail_url="javascript:x").thumbnail == picture
    assert shown(thumbnails="on", url="https://videos.example.org/1.mp4").thumbnail is None


def test_long_texts_are_cut() -> None:
    view = shown(said("word " * 200_000), title="t" * 1_000_000, channel="c" * 1_000_000)
    assert len(view.plain_title) == LONGEST_TITLE + 1
    assert view.channel is not None
    assert len(view.channel) < 100
    assert sum(len(piece.text) for piece in view.moments[0].pieces) < 250


@given(
    st.floats(0, 1e7, allow_nan=False),
    st.none() | st.floats(0, 1e7, allow_nan=False),
    st.none() | st.floats(0, 1e7, allow_nan=False),
)
def test_a_mark_is_inside_the_bar(duration: float, start: float | None, end: float | None) -> None:
    for mark in shown(said(start=start, end=end), duration=duration).marks:
        assert 0 <= mark.x < mark.x + mark.width <= BAR


def found(count: int) -> SearchResult:
    return SearchResult("v", tuple(FoundVideo(record(f"v{n}"), 1.0, ()) for n in range(count)))


@pytest.mark.parametrize(
    ("count", "offset", "headline", "previous", "following"),
    [
        (0, 0, "No results", None, None),
        (1, 0, "1 result", None, None),
        (10, 0, "10 results", None, None),
        (11, 0, "Results", None, "/app/search?query=x&offset=10"),
        (11, 10, "Results 11 to 20", "/app/search?query=x", "/app/search?query=x&offset=20"),
        (3, 20, "Results 21 to 23", "/app/search?query=x&offset=10", None),
        (0, 5, "No more results", "/app/search?query=x", None),
        (1, 10, "Result 11", "/app/search?query=x", None),
        (11, 185, "Results 186 to 195", "/app/search?query=x&offset=175", "/app/search?query=x&offset=190"),
    ],
)
def test_a_page_of_results(
    count: int, offset: int, headline: str, previous: str | None, following: str | None
) -> None:
    page = view_page(found(count), SearchForm(query="x", offset=offset), ADDRESSES)
    assert (page.headline, page.previous, page.next) == (headline, previous, following)
    assert len(page.videos) == min(count, 10)


def test_a_placeholder_has_the_same_colour_each_time() -> None:
    colors = {shown(video_id=f"video{n}").color for n in range(100)}
    assert colors == set(range(8))
    assert shown().color == shown().color


def test_dates_are_in_utc() -> None:
    view = shown(published_at=datetime(2024, 12, 31, 23, 59, tzinfo=UTC))
    assert (view.published, view.published_on) == ("31 Dec 2024", "2024-12-31")


def test_the_start_page_describes_the_index() -> None:
    manifest = msgspec.structs.replace(MANIFEST, canaries=("Q & A", "", "x" * 61, *"bcde"))
    start = describe_index(manifest, NOW, shows_titles=True)
    assert start is not None
    assert start.facts == (
        "3 videos",
        "7 passages",
        "67% with a transcript",
        "updated 3 hours ago",
    )
    assert [example.text for example in start.examples] == ["Q & A", "b", "c", "d"]
    assert start.examples[0].address == "/app/search?query=Q%20%26%20A"
