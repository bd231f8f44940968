"""YouTube on a loopback port: the Data API, and the pages that youtube-transcript-api requests.

The answers have the fields documented at https://developers.google.com/youtube/v3/docs, and those that the
library reads.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import msgspec

LOOPBACK = "127.0.0.1"
API_KEY = "AIzaTestKeyThatNobodyMayEverSee"
CHANNEL_ID = "UC" + "c" * 22
HANDLE = "@talks"
USER_NAME = "TalksOfOld"
UPLOADS = "UU" + "c" * 22
_ENDLESS = 10**9
_INNERTUBE_KEY = "innertube-key"


class Track(msgspec.Struct, frozen=True):
    """Captions of one video; `lines` are (start, duration, text)."""

    language: str = "en"
    automatic: bool = False
    lines: Sequence[tuple[float, float, str]] = ((0.5, 1.5, "Hello world"), (2.0, 1.0, "again"))
    needs_token: bool = False


class OnYouTube(msgspec.Struct, frozen=True):
    """A video on the server. `listed` is its privacy status in the playlist."""

    video_id: str
    tracks: Sequence[Track] = ()
    listed: str = "public"
    has_data: bool = True
    snippet: Mapping[str, object] = {}
    details: Mapping[str, object] = {}
    upload_status: str = "processed"
    playability: Mapping[str, object] = msgspec.field(default_factory=lambda: {"status": "OK"})


class Answer(msgspec.Struct, frozen=True):
    """An answer, possibly with a fault.

    half: half of the body, then the end. hang: no answer, and an open connection. close: no answer, and a
    closed connection. drip: single bytes without an end.
    """

    status: int
    body: bytes
    content_type: str = "application/json; charset=UTF-8"
    retry_after: str | None = None
    fault: Literal["half", "hang", "close", "drip"] | None = None


HANG = Answer(200, b"", fault="hang")
CLOSE = Answer(200, b"", fault="close")
DRIP = Answer(200, b"", fault="drip")
HALF = Answer(200, b'{"kind": "youtube#channelListResponse", "items": []}', fault="half")
PORTAL = Answer(200, b"<html>Welcome to our network</html>", "text/html")
ROBOT = Answer(200, b'<html><form><div class="g-recaptcha"></div></form></html>', "text/html")
EMPTY = Answer(200, b"", "text/xml")
TOO_MANY = Answer(429, b"<html>Sorry...</html>", "text/html")


def api_error(
    status: int,
    reason: str,
    *,
    message: str = "No.",
    detail: str | None = None,
    retry_after: str | None = None,
) -> Answer:
    """Return an error answer of the Data API, with its reason in one or two places."""
    error: dict[str, Any] = {
        "code": status,
        "message": message,
        "errors": [{"message": message, "domain": "youtube.quota", "reason": reason}],
    }
    if detail:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": detail}]
    return Answer(status, json.dumps({"error": error}).encode(), retry_after=retry_after)


class Seen(msgspec.Struct, frozen=True):
    """A received request."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def video_id(self) -> str | None:
        """The video of a request for captions."""
        return self.query.get("v") or (json.loads(self.body).get("videoId") if self.body else None)


class _Rule:
    def __init__(self, answer: Answer, path: str, video_id: str | None, times: int | None) -> None:
        self.answer = answer
        self.path = path
        self.video_id = video_id
        self.times = times

    def matches(self, seen: Seen) -> bool:
        if not seen.path.endswith(self.path) or self.video_id not in {None, seen.video_id}:
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


class YouTubeServer:
    """The videos and the faults of the server at `url`; both can be changed while it runs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.videos: list[OnYouTube] = []
        self.page_size = 50
        self.video_count: int | None = None
        self.has_playlist = True
        self.seen: list[Seen] = []
        self.stopping = threading.Event()
        self._rules: list[_Rule] = []

    @property
    def data_api_url(self) -> str:
        return f"{self.url}/youtube/v3"

    def requests(self, path: str) -> list[Seen]:
        """Return the requests so far whose path ends with this."""
        return [seen for seen in self.seen if seen.path.endswith(path)]

    def fail(
        self, answer: Answer, path: str = "", *, video_id: str | None = None, times: int | None = None
    ) -> None:
        """Send this answer instead, the next `times` times or always."""
        self._rules.append(_Rule(answer, path, video_id, times))

    def recover(self) -> None:
        self._rules.clear()

    def answer(self, seen: Seen) -> Answer:
        self.seen.append(seen)
        fault = next((rule.answer for rule in self._rules if rule.matches(seen)), None)
        if fault is not None:
            return fault
        if seen.path.startswith("/youtube/v3/"):
            if seen.headers.get("x-goog-api-key") != API_KEY:
                return api_error(400, "badRequest", detail="API_KEY_INVALID", message="API key not valid.")
            return _ROUTES[seen.path.removeprefix("/youtube/v3/")](self, seen.query)
        return _PAGES[seen.path](self, seen)

    def find(self, video_id: str | None) -> OnYouTube:
        return next(video for video in self.videos if video.video_id == video_id)


def _page(kind: str, items: list[dict[str, Any]], **more: object) -> Answer:
    page = {"kind": f"youtube#{kind}ListResponse", "etag": "e", **more, "items": items}
    if not items and kind == "channel":
        del page["items"]  # As YouTube does if no channel is found.
    return Answer(200, json.dumps(page).encode())


def _channels(server: YouTubeServer, query: Mapping[str, str]) -> Answer:
    named = {("id", CHANNEL_ID), ("forHandle", HANDLE), ("forHandle", HANDLE[1:]), ("forUsername", USER_NAME)}
    if named.isdisjoint(query.items()):
        return _page("channel", [], pageInfo={"totalResults": 0, "resultsPerPage": 5})
    count = len(server.videos) if server.video_count is None else server.video_count
    channel = {
        "kind": "youtube#channel",
        "id": CHANNEL_ID,
        "contentDetails": {"relatedPlaylists": {"likes": "", "uploads": UPLOADS}},
        "statistics": {"viewCount": "7", "hiddenSubscriberCount": False, "videoCount": str(count)},
    }
    return _page("channel", [channel], pageInfo={"totalResults": 1, "resultsPerPage": 5})


def _playlist_items(server: YouTubeServer, query: Mapping[str, str]) -> Answer:
    if query.get("playlistId") != UPLOADS or not server.has_playlist:
        return api_error(404, "playlistNotFound")
    start = int(query.get("pageToken", "0"))
    end = start + min(server.page_size, int(query["maxResults"]))
    items = [
        {
            "kind": "youtube#playlistItem",
            "id": f"item-{video.video_id}",
            "contentDetails": {"videoId": video.video_id, "videoPublishedAt": "2024-05-30T15:41:30Z"},
            "status": {"privacyStatus": video.listed},
        }
        for video in server.videos[start:end]
    ]
    more = {"nextPageToken": str(end)} if end < len(server.videos) else {}
    return _page("playlistItem", items, pageInfo={"totalResults": len(server.videos)}, **more)


def _videos(server: YouTubeServer, query: Mapping[str, str]) -> Answer:
    wanted = query["id"].split(",")
    if len(wanted) > 50:
        return api_error(400, "invalidFilters")
    found = [video for video in server.videos if video.video_id in wanted]
    there = [video for video in found if video.listed in {"public", "unlisted"} and video.has_data]
    return _page("video", [_resource(video) for video in there])


def _resource(video: OnYouTube) -> dict[str, Any]:
    return {
        "kind": "youtube#video",
        "id": video.video_id,
        "snippet": {
            "publishedAt": "2024-05-30T15:41:30Z",
            "channelId": CHANNEL_ID,
            "title": f"Talk {video.video_id}",
            "description": "Words.",
            "thumbnails": {
                "default": {"url": f"https://i.ytimg.com/vi/{video.video_id}/default.jpg", "width": 120},
                "maxres": {"url": f"https://i.ytimg.com/vi/{video.video_id}/maxres.jpg", "width": 1280},
                "high": {"url": f"https://i.ytimg.com/vi/{video.video_id}/hq.jpg", "width": 480},
            },
            "channelTitle": "Talks",
            "tags": ["bikes", "brakes"],
            "categoryId": "28",
            "liveBroadcastContent": "none",
            "defaultAudioLanguage": "en-GB",
            **video.snippet,
        },
        "contentDetails": {
            "duration": "PT1H2M3S",
            "dimension": "2d",
            "caption": "true" if any(not track.automatic for track in video.tracks) else "false",
            **video.details,
        },
        "status": {"uploadStatus": video.upload_status, "privacyStatus": video.listed},
    }


_ROUTES: dict[str, Callable[[YouTubeServer, Mapping[str, str]], Answer]] = {
    "channels": _channels,
    "playlistItems": _playlist_items,
    "videos": _videos,
}


def _watch(server: YouTubeServer, seen: Seen) -> Answer:
    server.find(seen.video_id)
    return Answer(200, f'<script>{{"INNERTUBE_API_KEY": "{_INNERTUBE_KEY}"}}</script>'.encode(), "text/html")


def _player(server: YouTubeServer, seen: Seen) -> Answer:
    assert seen.query["key"] == _INNERTUBE_KEY
    video = server.find(seen.video_id)
    player: dict[str, Any] = {"playabilityStatus": video.playability, "videoDetails": {}}
    if video.tracks:
        tracks = [_track(video, number, track) for number, track in enumerate(video.tracks)]
        renderer = {"captionTracks": tracks, "translationLanguages": []}
        player["captions"] = {"playerCaptionsTracklistRenderer": renderer}
    return Answer(200, json.dumps(player).encode())


def _track(video: OnYouTube, number: int, track: Track) -> dict[str, Any]:
    token = "&exp=xpe" if track.needs_token else ""
    return {
        "baseUrl": f"https://www.youtube.com/api/timedtext?v={video.video_id}&track={number}{token}&fmt=srv3",
        "name": {"runs": [{"text": track.language}]},
        "languageCode": track.language,
        "isTranslatable": True,
        **({"kind": "asr"} if track.automatic else {}),
    }


def _timed_text(server: YouTubeServer, seen: Seen) -> Answer:
    track = server.find(seen.video_id).tracks[int(seen.query["track"])]
    # YouTube escapes the texts twice.
    texts = (
        f'<text start="{start}" dur="{duration}">{escape(escape(text))}</text>'
        for start, duration, text in track.lines
    )
    body = f'<?xml version="1.0" encoding="utf-8" ?><transcript>{"".join(texts)}</transcript>'
    return Answer(200, body.encode(), "text/xml; charset=UTF-8")


_PAGES: dict[str, Callable[[YouTubeServer, Seen], Answer]] = {
    "/watch": _watch,
    "/youtubei/v1/player": _player,
    "/api/timedtext": _timed_text,
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # Head and body in one packet; else the body waits 40 ms for an acknowledgement.
    youtube: YouTubeServer

    def do_GET(self) -> None:
        self._respond(b"")

    def do_POST(self) -> None:
        self._respond(self.rfile.read(int(self.headers["content-length"])))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""

    def _respond(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.youtube.answer(Seen(parts.path, query, headers, body))
        if answer.fault == "hang":
            self.youtube.stopping.wait()
        self.close_connection = answer.fault is not None
        if answer.fault in {"hang", "close"}:
            return
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        self.send_header("content-length", str(len(answer.body) or _ENDLESS * (answer.fault == "drip")))
        if answer.retry_after is not None:
            self.send_header("retry-after", answer.retry_after)
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if answer.fault else answer.body)
        while answer.fault == "drip" and not self.youtube.stopping.wait(0.02):
            self.wfile.write(b" ")
            self.wfile.flush()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that close the connection early."""


@contextmanager
def youtube_server() -> Iterator[YouTubeServer]:
    """Serve from a free loopback port."""
    handler = type("Handler", (_Handler,), {})
    with _Listener((LOOPBACK, 0), handler) as listener:
        server = handler.youtube = YouTubeServer(f"http://{LOOPBACK}:{listener.server_port}")
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            listener.shutdown()
            thread.join()


def closed_port_url() -> str:
    """Return an address of a closed port."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        return f"http://{LOOPBACK}:{taken.getsockname()[1]}"
