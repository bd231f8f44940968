"""A YouTube channel, live: its videos by the Data API, their captions by youtube-transcript-api."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from ingest.errors import SourceError
from ingest.rows.row import FETCH_FAILED, Place, RawRow, RowProblem
from ingest.sources.youtube.captions import CaptionFetcher, CaptionsFailedError, KnownCaptions
from ingest.sources.youtube.data_api import (
    DATA_API_URL,
    PAGE_SIZE,
    Channel,
    DataApi,
    DataApiError,
    NotFoundError,
    Upload,
)
from ingest.sources.youtube.kept_captions import KeptCaptions, Spool
from ingest.sources.youtube.resources import VideoResource
from ingest.sources.youtube.retries import Patience
from ingest.sources.youtube.transcript_api import TranscriptApi
from ingest.sources.youtube.videos import can_be_watched, has_manual_captions, is_live, place_of, row_values

PREFIX: Final = "youtube:"
"""What the name of such a source begins with; a channel's id or handle follows."""

LISTED_AT_MOST: Final = 20_000
"""How many videos the Data API lists of a channel, however many it has."""

_CHANNEL: Final = re.compile(r"UC[A-Za-z0-9_-]{22}|@?[^\s/@:?#&]{3,100}")
_API_KEY: Final = re.compile(r"[!-~]+")


class YouTube:
    """Opens channels, and keeps what was fetched of them for as long as it is open.

    A run reads its sources more than once and has to find the same each time: it opens one of these, and
    every opening of a channel gives the same rows. Nothing is sent before a channel is opened.
    """

    def __init__(
        self,
        api_key: str | None,
        *,
        languages: Sequence[str] = ("en",),
        folder: Path | None = None,
        data_api_url: str = DATA_API_URL,
        patience: Patience | None = None,
        fetcher: CaptionFetcher | None = None,
    ) -> None:
        """Name the key (YT_API_KEY) and the languages of captions, those to prefer first.

        `folder` keeps captions from run to run, so that a run fetches those of new videos only and one that
        was stopped goes on; without it they are gone when this is closed. `fetcher` is where captions come
        from instead of youtube-transcript-api.
        """
        self._api_key = (api_key or "").strip()
        self._languages = tuple(languages)
        self._folder = folder
        self._data_api_url = data_api_url
        self._patience = patience
        self._fetcher = fetcher
        self._channels: dict[str, YouTubeChannel] = {}
        self._to_close = ExitStack()
        self._opened: tuple[DataApi, KnownCaptions] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and delete what was kept for this run."""
        self._channels.clear()
        self._opened = None
        self._to_close.close()

    def channel(self, name: str) -> "YouTubeChannel":
        """Open `youtube:UC...` or `youtube:@handle`, and find out that there is such a channel.

        Raises SourceError: without a key or the extra, for a name of another form or an unknown channel, and
        where the Data API refuses or does not answer.
        """
        if name not in self._channels:
            self._channels[name] = self._open_channel(name)
        return self._channels[name]

    def _open_channel(self, name: str) -> "YouTubeChannel":
        wanted = name.removeprefix(PREFIX)
        if not _CHANNEL.fullmatch(wanted):
            raise SourceError(f"{name}: is not a channel; write {PREFIX}UC... (its id) or {PREFIX}@handle")
        api, captions = self._open(name)
        with _telling(name):
            channel = api.find_channel(wanted)
        if channel is None:
            raise SourceError(f"{name}: YouTube knows no such channel; check its id or handle")
        return YouTubeChannel(name, channel, api, captions, self._to_close)

    def _open(self, name: str) -> tuple[DataApi, KnownCaptions]:
        if self._opened is None:
            if not self._api_key:
                raise SourceError(f"{name}: set YT_API_KEY to a key for the YouTube Data API v3")
            if not _API_KEY.fullmatch(self._api_key):
                raise SourceError(f"{name}: YT_API_KEY has blanks or other signs in it; copy the key again")
            fetcher = self._fetcher or self._open_fetcher(name)
            kept = KeptCaptions(self._folder, self._languages)
            self._to_close.callback(kept.close)
            api = DataApi(self._api_key, url=self._data_api_url, patience=self._patience)
            self._to_close.callback(api.close)
            self._opened = api, KnownCaptions(fetcher, kept)
        return self._opened

    def _open_fetcher(self, name: str) -> CaptionFetcher:
        try:
            fetcher = TranscriptApi(self._languages)
        except ImportError as e:
            raise SourceError(
                f"{name}: needs youtube-transcript-api; install it: pip install 'vidsearch[youtube]'"
            ) from e
        self._to_close.callback(fetcher.close)
        return fetcher


class YouTubeChannel:
    """A Source: the videos of one channel, newest first. Fetched in the first reading, then kept.

    A video that is private, deleted or only announced is not there. One whose captions could not be had is
    a rejected row, `fetch-failed`, never a video without a transcript.
    """

    def __init__(
        self, name: str, channel: Channel, api: DataApi, captions: KnownCaptions, to_close: ExitStack
    ) -> None:
        self._name = name
        self._channel = channel
        self._api = api
        self._captions = captions
        self._to_close = to_close
        self._fetched: Spool | None = None

    def rows(self) -> Iterator[RawRow]:
        """Fetch the videos 50 at a time; once that came to its end, give the same rows again."""
        if self._fetched is not None:
            for row in self._fetched:
                yield msgspec.json.decode(row, type=RawRow)
            return
        spool = Spool()
        try:
            for raw in self._fetch():
                spool.add(msgspec.json.encode(raw))
                yield raw
        except BaseException:
            # Ctrl-C and a reader that stops half way (GeneratorExit) too: half a listing is never kept.
            spool.close()
            raise
        self._to_close.callback(spool.close)
        self._fetched = spool

    def _fetch(self) -> Iterator[RawRow]:
        seen: set[str] = set()
        with _telling(self._name):
            for page in self._pages():
                # A video that is uploaded while the pages are read moves another one to the next page.
                new = {upload.video_id: upload for upload in page if upload.video_id not in seen}
                seen.update(new)
                videos = self._api.videos([upload.video_id for upload in new.values() if not upload.is_gone])
                for upload in new.values():
                    yield from self._row(upload, videos.get(upload.video_id))
        count = self._channel.video_count or 0
        if count > len(seen) and len(seen) > LISTED_AT_MOST - PAGE_SIZE:
            yield _rejected(
                Place(self._name),
                None,
                "list-cut",
                f"the Data API lists the newest {len(seen):,} of {count:,} videos; the others are kept",
            )

    def _pages(self) -> Iterator[list[Upload]]:
        if self._channel.uploads is None:
            return
        try:
            yield from self._api.uploads(self._channel.uploads)
        except NotFoundError:
            # A channel that never had a video names a playlist that does not exist.
            if self._channel.video_count != 0:
                raise

    def _row(self, upload: Upload, video: VideoResource | None) -> Iterator[RawRow]:
        place = place_of(upload.video_id)
        if upload.is_gone or (video is not None and not can_be_watched(video)):
            return
        if video is None:
            yield _rejected(
                place,
                upload.video_id,
                FETCH_FAILED,
                "is listed by the Data API, which then tells nothing of it; the index keeps what it has: "
                "run again",
            )
            return
        try:
            captions = None
            if not is_live(video):
                captions = self._captions.of_video(video.id, has_manual=has_manual_captions(video))
        except CaptionsFailedError as e:
            message = f"its captions could not be fetched ({e}); the index keeps what it has: run again later"
            yield _rejected(place, video.id, FETCH_FAILED, message)
            return
        yield RawRow(place, row_values(video, captions))


@contextmanager
def _telling(name: str) -> Iterator[None]:
    """Tell what goes wrong with the channel as a whole as a SourceError that names it."""
    try:
        yield
    except DataApiError as e:
        raise SourceError(f"{name}: {e}") from e


def _rejected(place: Place, video_id: str | None, code: str, message: str) -> RawRow:
    return RawRow(place, None, (RowProblem(place, video_id, None, code, message),))
