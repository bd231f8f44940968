"""The source youtube:CHANNEL_ID against a YouTube on a loopback port, by real sockets."""

import gc
import logging
import os
import re
import signal
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from ingest.errors import SourceError
from ingest.rows.row import RawRow, RowProblem, check_source_row
from ingest.sources.catalogue import read_catalogue
from ingest.sources.opening import open_source
from ingest.sources.youtube.addresses import source_of
from ingest.sources.youtube.captions import BLOCKED_IN_A_ROW, CaptionFetcher
from ingest.sources.youtube.channel import YouTube
from ingest.sources.youtube.retries import RetryPolicy
from retrieval.catalogue.video import Cue, Video
from tests.support.processes import REPOSITORY
from tests.support.youtube_server import (
    API_KEY,
    CHANNEL_ID,
    CLOSE,
    DRIP,
    EMPTY,
    HALF,
    HANDLE,
    HANG,
    PORTAL,
    ROBOT,
    TOO_MANY,
    USER_NAME,
    Answer,
    OnYouTube,
    Track,
    YouTubeServer,
    api_error,
    closed_port_url,
    youtube_server,
)

CHANNEL = Path(f"youtube:{CHANNEL_ID}")
BUSY = Answer(503, b"<html>Service unavailable</html>", "text/html")


@pytest.fixture
def server() -> Iterator[YouTubeServer]:
    with youtube_server() as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    """The pauses between attempts, which are recorded instead of waited for."""
    return []


@pytest.fixture
def retries(pauses: list[float]) -> RetryPolicy:
    return RetryPolicy(attempts=3, timeout=5.0, sleep=pauses.append)


@pytest.fixture
def brief(retries: RetryPolicy) -> RetryPolicy:
    """A short timeout, for servers that do not answer."""
    return msgspec.structs.replace(retries, timeout=0.2)


Open = Callable[..., YouTube]
Fetchers = Callable[..., CaptionFetcher]


@pytest.fixture
def youtube(server: YouTubeServer, retries: RetryPolicy) -> Iterator[Open]:
    """Open YouTube as a run does, with the test server and the captions of `fetcher`."""
    opened: list[YouTube] = []

    def open_youtube(**options: Any) -> YouTube:
        options = {
            "api_key": API_KEY,
            "data_api_url": server.data_api_url,
            "retries": retries,
            "fetcher": NoCaptions(),
        } | options
        opened.append(YouTube(**options))
        return opened[-1]

    yield open_youtube
    for each in opened:
        each.close()


@pytest.fixture
def fetchers(server: YouTubeServer, retries: RetryPolicy) -> Iterator[Fetchers]:
    """Build fetchers with the real library, whose requests all go to the test server."""
    pytest.importorskip("youtube_transcript_api", reason="youtube-transcript-api is not installed")
    import requests
    from requests.adapters import HTTPAdapter

    from ingest.sources.youtube.transcript_api import TranscriptApi

    class ToLoopback(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
            assert request.url is not None
            assert urlsplit(request.url).hostname == "www.youtube.com"
            request.url = request.url.replace("https://www.youtube.com", server.url)
            return super().send(request, *args, **options)

    made = []

    def make(languages: Sequence[str] = ("en",), **options: Any) -> CaptionFetcher:
        session = requests.Session()
        session.trust_env = False
        session.mount("https://", ToLoopback())
        made.append(TranscriptApi(languages, session=session, **({"retries": retries} | options)))
        return made[-1]

    yield make
    for each in made:
        each.close()


class NoCaptions:
    """A CaptionFetcher that finds no captions, or raises."""

    def __init__(self, error: BaseException | None = None, *, after: int = 0) -> None:
        self._error = error
        self._after = after
        self.requested: list[str] = []

    def fetch(self, video_id: str) -> None:
        self.requested.append(video_id)
        if self._error and len(self.requested) > self._after:
            raise self._error


def ids(count: int) -> list[str]:
    return [f"video{number:06}" for number in range(count)]


def videos_of(rows: Iterator[RawRow]) -> list[Video]:
    videos = []
    for row in rows:
        checked = check_source_row(row)
        assert checked.video is not None, checked.problems
        videos.append(checked.video)
    return videos


def rejected(rows: Iterator[RawRow]) -> list[RowProblem]:
    found = []
    for row in rows:
        if row.values is None:
            (problem,) = row.problems
            assert problem.severity == "rejected"
            found.append(problem)
    return found


def test_several_pages_are_read_in_order_and_the_same_again(server: YouTubeServer, youtube: Open) -> None:
    server.videos = [OnYouTube(video_id) for video_id in ids(160)]
    opened = youtube()
    first = list(open_source(CHANNEL, youtube=opened).rows())
    assert [video.video_id for video in videos_of(iter(first))] == ids(160)
    assert len(server.requests("/playlistItems")) == len(server.requests("/videos")) == 4
    asked = len(server.seen)
    assert list(open_source(CHANNEL, youtube=opened).rows()) == first
    assert list(open_source(CHANNEL, youtube=opened).rows()) == first
    assert len(server.seen) == asked


@pytest.mark.parametrize("path", [HANDLE, f"channel/{CHANNEL_ID}", f"user/{USER_NAME}"])
def test_the_url_of_a_channel_opens_it(server: YouTubeServer, youtube: Open, path: str) -> None:
    server.videos = [OnYouTube("aBcdefghi-1")]
    source = source_of(f"https://www.youtube.com/{path}/videos")
    assert [video.video_id for video in videos_of(open_source(source, youtube=youtube()).rows())]


def test_every_column(server: YouTubeServer, youtube: Open) -> None:
    server.videos = [OnYouTube("aBcdefghi-1")]
    (video,) = videos_of(open_source(Path(f"youtube:{HANDLE}"), youtube=youtube()).rows())
    assert msgspec.to_builtins(video) == {
        "video_id": "aBcdefghi-1",
        "title": "Talk aBcdefghi-1",
        "caption_kind": None,
        "transcript": None,
        "cues": (),
        "published_at": "2024-05-30T15:41:30Z",
        "url": "https://www.youtube.com/watch?v=aBcdefghi-1",
        "channel": "Talks",
        "language": "en-GB",
        "duration": 3723.0,
        "thumbnail_url": "https://i.ytimg.com/vi/aBcdefghi-1/maxres.jpg",
        "tags": ("bikes", "brakes"),
        "media": None,
    }


def test_a_video_with_only_the_required_fields(server: YouTubeServer, youtube: Open) -> None:
    bare: dict[str, object] = {"thumbnails": {}, "tags": [], "defaultAudioLanguage": None}
    server.videos = [OnYouTube("a" * 11, snippet=bare, details={"duration": "P0D"})]
    (video,) = videos_of(open_source(CHANNEL, youtube=youtube()).rows())
    assert (video.thumbnail_url, video.tags, video.language, video.duration) == (None, (), None, None)


def test_private_deleted_announced_and_failed_videos_are_left_out(
    server: YouTubeServer, youtube: Open
) -> None:
    server.videos = [
        OnYouTube("private", listed="private"),
        OnYouTube("deleted", listed="privacyStatusUnspecified"),
        OnYouTube("upcoming", snippet={"liveBroadcastContent": "upcoming"}),
        OnYouTube("rejected", upload_status="rejected"),
        OnYouTube("unlisted", listed="unlisted"),
        OnYouTube("live", snippet={"liveBroadcastContent": "live"}, details={"duration": "P0D"}),
        OnYouTube("public"),
    ]
    fetcher = NoCaptions()
    videos = videos_of(open_source(CHANNEL, youtube=youtube(fetcher=fetcher)).rows())
    assert [video.video_id for video in videos] == ["unlisted", "live", "public"]
    assert fetcher.requested == ["unlisted", "public"]


def test_a_public_video_without_data_is_a_failed_row(server: YouTubeServer, youtube: Open) -> None:
    server.videos = [OnYouTube("lost", has_data=False), OnYouTube("there")]
    (problem,) = rejected(open_source(CHANNEL, youtube=youtube()).rows())
    assert (problem.video_id, problem.reason_code) == ("lost", "fetch-failed")
    assert str(problem).startswith("https://www.youtube.com/watch?v=lost: the Data API lists this video")


def test_a_video_on_two_pages_is_read_once(server: YouTubeServer, youtube: Open) -> None:
    server.videos = [OnYouTube(video_id) for video_id in ("a", "b", "b", "c")]
    server.page_size = 2
    assert [video.video_id for video in videos_of(open_source(CHANNEL, youtube=youtube()).rows())] == [*"abc"]


@pytest.mark.parametrize("has_playlist", [True, False])
def test_an_empty_channel_has_no_rows(has_playlist: bool, server: YouTubeServer, youtube: Open) -> None:  # noqa: FBT001
    server.has_playlist = has_playlist
    assert list(open_source(CHANNEL, youtube=youtube()).rows()) == []


def test_a_missing_playlist_is_an_error_not_an_empty_channel(server: YouTubeServer, youtube: Open) -> None:
    server.has_playlist = False
    server.video_count = 12
    with pytest.raises(SourceError, match=r"does not find it \(404, playlistNotFound\)"):
        list(open_source(CHANNEL, youtube=youtube()).rows())


def test_a_channel_with_more_videos_than_the_api_lists_has_a_rejected_row(
    server: YouTubeServer, youtube: Open
) -> None:
    server.videos = [OnYouTube(video_id) for video_id in ids(60)]
    server.video_count = 75
    (problem,) = rejected(open_source(CHANNEL, youtube=youtube(listed_at_most=60)).rows())
    assert problem.reason_code == "list-cut"
    assert "lists only the newest 60 of 75 videos" in str(problem)


@pytest.mark.parametrize("name", [f"youtube:UC{'x' * 22}", "youtube:@nobody"])
def test_an_unknown_channel_is_reported_on_opening(name: str, youtube: Open) -> None:
    with pytest.raises(SourceError, match=f"^{name}: YouTube has no such channel"):
        open_source(Path(name), youtube=youtube())


@pytest.mark.parametrize(
    "name", ["youtube:", "youtube:https:/www.youtube.com/@talks", "youtube:@a b", "youtube:x&y=z"]
)
def test_a_malformed_channel_is_reported_without_a_request(
    name: str, server: YouTubeServer, youtube: Open
) -> None:
    with pytest.raises(SourceError, match="is not a channel; write youtube:UC"):
        open_source(Path(name), youtube=youtube())
    assert server.seen == []


@pytest.mark.parametrize("key", [None, "", "  \n"])
def test_a_missing_key_is_reported_with_its_setting(
    key: str | None, server: YouTubeServer, youtube: Open
) -> None:
    with pytest.raises(SourceError, match=f"{CHANNEL}: set YT_API_KEY"):
        open_source(CHANNEL, youtube=youtube(api_key=key))
    with pytest.raises(SourceError, match=f"{CHANNEL}: set YT_API_KEY"):
        open_source(CHANNEL)
    with pytest.raises(SourceError, match="contains spaces or characters no key has"):
        open_source(CHANNEL, youtube=youtube(api_key="caf\N{LATIN SMALL LETTER E WITH ACUTE}"))
    assert server.seen == []


def test_the_key_is_sent_in_a_header_only(
    server: YouTubeServer, youtube: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")
    server.videos = [OnYouTube("a")]
    opened = youtube(api_key=f" {API_KEY}\n")
    assert len(list(open_source(CHANNEL, youtube=opened).rows())) == 1
    assert all(API_KEY not in str(seen.query) + seen.path for seen in server.seen)
    assert "/youtube/v3/videos" in caplog.text
    assert API_KEY not in caplog.text + repr(opened) + repr(vars(opened.channel(str(CHANNEL))))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            api_error(400, "badRequest", detail="API_KEY_INVALID"),
            "refuses YT_API_KEY (400, API_KEY_INVALID, badRequest)",
        ),
        (api_error(400, "keyInvalid"), "refuses YT_API_KEY (400, keyInvalid)"),
        (
            api_error(403, "forbidden", detail="API_KEY_SERVICE_BLOCKED"),
            "refuses YT_API_KEY (403, API_KEY_SERV",
        ),
        (
            api_error(403, "forbidden", message=f"Consumer 'api_key:{API_KEY}' has been suspended."),
            "refuses YT_API_KEY (403, forbidden); check the key",
        ),
        (
            api_error(403, "accessNotConfigured", detail="SERVICE_DISABLED"),
            "not enabled in the project of YT_API_KEY (403, SERVICE_DISABLED, accessNotConfigured); enable",
        ),
        (api_error(400, "invalidPageToken"), "refuses the request (400, invalidPageToken)"),
        (Answer(302, b""), "refuses the request (302)"),
        (
            Answer(403, b'{"error": {"errors": "none", "details": [7, {"reason": 7}]}}'),
            "refuses YT_API_KEY (403);",
        ),
        (
            Answer(400, b'{"error": {"errors": [{"reason": "a <b>long</b> text"}]}}'),
            "refuses the request (400);",
        ),
    ],
)
def test_a_refusal_is_reported_without_a_retry(
    answer: Answer, message: str, server: YouTubeServer, youtube: Open, pauses: list[float]
) -> None:
    server.fail(answer)
    with pytest.raises(SourceError) as caught:
        open_source(CHANNEL, youtube=youtube())
    assert message in str(caught.value)
    assert API_KEY not in str(caught.value)
    assert len(server.seen) == 1
    assert pauses == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            api_error(403, "quotaExceeded"),
            "is used up (403, quotaExceeded); it is renewed at midnight Pacific",
        ),
        (api_error(429, "dailyLimitExceeded"), "is used up (429, dailyLimitExceeded)"),
        (api_error(403, "rateLimitExceeded"), "accepts no more requests for now (403, rateLimitExceeded)"),
        (TOO_MANY, "accepts no more requests for now (429); run again in some minutes"),
        (api_error(500, "backendError"), "has an internal error (500, backendError)"),
        (BUSY, "has an internal error (503)"),
        (HALF, "cannot be reached (RemoteProtocolError); check the connection"),
        (CLOSE, "cannot be reached (RemoteProtocolError)"),
        (PORTAL, "sent an answer that cannot be read"),
        (Answer(200, b'{"items": []}'), "sent an answer that cannot be read"),
        (Answer(200, b"\xff\xfe"), "sent an answer that cannot be read"),
    ],
)
@pytest.mark.parametrize("where", ["/channels", "/playlistItems", "/videos"])
def test_temporary_failures_are_retried_then_reported(
    where: str, answer: Answer, message: str, server: YouTubeServer, youtube: Open, pauses: list[float]
) -> None:
    server.videos = [OnYouTube(video_id) for video_id in ids(60)]
    server.fail(answer, where, times=2)
    assert len(list(open_source(CHANNEL, youtube=youtube()).rows())) == 60
    assert len(pauses) == 2
    server.recover()
    server.fail(answer, where)
    with pytest.raises(SourceError, match=f"^{CHANNEL}: ") as caught:
        list(open_source(CHANNEL, youtube=youtube()).rows())
    assert message in str(caught.value)
    assert len(pauses) == 4


def test_retry_after_is_respected(server: YouTubeServer, youtube: Open, pauses: list[float]) -> None:
    server.fail(api_error(429, "rateLimitExceeded", retry_after="17"), times=1)
    assert list(open_source(CHANNEL, youtube=youtube()).rows()) == []
    assert pauses == [17.0]
    server.fail(api_error(429, "rateLimitExceeded", retry_after="3600"))
    with pytest.raises(SourceError, match="accepts no more requests for now"):
        open_source(CHANNEL, youtube=youtube())
    assert pauses == [17.0]


@pytest.mark.parametrize("fault", [HANG, DRIP])
def test_a_request_that_hangs_or_never_ends_times_out(
    fault: Answer, server: YouTubeServer, youtube: Open, brief: RetryPolicy
) -> None:
    server.fail(fault, "/channels")
    with pytest.raises(SourceError, match=r"did not answer within 0\.2 s"):
        open_source(CHANNEL, youtube=youtube(retries=brief))
    assert len(server.seen) == 3


def test_a_very_large_answer_is_cut_off(server: YouTubeServer, youtube: Open) -> None:
    server.fail(Answer(200, b" " * (33 << 20)), "/channels")
    with pytest.raises(SourceError, match=r"cannot be reached \(DecodingError\)"):
        open_source(CHANNEL, youtube=youtube())


def test_a_closed_port_is_reported(youtube: Open) -> None:
    with pytest.raises(SourceError, match=r"cannot be reached \(ConnectError\)"):
        open_source(CHANNEL, youtube=youtube(data_api_url=closed_port_url()))


def test_repeated_pages_are_an_error(server: YouTubeServer, youtube: Open) -> None:
    page = b'{"kind": "youtube#playlistItemListResponse", "items": [], "nextPageToken": "0"}'
    server.fail(Answer(200, page), "/playlistItems")
    with pytest.raises(SourceError, match="the same page repeatedly"):
        list(open_source(CHANNEL, youtube=youtube()).rows())


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SourceError("No space.")])
def test_an_interrupted_reading_leaves_no_files_and_the_next_one_is_complete(
    error: BaseException,
    server: YouTubeServer,
    youtube: Open,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    files = _open_files()
    server.videos = [OnYouTube(video_id) for video_id in ids(70)]
    fetcher = NoCaptions(error, after=60)
    opened = youtube(fetcher=fetcher)
    source = open_source(CHANNEL, youtube=opened)
    with pytest.raises(type(error)):
        list(source.rows())
    assert list(tmp_path.iterdir()) == []
    fetcher._error = None
    assert len(list(source.rows())) == 70
    # The captions of the first sixty were cached.
    assert len(fetcher.requested) == 61 + 10
    opened.close()
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    assert _open_files() <= files


@pytest.mark.parametrize("where", ["/playlistItems", "/videos", "/watch", "/player", "/api/timedtext"])
def test_ctrl_c_ends_a_wait_at_once(
    where: str, server: YouTubeServer, youtube: Open, fetchers: Fetchers, tmp_path: Path
) -> None:
    server.videos = [OnYouTube("a", [Track()]), OnYouTube("b", [Track()])]
    server.fail(HANG, where)
    opened = youtube(fetcher=fetchers(), folder=tmp_path)
    stop = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    # Shells start background jobs with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    source = open_source(CHANNEL, youtube=opened)
    stop.start()
    with pytest.raises(KeyboardInterrupt):
        list(source.rows())
    stop.join()
    signal.signal(signal.SIGINT, before)
    assert len(server.requests(where)) == 1
    server.recover()
    assert [video.transcript for video in videos_of(source.rows())] == ["Hello world again"] * 2
    opened.close()
    assert [file.name for file in tmp_path.iterdir()] == ["captions.sqlite"]


def _open_files() -> set[str]:
    """Return the open files of this process, nameless ones included, without sockets."""
    found = set()
    for number in Path("/proc/self/fd").iterdir():
        try:
            name = str(number.readlink())
        except OSError:
            continue
        if name.startswith("/") and not name.startswith(("/dev", "/proc")):
            found.add(name)
    return found


def test_an_abandoned_reading_starts_again(server: YouTubeServer, youtube: Open) -> None:
    server.videos = [OnYouTube(video_id) for video_id in ids(70)]
    source = open_source(CHANNEL, youtube=youtube())
    begun = source.rows()
    assert len(list(islice(begun, 10))) == 10
    assert len(list(source.rows())) == 70
    assert len(list(begun)) == 60


def test_an_interrupted_run_continues_where_it_stopped(
    server: YouTubeServer, youtube: Open, tmp_path: Path
) -> None:
    server.videos = [OnYouTube(video_id) for video_id in ids(20)]
    fetcher = NoCaptions(KeyboardInterrupt(), after=10)
    with closing(youtube(fetcher=fetcher, folder=tmp_path)) as opened, pytest.raises(KeyboardInterrupt):
        list(open_source(CHANNEL, youtube=opened).rows())
    again = NoCaptions()
    with closing(youtube(fetcher=again, folder=tmp_path)) as opened:
        assert len(list(open_source(CHANNEL, youtube=opened).rows())) == 20
    assert again.requested == ids(20)[10:]


def test_channels_and_files_make_one_catalogue(server: YouTubeServer, youtube: Open, tmp_path: Path) -> None:
    server.videos = [OnYouTube("a"), OnYouTube("b")]
    table = tmp_path / "more.csv"
    table.write_text("video_id,title\nb,Again\nc,Third\n")
    rows = list(read_catalogue([CHANNEL, table], youtube=youtube()))
    assert [row.video.video_id for row in rows if row.video] == ["a", "b", "c"]
    (problem,) = rows[2].problems
    assert "duplicate id, first used at https://www.youtube.com/watch?v=b" in str(problem)


def test_a_missing_package_is_named_with_commands_that_install_it(
    youtube: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "youtube_transcript_api", None)
    with pytest.raises(SourceError) as caught:
        open_source(CHANNEL, youtube=youtube(fetcher=None))
    commands = re.findall("`([^`]+)`", str(caught.value))
    assert commands == ["python -m pip install youtube-transcript-api"]
    assert "rebuild the ingest image" in str(caught.value)
    # The command works: the package is the one that the project declares.
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert any(line.startswith("youtube-transcript-api") for line in extras["ingest"])


@pytest.mark.parametrize(
    ("tracks", "languages", "expected"),
    [
        ([Track()], ("en",), ("en", "manual")),
        ([Track(automatic=True)], ("en",), ("en", "automatic")),
        ([Track(automatic=True), Track()], ("en",), ("en", "manual")),
        ([Track("de"), Track(automatic=True)], ("en",), ("en", "automatic")),
        ([Track("de"), Track("fr", automatic=True)], ("en",), ("de", "manual")),
        ([Track("en"), Track("de")], ("de", "en"), ("de", "manual")),
    ],
)
def test_captions_with_their_language_and_kind(
    tracks: list[Track],
    languages: tuple[str, ...],
    expected: tuple[str, str],
    server: YouTubeServer,
    youtube: Open,
    fetchers: Fetchers,
) -> None:
    server.videos = [OnYouTube("a", tracks)]
    (row,) = open_source(CHANNEL, youtube=youtube(fetcher=fetchers(languages))).rows()
    assert row.values is not None
    assert (row.values["language"], row.values["caption_kind"]) == expected
    (video,) = videos_of(iter([row]))
    assert video.language == expected[0]
    assert video.cues == (Cue(0.5, 2.0, "Hello world"), Cue(2.0, 3.0, "again"))
    assert video.transcript == "Hello world again"


def test_the_words_of_captions_are_cleaned(server: YouTubeServer, youtube: Open, fetchers: Fetchers) -> None:
    lines = [
        (0.0, 1.0, 'Tom & "Jerry"\nrun'),
        (1.0, 1.0, "<i>fast</i>"),
        (2.0, 1.0, " \n "),
        (3.0, 1.0, "[Music]"),
    ]
    server.videos = [OnYouTube("a", [Track(lines=lines)])]
    (video,) = videos_of(open_source(CHANNEL, youtube=youtube(fetcher=fetchers())).rows())
    assert [cue.text for cue in video.cues] == ['Tom & "Jerry" run', "fast", "[Music]"]


def test_a_video_without_captions_has_no_transcript(
    server: YouTubeServer, youtube: Open, fetchers: Fetchers
) -> None:
    server.videos = [OnYouTube("a")]
    (video,) = videos_of(open_source(CHANNEL, youtube=youtube(fetcher=fetchers())).rows())
    assert video.transcript is None


def test_an_empty_list_of_captions_is_no_transcript(
    server: YouTubeServer, youtube: Open, fetchers: Fetchers
) -> None:
    server.videos = [OnYouTube("a")]
    tracks = b'{"captions": {"playerCaptionsTracklistRenderer": {"captionTracks": []}}'
    server.fail(Answer(200, tracks + b', "playabilityStatus": {"status": "OK"}}'), "/player")
    (video,) = videos_of(open_source(CHANNEL, youtube=youtube(fetcher=fetchers())).rows())
    assert video.transcript is None


@pytest.mark.usefixtures("fetchers")
def test_the_library_is_used_if_no_other_fetcher_is_given(server: YouTubeServer, youtube: Open) -> None:
    opened = youtube(fetcher=None)
    assert list(open_source(CHANNEL, youtube=opened).rows()) == []
    assert {seen.path for seen in server.seen} == {"/youtube/v3/channels", "/youtube/v3/playlistItems"}


LOGIN = {"status": "LOGIN_REQUIRED"}
FAILURES: list[tuple[str, dict[str, object], tuple[Answer, str] | None, str, int]] = [
    # The playability of the video; the answer that replaces another one, and its route; message; attempts.
    ("robot page", {}, (ROBOT, "/watch"), "blocks this address", 3),
    ("too many", {}, (TOO_MANY, "/watch"), "blocks this address", 3),
    ("too many texts", {}, (TOO_MANY, "/api/timedtext"), "blocks this address", 3),
    ("forbidden", {}, (Answer(403, b""), "/player"), "blocks this address", 3),
    (
        "bot",
        LOGIN | {"reason": "Sign in to confirm you\N{RIGHT SINGLE QUOTATION MARK}re not a bot"},
        None,
        "blocks",
        3,
    ),
    ("adults", LOGIN | {"reason": "This video may be inappropriate for some users."}, None, "adults only", 1),
    ("private", LOGIN | {"reason": "This video is private"}, None, "does not play the video here", 1),
    ("gone", {"status": "ERROR", "reason": "This video is unavailable"}, None, "is unavailable", 1),
    ("members", {"status": "UNPLAYABLE", "reason": "Join this channel"}, None, "does not play", 1),
    ("busy", {}, (BUSY, "/watch"), "answered with 503", 3),
    ("busy text", {}, (BUSY, "/api/timedtext"), "answered with 503", 3),
    ("not found", {}, (Answer(404, b""), "/api/timedtext"), "answered with 404", 1),
    ("closed", {}, (CLOSE, "/watch"), "cannot be reached", 3),
    ("half", {}, (msgspec.structs.replace(HALF, body=b"<transcript>" * 9), "/api/timedtext"), "YouTube", 3),
    ("empty text", {}, (EMPTY, "/api/timedtext"), "cannot be read (ParseError)", 3),
    ("no words", {}, (Answer(200, b"<transcript></transcript>"), "/api/timedtext"), "cannot be read", 3),
    ("portal", {}, (PORTAL, "/api/timedtext"), "cannot be read", 3),
    ("portal page", {}, (PORTAL, "/watch"), "cannot be read (YouTubeDataUnparsable)", 3),
    ("portal player", {}, (PORTAL, "/player"), "cannot be read (JSONDecodeError)", 3),
    ("empty player", {}, (Answer(200, b"{}"), "/player"), "cannot be read", 3),
    ("list player", {}, (Answer(200, b"[]"), "/player"), "cannot be read", 3),
    (
        "bomb",
        {},
        (Answer(200, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), "/timedtext"),
        "cannot be read",
        3,
    ),
    (
        "none though",
        {},
        (Answer(200, b'{"playabilityStatus": {"status": "OK"}}'), "/player"),
        "lists none",
        1,
    ),
]


@pytest.mark.parametrize(
    ("playability", "fault", "message", "tries"),
    [case[1:] for case in FAILURES],
    ids=[case[0] for case in FAILURES],
)
def test_captions_that_cannot_be_fetched_are_a_failed_row_and_not_an_empty_transcript(
    playability: dict[str, object],
    fault: tuple[Answer, str] | None,
    message: str,
    tries: int,
    server: YouTubeServer,
    youtube: Open,
    fetchers: Fetchers,
) -> None:
    server.videos = [
        OnYouTube("before", [Track()]),
        OnYouTube("broken", [Track()], playability=playability or {"status": "OK"}),
        OnYouTube("after", [Track()]),
    ]
    if fault:
        server.fail(fault[0], fault[1], video_id="broken")
    opened = youtube(fetcher=fetchers())
    before, broken, after = open_source(CHANNEL, youtube=opened).rows()
    assert [check_source_row(row).video is not None for row in (before, broken, after)] == [True, False, True]
    (problem,) = broken.problems
    assert (problem.severity, problem.reason_code, problem.video_id) == ("rejected", "fetch-failed", "broken")
    assert message in problem.message
    assert "the index keeps its current copy" in problem.message
    assert "http" not in problem.message
    assert len([seen for seen in server.requests("/watch") if seen.video_id == "broken"]) == tries
    # The second reading gives the stored rows, although YouTube answers by then.
    server.recover()
    assert list(open_source(CHANNEL, youtube=opened).rows()) == [before, broken, after]


def test_captions_for_youtubes_own_players_only(
    server: YouTubeServer, youtube: Open, fetchers: Fetchers
) -> None:
    server.videos = [OnYouTube("a", [Track(needs_token=True)])]
    (problem,) = rejected(open_source(CHANNEL, youtube=youtube(fetcher=fetchers())).rows())
    assert "sends them to its own players only" in problem.message


def test_captions_that_arrive_at_the_second_attempt(
    server: YouTubeServer, youtube: Open, fetchers: Fetchers, pauses: list[float]
) -> None:
    server.videos = [OnYouTube("a", [Track()])]
    server.fail(BUSY, "/watch", times=1)
    server.fail(EMPTY, "/api/timedtext", times=1)
    (video,) = videos_of(open_source(CHANNEL, youtube=youtube(fetcher=fetchers())).rows())
    assert video.transcript == "Hello world again"
    assert len(pauses) == 2


def test_captions_that_never_arrive(
    server: YouTubeServer, youtube: Open, fetchers: Fetchers, brief: RetryPolicy
) -> None:
    server.videos = [OnYouTube("a", [Track()])]
    server.fail(HANG, "/api/timedtext")
    (problem,) = rejected(open_source(CHANNEL, youtube=youtube(fetcher=fetchers(retries=brief))).rows())
    assert "did not answer within 0.2 s" in problem.message


def test_requests_stop_once_youtube_blocks(server: YouTubeServer, youtube: Open, fetchers: Fetchers) -> None:
    server.videos = [OnYouTube(video_id, [Track()]) for video_id in ids(30)]
    rows = open_source(CHANNEL, youtube=youtube(fetcher=fetchers())).rows()
    assert len(videos_of(islice(rows, 10))) == 10
    server.fail(TOO_MANY, "/watch")
    asked = len(server.requests("/watch"))
    problems = rejected(rows)
    assert [problem.video_id for problem in problems] == ids(30)[10:]
    assert len(server.requests("/watch")) - asked == BLOCKED_IN_A_ROW * 3
    assert "not requested, because YouTube blocked the last" in problems[-1].message


def test_the_key_of_the_data_api_is_not_sent_to_the_pages(
    server: YouTubeServer, youtube: Open, fetchers: Fetchers
) -> None:
    server.videos = [OnYouTube("a", [Track()])]
    list(open_source(CHANNEL, youtube=youtube(fetcher=fetchers())).rows())
    pages = [seen for seen in server.seen if not seen.path.startswith("/youtube/v3")]
    assert len(pages) == 3
    assert all(API_KEY not in repr(seen) for seen in pages)
