"""Ingest with a Qdrant server that fails: it retries, then reports why, and can be run again."""

import asyncio
import itertools
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from ingest.__main__ import main
from ingest.sync import job
from retrieval.catalogue.manifest import ModelIdentity
from retrieval.catalogue.runs import Run, RunOutcome
from retrieval.opening import server_index
from retrieval.qdrant import connection as qdrant_connection
from retrieval.qdrant.connection import BATCH, CallPolicy
from retrieval.qdrant.lock import Holder
from retrieval.settings import SearchSettings
from tests.support.documents import WordEncoder, write_jsonl
from tests.support.held_lock import LOCKED, held_lock
from tests.support.open_gate import OPEN_GATE
from tests.support.qdrant_faults import GONE, LOST, Call, Fault, answering, writes
from tests.support.qdrant_server import QdrantServer
from tests.support.server_contents import ServerContents, collections_of, let_lock_expire, server_contents

LONG = " ".join(f"sentence {n} speaks of gaskets and of pistons and of oil" for n in range(40))
ROWS: list[dict[str, object]] = [
    {"video_id": "a", "title": "Growing tomatoes", "transcript": "plant them deep and water them well"},
    {"video_id": "b", "title": "Inside an engine", "transcript": LONG},
    {"video_id": "c", "title": "Fixing a bicycle", "transcript": "n/a"},
    {"video_id": "d", "title": "Baking bread", "transcript": "flour water salt and time", "channel": "Oven"},
    {"video_id": "e", "title": "Finding Saturn", "transcript": "its rings are seen with any telescope"},
]
CHANGED: list[dict[str, object]] = [
    {**ROWS[0], "title": "Growing beans"},
    {**ROWS[1], "transcript": "the gasket keeps the oil in"},
    ROWS[2],
    {**ROWS[3], "channel": "Bakery"},
    {"video_id": "f", "title": "Tuning a piano", "transcript": LONG.replace("oil", "felt")},
]
KEPT = {"a", "b", "c", "d"}


PREFIXES = (f"run-{number}" for number in itertools.count())


class Runs:
    """Runs into collections of one server, whose names start with `prefix`."""

    def __init__(
        self,
        server: QdrantServer,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.server = server
        self.monkeypatch = monkeypatch
        self._folder = folder
        self._capsys = capsys
        self.use(next(PREFIXES))

    def use(self, prefix: str) -> None:
        self.prefix = prefix
        self.monkeypatch.setenv("QDRANT_COLLECTION", prefix)

    def sync(self, rows: list[dict[str, object]], *options: str) -> int:
        return main(["sync", str(write_jsonl(self._folder / "talks.jsonl", rows)), *options])

    def status(self) -> str:
        self.said()
        assert main(["status"]) == 0
        return self.said()

    def said(self) -> str:
        """Return what the commands have printed since the last call."""
        said = self._capsys.readouterr()
        return said.out + said.err

    @property
    def contents(self) -> ServerContents:
        """The live version."""
        return server_contents(self.server, self.prefix)

    @property
    def whole(self) -> ServerContents:
        """The live version, in which every video must be marked as complete."""
        contents = self.contents
        assert all(payload["content_hash"] for payload in contents.videos.values())
        return contents

    @property
    def collections(self) -> set[str]:
        return collections_of(self.server, f"{self.prefix}-")


@pytest.fixture
def runs(
    qdrant: QdrantServer,
    word_encoder: WordEncoder,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Runs:
    assert word_encoder
    qdrant.recover()
    for name, value in {
        "INDEX_DIR": tmp_path / "index",
        "QDRANT_URL": qdrant.url,
        "QDRANT_GRPC_PORT": qdrant.grpc_port,
        **OPEN_GATE,
    }.items():
        monkeypatch.setenv(name, str(value))
    policy = CallPolicy(30.0, attempts=BATCH.attempts, first_pause=0.0)
    monkeypatch.setattr(qdrant_connection, "BATCH", policy)
    return Runs(qdrant, tmp_path, monkeypatch, capsys)


@pytest.fixture
def impatient(runs: Runs) -> None:
    runs.monkeypatch.setattr(qdrant_connection, "BATCH", CallPolicy(30.0))


def of_the_index(call: Call) -> bool:
    """Whether a call is not about the log of runs. A run continues without that log."""
    return not call.collection.endswith("-runs")


def writes_of_the_index(call: Call) -> bool:
    return writes(call) and of_the_index(call)


@pytest.fixture
def expected(runs: Runs) -> ServerContents:
    """The result of a first run with the changed catalogue."""
    own = runs.prefix
    runs.use("expected")
    if not runs.collections:
        assert runs.sync(CHANGED) == 0
    contents = runs.whole
    runs.use(own)
    return contents


@pytest.mark.parametrize(
    ("fault", "where"),
    [pytest.param(GONE, of_the_index, id="gone"), pytest.param(LOST, writes_of_the_index, id="answer lost")],
)
@pytest.mark.usefixtures("impatient")
def test_a_run_in_place_can_lose_the_server_at_any_request(
    runs: Runs, expected: ServerContents, fault: Fault, where: Callable[[Call], bool], stride: int
) -> None:
    """Readers always find every video, and repeating the run leaves nothing missing or duplicated."""
    for steps in itertools.count(step=stride):
        runs.use(f"{fault.kind}-{steps}")
        assert runs.sync(ROWS) == 0
        runs.server.faults.start(fault, where=where, after=steps)
        code = runs.sync(CHANGED, "--prune")
        runs.server.recover()
        if code == 0:
            break
        assert code == 4
        assert runs.server.url in runs.said()
        between = runs.contents
        assert between.video_ids >= KEPT
        assert all(between.said(video_id) for video_id in KEPT)
        let_lock_expire(runs.server, runs.prefix)
        assert runs.sync(CHANGED, "--prune") == 0
        assert runs.whole == expected
        assert len(runs.collections) == 2
    assert steps > 5
    assert runs.whole == expected


@pytest.mark.usefixtures("impatient")
def test_a_first_run_can_lose_the_server_at_any_request(
    runs: Runs, expected: ServerContents, stride: int
) -> None:
    for after in itertools.count(step=stride):
        let_lock_expire(runs.server, runs.prefix)
        runs.server.faults.start(GONE, after=after)
        code = runs.sync(CHANGED)
        runs.server.recover()
        if code == 0:
            break
        assert code == 4
    assert after > 15
    # Each run deletes the collections that an earlier one left, but perhaps not its own lock.
    assert len(runs.collections - {f"{runs.prefix}-lock"}) == 2
    assert runs.whole == expected


@pytest.mark.parametrize("fault", [pytest.param(answering(500), id="500"), pytest.param(LOST, id="lost")])
@pytest.mark.parametrize("command", ["in place", "beside", "rollback"])
@pytest.mark.usefixtures("impatient")
def test_one_failed_request_never_damages_the_live_version(
    runs: Runs, tmp_path: Path, command: str, fault: Fault, stride: int
) -> None:
    """Whether or not the request was executed, the old or the new version is live afterwards."""
    sample = write_jsonl(tmp_path / "sample.jsonl", ROWS[:1]).resolve()
    runs.monkeypatch.setattr(job, "SAMPLE_CATALOGUE", sample)
    # Both faults run through the same code, so each is tried on other requests.
    for after in itertools.count(start=fault is LOST, step=stride):
        runs.use(f"once-{fault.kind}-{command[:2]}-{after}")
        if command != "in place":
            assert main(["sync", str(sample)]) == 0
        if command != "beside":
            assert runs.sync(ROWS) == 0
        runs.server.faults.start(fault, after=after, times=1)
        code = main(["rollback"]) if command == "rollback" else runs.sync(CHANGED)
        was_met = not runs.server.faults.pending
        runs.server.faults.clear()
        contents = runs.contents
        assert contents.videos
        assert {payload["video_id"] for payload in contents.passages.values()} <= contents.video_ids
        if not was_met:
            break
    assert code == 0
    assert after > 10


@pytest.mark.usefixtures("impatient")
def test_incomplete_videos_are_reported_until_a_later_run_completes_them(runs: Runs) -> None:
    def passages_upserted(call: Call) -> bool:
        return call.method == "Upsert" and "-passages-" in call.collection

    assert runs.sync(ROWS[:2]) == 0
    with runs.server.faults.on(answering(500), where=passages_upserted):
        assert runs.sync(ROWS[3:4]) == 4
    runs.said()
    assert runs.sync(ROWS[4:]) == 0
    assert "1 video was left incomplete by an earlier run and not in these sources: d" in runs.said()
    assert "left incomplete videos behind" in runs.status()
    assert runs.sync(ROWS[3:4]) == 0
    assert "left incomplete videos behind" not in runs.status()
    assert runs.whole.said("d") == ["flour water salt and time"]


@pytest.mark.usefixtures("impatient")
def test_an_interrupted_removal_is_undone_by_a_run_that_has_the_video(runs: Runs) -> None:
    def video_deleted(call: Call) -> bool:
        return call.path == "/qdrant.Points/Delete" and "-videos-" in call.collection

    assert runs.sync(ROWS) == 0
    before = runs.whole
    with runs.server.faults.on(answering(500), where=video_deleted):
        assert runs.sync(ROWS[:4], "--prune") == 4
    assert runs.contents.said("e") == []
    assert runs.sync(ROWS) == 0
    assert runs.whole == before


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_temporary_failure_is_retried(runs: Runs, expected: ServerContents, status: int) -> None:
    for after in (0, 3, 6, 9):
        runs.server.faults.start(answering(status), where=writes_of_the_index, after=after, times=1)
    assert runs.sync(CHANGED) == 0
    assert runs.whole == expected


def test_after_the_last_retry_the_run_ends_and_reports_why(runs: Runs) -> None:
    def upserts(call: Call) -> bool:
        return call.method == "Upsert"

    runs.server.faults.forget()
    with runs.server.faults.on(answering(500), where=upserts):
        assert runs.sync(ROWS) == 4
    assert sum(map(upserts, runs.server.calls)) == BATCH.attempts
    assert f"error: Qdrant at {runs.server.url} failed: INTERNAL " in runs.said()
    assert runs.collections == set()


def test_a_wrong_key_ends_the_run_without_a_retry(runs: Runs) -> None:
    with QdrantServer(api_key="the-key") as guarded:
        runs.monkeypatch.setenv("QDRANT_URL", guarded.url)
        runs.monkeypatch.setenv("QDRANT_GRPC_PORT", str(guarded.grpc_port))
        runs.monkeypatch.setenv("QDRANT_API_KEY", "another-key")
        assert runs.sync(ROWS) == 4
        assert len(guarded.calls) == 1
        told = runs.said()
        assert "refuses the key. Set QDRANT_API_KEY" in told
        assert "another-key" not in told
        runs.monkeypatch.setenv("QDRANT_API_KEY", "the-key")
        assert runs.sync(ROWS) == 0


def test_the_commands_report_the_state_of_the_server(runs: Runs) -> None:
    assert f"no index in {runs.server.url}, collections {runs.prefix}-*" in runs.status()
    assert runs.sync(ROWS) == 0
    assert main(["rollback"]) == 4
    assert "no previous version" in runs.said()
    # The last batch of a write marks its videos as complete; here that batch is lost.
    runs.server.faults.start(GONE, where=lambda call: call.method == "UpdateBatch", after=2)
    assert runs.sync(CHANGED) == 4
    runs.server.recover()
    assert "run the same sync again" in runs.status()
    let_lock_expire(runs.server, runs.prefix)
    assert runs.sync(CHANGED) == 0
    told = runs.status()
    assert "6 videos" in told
    assert "again" not in told
    heading, last, failed, first = told.splitlines()[-4:]
    assert heading == "runs, newest first:"
    assert ": published 2" in last
    # The server was gone by then, so the end of that run could not be recorded.
    assert ": not finished; it is still running, or was killed (" in failed
    assert ": published 2" in first


def test_a_run_that_loses_canaries_is_refused_every_time(runs: Runs) -> None:
    """The gate checks a run in place after its writes, which must not count as the previous version later."""
    runs.monkeypatch.delenv("GATE_LOST_CANARIES")
    assert runs.sync(ROWS) == 0
    impostors = [
        {"video_id": f"{row['video_id']}{n}", "title": row["title"], "transcript": f"{row['title']} {word}"}
        for row in ROWS
        for n, word in enumerate(["one", "two", "three", "four", "five", "six"])
    ]
    for _ in range(2):
        assert runs.sync([*ROWS, *impostors]) == 4
        assert "lost-canaries: " in runs.said()
    assert runs.sync([*ROWS, *impostors], "--accept", "lost-canaries") == 0


def test_a_run_succeeds_if_its_log_cannot_be_written(runs: Runs) -> None:
    with runs.server.faults.on(answering(500), where=lambda call: not of_the_index(call)):
        assert runs.sync(ROWS) == 0
    told = runs.said()
    assert told.count("warning: Cannot write this run to the log that ingest status shows: Qdrant at ") == 2
    assert "Live: version " in told


def test_two_runs_exclude_each_other_until_the_lock_of_a_killed_run_expires(runs: Runs) -> None:
    runs.use(LOCKED)
    with held_lock(runs.server.url, runs.server.grpc_port) as holder:
        for code in (runs.sync(ROWS), main(["rollback"])):
            assert code == 4
        told = runs.said()
        assert told.count(f"Another ingest run is working on this index: process {holder} of") == 2
        runs.status()
        assert runs.collections == {"locked-lock"}
    assert runs.sync(ROWS) == 4
    assert "If it was killed, its lock expires at" in runs.said()
    let_lock_expire(runs.server, LOCKED)
    assert runs.sync(ROWS) == 0
    assert "locked-lock" not in runs.collections


def test_the_lock_of_a_run_on_another_machine_expires(runs: Runs) -> None:
    def left(until: datetime) -> None:
        since = datetime(2024, 5, 31, 9, 30, tzinfo=UTC)
        holder = Holder(run="r", host="elsewhere", pid=1, since=since, until=until)
        metadata = {"vidsearch": msgspec.to_builtins(holder)}
        lock, client = f"{runs.prefix}-lock", runs.server.client
        with runs.server.lock:
            if client.collection_exists(lock):
                client.delete_collection(lock)
            client.create_collection(lock, vectors_config={}, metadata=metadata)

    left(datetime.now(UTC) + timedelta(minutes=4))
    assert runs.sync(ROWS) == 4
    assert "process 1 of elsewhere, since 09:30 UTC" in runs.said()
    left(datetime.now(UTC) - timedelta(seconds=1))
    assert runs.sync(ROWS) == 0


def test_the_service_reads_the_last_run_and_accepts_that_there_is_none(runs: Runs) -> None:
    assert runs.sync(ROWS) == 0
    settings = SearchSettings.from_environment(os.environ).qdrant
    assert settings
    model = ModelIdentity(name="any", weights_sha256="0", dimension=1)

    async def asked() -> tuple[Run, ...]:
        async with server_index(settings, model) as (_, run_log):
            found = await run_log.recent()
            await run_log.close()
            return found

    (run,) = asyncio.run(asked())
    assert run.outcome is RunOutcome.PUBLISHED
    assert run.index_version
    runs.server.faults.start(GONE)
    assert asyncio.run(asked()) == ()
