"""A channel through the whole batch job: failed videos are reported, and the index keeps them."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

from ingest.__main__ import main
from ingest.commands import sync as sync_command
from ingest.sources.youtube.captions import Captions, CaptionsFailedError
from ingest.sources.youtube.channel import YouTube
from ingest.sources.youtube.retries import RetryPolicy
from retrieval.catalogue.video import Cue
from retrieval.index.writing import StoredVideo
from retrieval.opening import open_store
from retrieval.settings import SearchSettings
from tests.support.documents import WordEncoder
from tests.support.open_gate import OPEN_GATE
from tests.support.youtube_server import (
    API_KEY,
    CHANNEL_ID,
    OnYouTube,
    YouTubeServer,
    api_error,
    youtube_server,
)


class Spoken:
    """A CaptionFetcher with one line for each video; it fails for those in `failing`."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.requested: list[str] = []

    def fetch(self, video_id: str) -> Captions | None:
        self.requested.append(video_id)
        if video_id in self.failing:
            raise CaptionsFailedError("YouTube answered with 503")
        return Captions("en", "manual", (Cue(0.0, 2.0, f"words of {video_id}"),))


@pytest.fixture
def server() -> Iterator[YouTubeServer]:
    with youtube_server() as running:
        yield running


class Runs:
    """Consecutive runs into one index."""

    def __init__(self, server: YouTubeServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.spoken = Spoken()
        self.report = folder / "report.json"
        self._server = server
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("INDEX_DIR", str(folder / "index"))
        monkeypatch.delenv("QDRANT_URL", raising=False)
        for name, value in OPEN_GATE.items():
            monkeypatch.setenv(name, value)

    def sync(self, *options: str) -> int:
        # As the command line builds it, apart from the server and the retries.
        on_loopback = partial(
            YouTube,
            fetcher=self.spoken,
            data_api_url=self._server.data_api_url,
            retries=RetryPolicy(attempts=2, sleep=lambda _: None),
        )

        def without_folder(key: str | None, *, languages: Sequence[str], folder: Path) -> YouTube:
            assert folder.name == "youtube"
            return on_loopback(key, languages=languages)

        self._monkeypatch.setattr(sync_command, "YouTube", without_folder)
        self._monkeypatch.setenv("YT_API_KEY", API_KEY)
        return main(["sync", f"youtube:{CHANNEL_ID}", "--report", str(self.report), *options])

    def stored(self) -> Mapping[str, StoredVideo]:
        async def read() -> Mapping[str, StoredVideo]:
            settings = SearchSettings.from_environment({"INDEX_DIR": str(self.report.parent / "index")})
            async with open_store(settings) as store:
                return await store.stored_videos()

        return asyncio.run(read())

    def outcomes(self) -> dict[str, str]:
        rows = json.loads(self.report.read_bytes())["rows"]
        return {row["video_id"]: row["outcome"] for row in rows}


@pytest.fixture
def runs(
    server: YouTubeServer, word_encoder: WordEncoder, index_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Runs:
    assert word_encoder
    return Runs(server, index_folder, monkeypatch)


def test_a_failed_fetch_keeps_the_video_in_the_index(
    server: YouTubeServer, runs: Runs, word_encoder: WordEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    server.videos = [OnYouTube(video_id) for video_id in ("kept", "failing", "leaving")]
    assert runs.sync() == 0
    before = runs.stored()
    assert runs.spoken.requested == ["kept", "failing", "leaving"]

    server.videos = [OnYouTube(video_id) for video_id in ("new", "kept", "failing")]
    runs.spoken.failing = {"failing"}
    word_encoder.calls.clear()
    assert runs.sync("--prune") == 1
    # The failed video is kept although --prune removes the deleted one.
    assert runs.outcomes() == {"new": "add", "kept": "keep", "failing": "rejected", "leaving": "remove"}
    assert "1 rejected: 1 not downloaded." in capsys.readouterr().out
    after = runs.stored()
    assert {video_id: after[video_id] for video_id in ("kept", "failing")} == {
        video_id: before[video_id] for video_id in ("kept", "failing")
    }
    assert after.keys() == {"new", "kept", "failing"}
    assert not any("failing" in text or "kept" in text for text in word_encoder.texts if "Talk" not in text)

    runs.spoken.failing = set()
    assert runs.sync("--prune") == 0
    assert runs.outcomes() == {"new": "keep", "kept": "keep", "failing": "keep"}
    assert runs.stored().keys() == {"new", "kept", "failing"}


def test_a_channel_that_cannot_be_listed_changes_nothing(
    server: YouTubeServer, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    server.videos = [OnYouTube(f"video{number}") for number in range(60)]
    assert runs.sync() == 0
    before = runs.stored()
    server.fail(api_error(403, "quotaExceeded"), "/videos")
    assert runs.sync("--prune") == 3
    error = capsys.readouterr().err
    assert f"error: youtube:{CHANNEL_ID}: the quota of YT_API_KEY is used up" in error
    assert API_KEY not in error
    assert runs.stored() == before
