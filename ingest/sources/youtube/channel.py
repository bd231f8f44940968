"""A YouTube channel: its videos from the Data API, their captions from youtube-transcript-api."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from ingest.errors import SourceError
from ingest.rows.reasons import FETCH_FAILED
from ingest.rows.row import Place, RawRow, rejected_row
from ingest.sources.youtube.addresses import CHANNEL, PREFIX, channel_url, yt_dlp_hint
from ingest.sources.youtube.caption_cache import CaptionCache, RowStore
from ingest.sources.youtube.captions import CachedCaptions, CaptionFetcher, CaptionsFailedError
from ingest.sources.youtube.data_api import (
    DATA_API_URL,
    PAGE_SIZE,
    Channel,
    DataApi,
    DataApiError,
    NotFoundError,
    Upload,
)
from ingest.sources.youtube.resources import VideoResource
from ingest.sources.youtube.retries import RetryPolicy
from ingest.sources.youtube.transcript_api import TranscriptApi
from ingest.sources.youtube.videos import can_be_watched, has_manual_captions, is_live, place_of, video_row

LISTED_AT_MOST: Final = 20_000
"""The number of videos that the Data API lists of a channel, however many it has."""

_API_KEY: Final = re.compile(r"[!-~]+")
_NOT_INSTALLED: Final = (
    "the package youtube-transcript-api is not installed; run "
    "`python -m pip install youtube-transcript-api`, or rebuild the ingest image, which contains it"
)


class YouTube:
    """Opens channels, and stores their rows until it is closed.

    A run reads its sources more than once and must find the same each time. It opens one of these, and each
    channel gives the same rows in every reading. No request is sent before a channel is opened.
    """

    def __init__(
        self,
        api_key: str | None,
        *,
        languages: Sequence[str] = ("en",),
        folder: Path | None = None,
        data_api_url: str = DATA_API_URL,
        retries: RetryPolicy | None = None,
        fetcher: CaptionFetcher | None = None,
        listed_at_most: int = LISTED_AT_MOST,
    ) -> None:
        """Take the key (YT_API_KEY) and the preferred languages of captions, the most preferred first.

        `folder` caches captions between runs, so that a run fetches captions of new videos only and an
        interrupted run continues. Without it they are deleted on closing. `fetcher` replaces
        youtube-transcript-api.
        """
        self._api_key = (api_key or "").strip()
        self._languages = tuple(languages)
        self._folder = folder
        self._data_api_url = data_api_url
        self._retries = retries
        self._fetcher = fetcher
        self._listed_at_most = listed_at_most
        self._channels: dict[str, YouTubeChannel] = {}
        self._to_close = ExitStack()
        self._opened: tuple[DataApi, CachedCaptions] | None = None

    def close(self) -> None:
        """Close the connections, and delete the rows stored for this run."""
        self._channels.clear()
        self._opened = None
        self._to_close.close()

    def channel(self, name: str) -> "YouTubeChannel":
        """Open `youtube:UC...` or `youtube:@handle`, and check that the channel exists.

        Raises SourceError: without a key or youtube-transcript-api, for a malformed name or an unknown
        channel, and if the Data API refuses or does not answer.
        """
        if name not in self._channels:
            self._channels[name] = self._open_channel(name)
        return self._channels[name]

    def _open_channel(self, name: str) -> "YouTubeChannel":
        wanted = name.removeprefix(PREFIX)
        if not CHANNEL.fullmatch(wanted):
            raise SourceError(f"{name}: is not a channel; write {PREFIX}UC... (its id) or {PREFIX}@handle")
        api, captions = self._open(name)
        with _naming(name):
            channel = api.find_channel(wanted)
        if channel is None:
            raise SourceError(f"{name}: YouTube has no such channel; check its id or handle")
        return YouTubeChannel(name, channel, api, captions, self._to_close, self._listed_at_most)

    def _open(self, name: str) -> tuple[DataApi, CachedCaptions]:
        if self._opened is None:
            if not self._api_key:
                raise missing_key(name)
            if not _API_KEY.fullmatch(self._api_key):
                raise SourceError(
                    f"{name}: YT_API_KEY contains spaces or characters no key has; copy the key again"
                )
            fetcher = self._fetcher or self._open_fetcher(name)
            cache = CaptionCache(self._folder, self._languages)
            self._to_close.callback(cache.close)
            api = DataApi(self._api_key, url=self._data_api_url, retries=self._retries)
            self._to_close.callback(api.close)
            self._opened = api, CachedCaptions(fetcher, cache)
        return self._opened

    def _open_fetcher(self, name: str) -> CaptionFetcher:
        try:
            fetcher = TranscriptApi(self._languages)
        except ImportError as e:
            raise SourceError(f"{name}: {_NOT_INSTALLED}") from e
        self._to_close.callback(fetcher.close)
        return fetcher


def missing_key(name: str) -> SourceError:
    """Build the error for a channel without YT_API_KEY."""
    return SourceError(
        f"{name}: set YT_API_KEY to a key for the YouTube Data API v3; you get one, free of charge, at "
        "https://console.cloud.google.com/apis/library/youtube.googleapis.com",
        hint=yt_dlp_hint(channel_url(name), "Without a key, let yt-dlp download the captions, and sync them"),
    )


class YouTubeChannel:
    """A Source: the videos of one channel, newest first. Fetched in the first reading, then stored.

    Private, deleted and announced videos are left out. A video whose captions could not be fetched is a
    rejected row, `fetch-failed`, never a video without a transcript.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        api: DataApi,
        captions: CachedCaptions,
        to_close: ExitStack,
        listed_at_most: int,
    ) -> None:
        self._name = name
        self._channel = channel
        self._api = api
        self._captions = captions
        self._to_close = to_close
        self._listed_at_most = listed_at_most
        self._stored: RowStore | None = None

    def rows(self) -> Iterator[RawRow]:
        """Fetch the videos 50 at a time; after one complete reading, yield the stored rows again."""
        if self._stored is not None:
            for row in self._stored:
                yield msgspec.json.decode(row, type=RawRow)
            return
        store = RowStore()
        try:
            for raw in self._fetch():
                store.add(msgspec.json.encode(raw))
                yield raw
        except BaseException:
            # Also for Ctrl-C and a reader that stops half-way (GeneratorExit): an incomplete listing is
            # never stored.
            store.close()
            raise
        self._to_close.callback(store.close)
        self._stored = store

    def _fetch(self) -> Iterator[RawRow]:
        seen: set[str] = set()
        with _naming(self._name):
            for page in self._pages():
                # A video that is uploaded while the pages are read moves another one to the next page.
                new = {upload.video_id: upload for upload in page if upload.video_id not in seen}
                seen.update(new)
                videos = self._api.videos([upload.video_id for upload in new.values() if not upload.is_gone])
                for upload in new.values():
                    yield from self._row(upload, videos.get(upload.video_id))
        count = self._channel.video_count or 0
        if count > len(seen) and len(seen) > self._listed_at_most - PAGE_SIZE:
            yield rejected_row(
                Place(self._name),
                "list-cut",
                f"the Data API lists only the newest {len(seen):,} of {count:,} videos; the index keeps the "
                "others",
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
            message = (
                "the Data API lists this video but returns no data about it; the index keeps its current "
                "copy: run again"
            )
            yield rejected_row(place, FETCH_FAILED, message, video_id=upload.video_id)
            return
        try:
            captions = None
            if not is_live(video):
                captions = self._captions.of_video(video.id, has_manual=has_manual_captions(video))
        except CaptionsFailedError as e:
            message = (
                f"its captions could not be fetched ({e}); the index keeps its current copy: run again later"
            )
            yield rejected_row(place, FETCH_FAILED, message, video_id=video.id)
            return
        yield video_row(video, captions)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Raise errors that concern the whole channel as a SourceError that names it."""
    try:
        yield
    except DataApiError as e:
        raise SourceError(f"{name}: {e}") from e
