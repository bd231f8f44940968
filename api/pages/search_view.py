"""Turns what search found into what the search page shows. Pure: the templates only lay it out.

A catalogue is anybody's text. It is cut to what can be shown, and of its addresses only those of the web are
let through.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import reduce
from itertools import islice
from zlib import crc32

import msgspec

from api.pages.search_form import LAST_OFFSET, PAGE_VIDEOS, SearchForm
from api.pages.wording import ago, clock, day, language_code
from retrieval.catalogue.links import Player, moment_url, player_at, watch_url, web_address
from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.video import VideoRecord
from retrieval.catalogue.wording import counted, share
from retrieval.index.reading import Moment
from retrieval.search.searcher import FoundVideo, SearchResult
from retrieval.text.matching import ELLIPSIS, Piece, quote, split_matches, without

LONGEST_TITLE = 160
LONGEST_CHANNEL = 80
LONGEST_QUOTE = 156
"""Characters. A passage has about 700; its moment is shown by the part that answers."""

_SHORTEST_QUOTE = 60
"""With less of its own to show a moment shows what another one does as well."""

_MOST_READ = 4_000
"""How much of a passage is looked at: enough for 120 words of any language."""

TONES = 8
"""How many colours the drawn pictures have."""

BAR = 1_000
"""How many units wide the bar is that shows where a video's moments lie."""
_NARROWEST = 8
_INITIALS = 2


class Mark(msgspec.Struct, frozen=True):
    """A place on the bar, in its units."""

    x: int
    width: int


class MomentView(msgspec.Struct, frozen=True):
    """A moment: its time and its place on the bar, if known; what was said; where it opens and plays."""

    time: str | None
    mark: Mark | None
    pieces: tuple[Piece, ...]
    url: str | None
    player: Player | None


class VideoView(msgspec.Struct, frozen=True, kw_only=True):
    """A video as it is shown. `language` is one that a browser knows; `page` is the video's own page here."""

    title: tuple[Piece, ...]
    plain_title: str
    initials: str
    tone: int
    channel: str | None
    published: str | None
    published_on: str | None
    length: str | None
    language: str | None
    url: str | None
    thumbnail: str | None
    page: str
    moments: tuple[MomentView, ...]
    has_more: bool

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Where on the bar its moments lie; none where the length or the times are unknown."""
        return tuple(moment.mark for moment in self.moments if moment.mark)

    @property
    def has_times(self) -> bool:
        """Whether any of its moments has a time."""
        return any(moment.time for moment in self.moments)


class PageView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of results: how many there are in words, and the addresses of the pages around it."""

    videos: tuple[VideoView, ...]
    told: str
    earlier: str | None
    later: str | None
    is_degraded: bool


def view_page(result: SearchResult, form: SearchForm, *, thumbnails: bool = True) -> PageView:
    """Show a page of results; one video more than it holds says that there is a next one."""
    shown = result.videos[:PAGE_VIDEOS]
    has_later = len(result.videos) > PAGE_VIDEOS
    return PageView(
        videos=tuple(view_video(video, form, thumbnails=thumbnails) for video in shown),
        told=_told(len(shown), form.offset, has_later=has_later),
        earlier=form.address(offset=max(0, form.offset - PAGE_VIDEOS)) if form.offset else None,
        later=form.address(offset=min(form.offset + PAGE_VIDEOS, LAST_OFFSET)) if has_later else None,
        is_degraded=result.is_degraded,
    )


def view_video(video: FoundVideo, form: SearchForm, *, thumbnails: bool = True) -> VideoView:
    """Show a video that was found, with its moments."""
    record = video.record
    url = web_address(watch_url(record.video_id, record.url))
    title = cut(record.title, LONGEST_TITLE)
    published = record.published_at
    return VideoView(
        title=split_matches(title, form.query),
        plain_title=title,
        initials=initials(title),
        tone=crc32(record.video_id.encode()) % TONES,
        channel=cut(record.channel, LONGEST_CHANNEL) if record.channel else None,
        published=day(published) if published else None,
        published_on=published.date().isoformat() if published else None,
        length=clock(record.duration) if record.duration else None,
        language=language_code(record.language),
        url=url,
        thumbnail=web_address(record.thumbnail_url) if thumbnails else None,
        page=form.video_address(record.video_id),
        moments=tuple(_view_moments(video, url, form)),
        has_more=record.passages > len(video.moments),
    )


def view_record(record: VideoRecord, form: SearchForm, *, thumbnails: bool = True) -> VideoView:
    """Show a video of which nothing was asked."""
    return view_video(FoundVideo(record, 0.0, ()), form, thumbnails=thumbnails)


def short_titles(titles: Iterable[str], *, most: int = 4, longest: int = 60) -> tuple[str, ...]:
    """Choose a few titles that can stand for what may be asked."""
    return tuple(islice((title for title in titles if 0 < len(title) <= longest), most))


def cut(text: str, longest: int) -> str:
    """Cut a text that is longer than anybody reads."""
    return text if len(text) <= longest else f"{text[:longest].rstrip()}{ELLIPSIS}"


def initials(title: str) -> str:
    """Take the first letters of a title's first two words: what is drawn where there is no picture."""
    first = (next(filter(str.isalnum, word), "") for word in title.split())
    return "".join(islice(filter(None, first), _INITIALS)).upper()


def _told(shown: int, offset: int, *, has_later: bool) -> str:
    if not shown:
        return "Nothing more" if offset else "Nothing found"
    if offset:
        return f"Videos {offset + 1} to {offset + shown}"
    return f"The {shown} best videos" if has_later else counted(shown, "video")


def _view_moments(video: FoundVideo, url: str | None, form: SearchForm) -> Iterator[MomentView]:
    shown: list[str] = []
    for moment in video.moments:
        if moment.text is None:
            continue
        text = moment.text[:_MOST_READ]
        rest = reduce(without, shown, text)
        pieces = quote(rest if len(rest) >= _SHORTEST_QUOTE else text, form.query, longest=LONGEST_QUOTE)
        shown.append("".join(piece.text for piece in pieces).strip(f" {ELLIPSIS}"))
        yield MomentView(
            time=None if moment.start is None else clock(moment.start),
            mark=_mark(moment, video.record.duration),
            pieces=pieces,
            url=moment_url(url, moment.start),
            player=player_at(url, moment.start),
        )


def _mark(moment: Moment, duration: float | None) -> Mark | None:
    if not duration or moment.start is None or not 0 <= moment.start < duration:
        return None
    end = moment.start if moment.end is None else max(moment.start, min(moment.end, duration))
    width = max(_NARROWEST, round((end - moment.start) / duration * BAR))
    return Mark(min(round(moment.start / duration * BAR), BAR - width), width)


class Example(msgspec.Struct, frozen=True):
    """A query that the catalogue answers."""

    text: str
    address: str


class StartView(msgspec.Struct, frozen=True):
    """What there is to search, in words; `examples` are none where the catalogue is not for everybody."""

    videos: int
    counts: tuple[str, ...]
    is_sample: bool
    examples: tuple[Example, ...]


def describe_index(manifest: Manifest | None, now: datetime, *, shows_titles: bool) -> StartView | None:
    """Say what an index holds and how fresh it is; None where there is no index."""
    if manifest is None:
        return None
    counts = manifest.counts
    titles = short_titles(manifest.canaries) if shows_titles else ()
    return StartView(
        counts.videos,
        (
            counted(counts.videos, "video"),
            counted(counts.passages, "passage"),
            f"{share(counts.transcript_coverage)} with a transcript",
            f"brought up to date {ago(manifest.built_at, now)}",
        ),
        manifest.is_sample,
        tuple(Example(title, SearchForm(query=title).address()) for title in titles),
    )
