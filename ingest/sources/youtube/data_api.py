"""The parts of the YouTube Data API v3 that list the videos of a channel.

https://developers.google.com/youtube/v3/docs. channels.list gives the playlist of a channel's uploads,
playlistItems.list its videos page by page, videos.list the data of 50 videos at a time. Each request costs
one unit of quota, of which a key has 10,000 a day. A channel of 10,000 videos costs 401.
"""

import re
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, TypeVar

import httpx
import msgspec

from ingest.sources.youtube.addresses import USER, is_channel_id
from ingest.sources.youtube.resources import ChannelPage, UploadPage, VideoPage, VideoResource
from ingest.sources.youtube.retries import (
    RETRYABLE_STATUSES,
    SERVER_ERRORS,
    RetryableError,
    RetryPolicy,
    read_retry_after,
)

DATA_API_URL: Final = "https://www.googleapis.com/youtube/v3"
PAGE_SIZE: Final = 50

_LARGEST_ANSWER: Final = 32 * 1024 * 1024
_OK, _NOT_FOUND = 200, 404
_KEY_REFUSALS: Final = frozenset({401, 403})

_QUOTA: Final = frozenset({"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"})
_RATE: Final = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
_DISABLED: Final = frozenset({"accessNotConfigured", "SERVICE_DISABLED"})
_BAD_KEY: Final = frozenset({"keyInvalid", "keyExpired", "API_KEY_INVALID", "API_KEY_EXPIRED"})
_REASON: Final = re.compile(r"[A-Za-z_]{1,60}")

_T = TypeVar("_T")


class DataApiError(Exception):
    """A request to the Data API failed, and retries did not help. The text never contains the key."""


class NotFoundError(DataApiError):
    """The playlist does not exist or is not public."""


class Channel(msgspec.Struct, frozen=True):
    """A channel: the playlist of its uploads, and the number of public videos it reports."""

    uploads: str | None
    video_count: int | None


class Upload(msgspec.Struct, frozen=True):
    """A video as listed in the playlist of uploads. `is_gone`: it is private or was deleted."""

    video_id: str
    is_gone: bool


class DataApi:
    """A client of the Data API. Use it on one thread at a time, and close it."""

    def __init__(self, api_key: str, *, url: str = DATA_API_URL, retries: RetryPolicy | None = None) -> None:
        self._retries = retries or RetryPolicy()
        # A header instead of the parameter `key`: addresses appear in logs and messages, headers do not.
        # https://cloud.google.com/apis/docs/system-parameters
        self._client = httpx.Client(
            base_url=url,
            headers={"X-Goog-Api-Key": api_key, "Accept": "application/json"},
            timeout=self._retries.timeout,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def find_channel(self, name: str) -> Channel | None:
        """Find a channel by its id (UC...), handle (@name, the @ is optional) or user/NAME; None if none.

        Raises DataApiError.
        """
        by = "id" if is_channel_id(name) else "forUsername" if name.startswith(USER) else "forHandle"
        named = {"part": "contentDetails,statistics", by: name.removeprefix(USER)}
        page = self._get("channels", named, ChannelPage)
        if not page.items:
            return None
        channel = page.items[0]
        count = channel.statistics.video_count
        return Channel(
            uploads=channel.content_details.related_playlists.uploads,
            video_count=int(count) if count and count.isdecimal() else None,
        )

    def uploads(self, playlist: str) -> Iterator[list[Upload]]:
        """Yield the pages of a playlist; each is requested when it is needed.

        Raises NotFoundError if there is no such playlist, and DataApiError.
        """
        parameters = {"part": "contentDetails,status", "playlistId": playlist, "maxResults": str(PAGE_SIZE)}
        tokens: set[str] = set()
        while True:
            page = self._get("playlistItems", parameters, UploadPage)
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
                raise DataApiError("the YouTube Data API returns the same page repeatedly; try again later")
            tokens.add(token)
            parameters = {**parameters, "pageToken": token}

    def videos(self, video_ids: Collection[str]) -> dict[str, VideoResource]:
        """Return the data of at most 50 videos by id. Videos that are not public are missing.

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
        return self._retries.call(lambda: self._try(path, parameters, page))

    def _try(self, path: str, parameters: Mapping[str, str], page: type[_T]) -> _T:
        try:
            status, headers, body = self._fetch(path, parameters)
        except httpx.TimeoutException as e:
            message = f"did not answer within {self._retries.timeout:g} s"
            raise RetryableError(_unreached(message)) from e
        except httpx.HTTPError as e:
            raise RetryableError(_unreached(f"cannot be reached ({type(e).__name__})")) from e
        if status != _OK:
            raise _refusal(status, _reasons(body), read_retry_after(headers.get("retry-after")))
        try:
            return msgspec.json.decode(body, type=page)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise RetryableError(_unreached("sent an answer that cannot be read")) from e

    def _fetch(self, path: str, parameters: Mapping[str, str]) -> tuple[int, httpx.Headers, bytes]:
        """Fetch one answer within the timeout. The client's own one limits only the time between bytes."""
        deadline = time.monotonic() + self._retries.timeout
        body = bytearray()
        with self._client.stream("GET", path, params=parameters) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("")
                if len(body) > _LARGEST_ANSWER:
                    raise httpx.DecodingError("")
            return response.status_code, response.headers, bytes(body)


def _unreached(problem: str) -> DataApiError:
    return DataApiError(f"the YouTube Data API {problem}; check the connection, and run again")


def _reasons(body: bytes) -> set[str]:
    """Return the reasons of an error answer, in either of Google's formats.

    Only these words are put into messages: other text may contain the key, or the page of a proxy.
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
    """Return the exception to raise for an answer with an error status."""
    details = ", ".join([str(status), *sorted(reasons)])
    temporary = _temporary_problem(status, reasons)
    if temporary is not None:
        problem, advice = temporary
        return RetryableError(DataApiError(f"{problem} ({details}); {advice}"), retry_after)
    if status == _NOT_FOUND:
        return NotFoundError(f"the YouTube Data API does not find it ({details}); check the channel")
    console = "in the Google Cloud console"
    if reasons & _DISABLED:
        problem = "the YouTube Data API v3 is not enabled in the project of YT_API_KEY"
        return DataApiError(f"{problem} ({details}); enable it {console}")
    if status in _KEY_REFUSALS or reasons & _BAD_KEY:
        problem = "the YouTube Data API refuses YT_API_KEY"
        return DataApiError(f"{problem} ({details}); check the key and its restrictions {console}")
    return DataApiError(
        f"the YouTube Data API refuses the request ({details}); check the channel, and run again"
    )


def _temporary_problem(status: int, reasons: set[str]) -> tuple[str, str] | None:
    """Return the problem and the advice, or None if a retry cannot help."""
    if reasons & _QUOTA:
        return (
            "the quota of YT_API_KEY is used up",
            "it is renewed at midnight Pacific time: run again then, or ask Google for a larger one",
        )
    if status in RETRYABLE_STATUSES or reasons & _RATE:
        return "the YouTube Data API accepts no more requests for now", "run again in some minutes"
    if status in SERVER_ERRORS:
        return "the YouTube Data API has an internal error", "run again later"
    return None
