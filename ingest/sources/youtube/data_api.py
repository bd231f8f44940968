"""The YouTube Data API v3, as far as listing a channel's videos needs it.

https://developers.google.com/youtube/v3/docs. The ways of an answer: channels.list gives the playlist of a
channel's uploads, playlistItems.list its videos page by page, videos.list what is known of 50 at a time.
Each request costs one unit of quota, of which a key has 10,000 a day: 401 for a channel of 10,000 videos.
"""

import re
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, TypeVar

import httpx
import msgspec

from ingest.sources.youtube.resources import ChannelPage, UploadPage, VideoPage, VideoResource
from ingest.sources.youtube.retries import SERVER_ERRORS, TOO_EARLY, Patience, TryAgainError, read_retry_after

DATA_API_URL: Final = "https://www.googleapis.com/youtube/v3"
PAGE_SIZE: Final = 50

_LARGEST_ANSWER: Final = 32 * 1024 * 1024
_CHANNEL_ID: Final = re.compile(r"UC[A-Za-z0-9_-]{22}")
_OK, _NOT_FOUND = 200, 404
_KEY_REFUSALS: Final = frozenset({401, 403})

_QUOTA: Final = frozenset({"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"})
_RATE: Final = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
_DISABLED: Final = frozenset({"accessNotConfigured", "SERVICE_DISABLED"})
_BAD_KEY: Final = frozenset({"keyInvalid", "keyExpired", "API_KEY_INVALID", "API_KEY_EXPIRED"})
_REASON: Final = re.compile(r"[A-Za-z_]{1,60}")

_T = TypeVar("_T")


class DataApiError(Exception):
    """The Data API did not give what was asked, and asking again did not help. Never holds the key."""


class NotFoundError(DataApiError):
    """There is no such playlist, or nobody may see it."""


class Channel(msgspec.Struct, frozen=True):
    """A channel: its id, the playlist of its uploads, and how many public videos it says it has."""

    channel_id: str
    uploads: str | None
    video_count: int | None


class Upload(msgspec.Struct, frozen=True):
    """A video as the playlist of uploads names it. `is_gone`: it is private, or was deleted."""

    video_id: str
    is_gone: bool


class DataApi:
    """Asks the Data API with a key. Use on one thread at a time, and close."""

    def __init__(self, api_key: str, *, url: str = DATA_API_URL, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        # A header instead of the parameter `key`: an address ends up in logs and messages, a header does not.
        # https://cloud.google.com/apis/docs/system-parameters
        self._client = httpx.Client(
            base_url=url,
            headers={"X-Goog-Api-Key": api_key, "Accept": "application/json"},
            timeout=self._patience.answer_seconds,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def find_channel(self, name: str) -> Channel | None:
        """Look a channel up by its id (UC...) or handle (@name, the @ may be missing); None if unknown.

        Raises DataApiError.
        """
        by = "id" if _CHANNEL_ID.fullmatch(name) else "forHandle"
        page = self._get("channels", {"part": "contentDetails,statistics", by: name}, ChannelPage)
        if not page.items:
            return None
        channel = page.items[0]
        count = channel.statistics.video_count
        return Channel(
            channel_id=channel.id,
            uploads=channel.content_details.related_playlists.uploads,
            video_count=int(count) if count and count.isdecimal() else None,
        )

    def uploads(self, playlist: str) -> Iterator[list[Upload]]:
        """List a playlist to its end, page by page, as it is asked for.

        Raises NotFoundError where there is no such playlist, DataApiError.
        """
        asked = {"part": "contentDetails,status", "playlistId": playlist, "maxResults": str(PAGE_SIZE)}
        tokens: set[str] = set()
        while True:
            page = self._get("playlistItems", asked, UploadPage)
            # A public video is "public" here and an unlisted one "unlisted"; a deleted one has no status.
            yield [
                Upload(
                    item.content_details.video_id,
                    is_gone=item.status.privacy_status in {"private", "privacyStatusUnspecified"},
                )
                for item in page.items
            ]
            token = page.next_page_token
            if token is None:
                return
            if token in tokens:
                raise DataApiError("the YouTube Data API lists the same page over and over; try again later")
            tokens.add(token)
            asked = {**asked, "pageToken": token}

    def videos(self, video_ids: Collection[str]) -> dict[str, VideoResource]:
        """Return what is known of at most 50 videos, by id, without those that nobody may see.

        Raises DataApiError.
        """
        if not video_ids:
            return {}
        page = self._get(
            "videos",
            {
                "part": "snippet,contentDetails,status",
                "id": ",".join(video_ids),
                "maxResults": str(PAGE_SIZE),
            },
            VideoPage,
        )
        return {video.id: video for video in page.items}

    def _get(self, path: str, parameters: Mapping[str, str], page: type[_T]) -> _T:
        return self._patience.call(lambda: self._try(path, parameters, page))

    def _try(self, path: str, parameters: Mapping[str, str], page: type[_T]) -> _T:
        try:
            status, headers, body = self._fetch(path, parameters)
        except httpx.TimeoutException as e:
            waited = f"did not answer within {self._patience.answer_seconds:g} s"
            raise TryAgainError(_unreached(waited)) from e
        except httpx.HTTPError as e:
            raise TryAgainError(_unreached(f"cannot be reached ({type(e).__name__})")) from e
        if status != _OK:
            raise _refusal(status, _reasons(body), read_retry_after(headers.get("retry-after")))
        try:
            return msgspec.json.decode(body, type=page)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise TryAgainError(_unreached("gave an answer that makes no sense")) from e

    def _fetch(self, path: str, parameters: Mapping[str, str]) -> tuple[int, httpx.Headers, bytes]:
        """Fetch one answer within the time for it; the client's own limit is one of silence only."""
        deadline = time.monotonic() + self._patience.answer_seconds
        body = bytearray()
        with self._client.stream("GET", path, params=parameters) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("")
                if len(body) > _LARGEST_ANSWER:
                    raise httpx.DecodingError("")
            return response.status_code, response.headers, bytes(body)


def _unreached(what: str) -> DataApiError:
    return DataApiError(f"the YouTube Data API {what}; check the connection, and run again")


def _reasons(body: bytes) -> set[str]:
    """Return the reasons of an error answer, in either form of Google's.

    Only these words go into messages: the text beside them may hold the key, or a page of a proxy's.
    """
    try:
        error = msgspec.json.decode(body, type=dict[str, dict[str, Any]]).get("error", {})
    except (msgspec.DecodeError, UnicodeDecodeError):
        return set()
    found = set()
    for part in ("details", "errors"):
        entries = error.get(part)
        for entry in entries if isinstance(entries, list) else ():
            reason = entry.get("reason") if isinstance(entry, dict) else None
            if isinstance(reason, str) and _REASON.fullmatch(reason):
                found.add(reason)
    return found


def _refusal(status: int, reasons: set[str], retry_after: float | None) -> Exception:
    """Return what to raise for an answer that is none."""
    told = ", ".join([str(status), *sorted(reasons)])
    passing = _what_may_pass(status, reasons)
    if passing is not None:
        what, advice = passing
        return TryAgainError(DataApiError(f"{what} ({told}); {advice}"), retry_after)
    if status == _NOT_FOUND:
        return NotFoundError(f"the YouTube Data API finds nothing there ({told}); check the channel")
    console = "in the Google Cloud console"
    if reasons & _DISABLED:
        what = "the project of YT_API_KEY does not use the YouTube Data API v3"
        return DataApiError(f"{what} ({told}); enable it {console}")
    if status in _KEY_REFUSALS or reasons & _BAD_KEY:
        what = "the YouTube Data API refuses YT_API_KEY"
        return DataApiError(f"{what} ({told}); check the key and its restrictions {console}")
    return DataApiError(
        f"the YouTube Data API refuses the request ({told}); check the channel, and run again"
    )


def _what_may_pass(status: int, reasons: set[str]) -> tuple[str, str] | None:
    """Return what is wrong and what to do, or None where trying again makes no sense."""
    if reasons & _QUOTA:
        return (
            "the quota of YT_API_KEY is used up",
            "it is renewed at midnight Pacific time: run again then, or ask Google for a larger one",
        )
    if status in TOO_EARLY or reasons & _RATE:
        return "the YouTube Data API takes no more requests for now", "run again in some minutes"
    if status in SERVER_ERRORS:
        return "the YouTube Data API has an error of its own", "run again later"
    return None
