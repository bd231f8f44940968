"""Ingest with a Qdrant server that fails: it retries, then reports why, and can be run again."""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
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
from tests.support.documents import WordEncoder, use_word_encoder, write_jsonl
from tests.support.open_gate import OPEN_GATE
from tests.support.processes import REPOSITORY
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


@pytest.fixture(scope="module")
def server() -> Iterator[QdrantServer]:
    with QdrantServer() as server:
        yield server


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> WordEncoder:
    return use_word_encoder(monkeypatch)


@pytest.fixture
def environment(server: QdrantServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    server.faults.clear()
    server.listen()
    for name, value in {
        "INDEX_DIR": tmp_path / "index",
        "QDRANT_URL": server.url,
        "QDRANT_GRPC_PORT": server.grpc_port,
        **OPEN_GATE,
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(
        qdrant_connection, "BATCH", CallPolicy(30.0, attempts=BATCH.attempts, first_pause=0.0)
    )
    return monkeypatch


@pytest.fixture
def impatient(environment: pytest.MonkeyPatch) -> None:
    environment.setattr(qdrant_connection, "BATCH", CallPolicy(30.0))


def sync(rows: list[dict[str, object]], folder: Path, *options: str) -> int:
    return main(["sync", str(write_jsonl(folder / "talks.jsonl", rows)), *options])


def of_the_index(call: Call) -> bool:
    """Whether a call is not about the log of runs. A run continues without that log."""
    return not call.collection.endswith("-runs")


def writes_of_the_index(call: Call) -> bool:
    return writes(call) and of_the_index(call)


def whole(server: QdrantServer, prefix: str) -> ServerContents:
    """Read the live version, and check that every video is marked as complete."""
    contents = server_contents(server, prefix)
    assert all(payload["content_hash"] for payload in contents.videos.values())
    return contents


@pytest.fixture
def expected(
    server: QdrantServer, encoder: WordEncoder, environment: pytest.MonkeyPatch, tmp_path: Path
) -> ServerContents:
    """The result of a first run with the changed catalogue."""
    assert encoder
    environment.setenv("QDRANT_COLLECTION", "expected")
    if not collections_of(server, "expected-"):
        assert sync(CHANGED, tmp_path) == 0
    return whole(server, "expected")


@pytest.mark.parametrize(
    ("fault", "where"),
    [pytest.param(GONE, of_the_index, id="gone"), pytest.param(LOST, writes_of_the_index, id="answer lost")],
)
@pytest.mark.usefixtures("impatient")
def test_a_run_in_place_can_lose_the_server_at_any_request(
    server: QdrantServer,
    expected: ServerContents,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fault: Fault,
    where: Callable[[Call], bool],
    stride: int,
) -> None:
    """Readers always find every video, and repeating the run leaves nothing missing or duplicated."""
    for steps in itertools.count(step=stride):
        prefix = f"{fault.kind}-{steps}"
        environment.setenv("QDRANT_COLLECTION", prefix)
        assert sync(ROWS, tmp_path) == 0
        server.faults.start(fault, where=where, after=steps)
        code = sync(CHANGED, tmp_path, "--prune")
        server.faults.clear()
        server.listen()
        if code == 0:
            break
        assert code == 4
        assert server.url in capsys.readouterr().err
        between = server_contents(server, prefix)
        assert between.video_ids >= KEPT
        assert all(between.said(video_id) for video_id in KEPT)
        let_lock_expire(server, prefix)
        assert sync(CHANGED, tmp_path, "--prune") == 0
        assert whole(server, prefix) == expected
        assert len(collections_of(server, f"{prefix}-")) == 2
    assert steps > 5
    assert whole(server, prefix) == expected


@pytest.mark.usefixtures("impatient", "encoder")
def test_a_first_run_can_lose_the_server_at_any_request(
    server: QdrantServer,
    expected: ServerContents,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    stride: int,
) -> None:
    environment.setenv("QDRANT_COLLECTION", "first")
    for after in itertools.count(step=stride):
        let_lock_expire(server, "first")
        server.faults.start(GONE, after=after)
        code = sync(CHANGED, tmp_path)
        server.faults.clear()
        server.listen()
        if code == 0:
            break
        assert code == 4
    assert after > 15
    # Each run deletes the collections that an earlier one left, but perhaps not its own lock.
    assert len(collections_of(server, "first-") - {"first-lock"}) == 2
    assert whole(server, "first") == expected


@pytest.mark.parametrize("fault", [pytest.param(answering(500), id="500"), pytest.param(LOST, id="lost")])
@pytest.mark.parametrize("command", ["in place", "beside", "rollback"])
@pytest.mark.usefixtures("impatient", "encoder")
def test_one_failed_request_never_damages_the_live_version(
    server: QdrantServer,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    command: str,
    fault: Fault,
    stride: int,
) -> None:
    """Whether or not the request was executed, the old or the new version is live afterwards."""
    sample = write_jsonl(tmp_path / "sample.jsonl", ROWS[:1]).resolve()
    environment.setattr(job, "SAMPLE_CATALOGUE", sample)
    # Both faults run through the same code, so each is tried on other requests.
    for after in itertools.count(start=fault is LOST, step=stride):
        prefix = f"once-{fault.kind}-{command[:2]}-{after}"
        environment.setenv("QDRANT_COLLECTION", prefix)
        if command != "in place":
            assert main(["sync", str(sample)]) == 0
        if command != "beside":
            assert sync(ROWS, tmp_path) == 0
        server.faults.start(fault, after=after, times=1)
        code = main(["rollback"]) if command == "rollback" else sync(CHANGED, tmp_path)
        was_met = not server.faults.pending
        server.faults.clear()
        contents = server_contents(server, prefix)
        assert contents.videos
        assert {payload["video_id"] for payload in contents.passages.values()} <= contents.video_ids
        if not was_met:
            break
    assert code == 0
    assert after > 10


@pytest.mark.usefixtures("impatient", "encoder")
def test_incomplete_videos_are_reported_until_a_later_run_completes_them(
    server: QdrantServer,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def passages_upserted(call: Call) -> bool:
        return call.method == "Upsert" and "-passages-" in call.collection

    environment.setenv("QDRANT_COLLECTION", "behind")
    assert sync(ROWS[:2], tmp_path) == 0
    with server.faults.on(answering(500), where=passages_upserted):
        assert sync(ROWS[3:4], tmp_path) == 4
    capsys.readouterr()
    assert sync(ROWS[4:], tmp_path) == 0
    assert "1 video was left incomplete by an earlier run and not in these sources: d" in (
        capsys.readouterr().out
    )
    assert main(["status"]) == 0
    assert "left incomplete videos behind" in capsys.readouterr().out
    assert sync(ROWS[3:4], tmp_path) == 0
    assert main(["status"]) == 0
    assert "left incomplete videos behind" not in capsys.readouterr().out
    assert whole(server, "behind").said("d") == ["flour water salt and time"]


@pytest.mark.usefixtures("impatient", "encoder")
def test_an_interrupted_removal_is_undone_by_a_run_that_has_the_video(
    server: QdrantServer, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def video_deleted(call: Call) -> bool:
        return call.path == "/qdrant.Points/Delete" and "-videos-" in call.collection

    environment.setenv("QDRANT_COLLECTION", "undone")
    assert sync(ROWS, tmp_path) == 0
    before = whole(server, "undone")
    with server.faults.on(answering(500), where=video_deleted):
        assert sync(ROWS[:4], tmp_path, "--prune") == 4
    assert server_contents(server, "undone").said("e") == []
    assert sync(ROWS, tmp_path) == 0
    assert whole(server, "undone") == before


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_temporary_failure_is_retried(
    server: QdrantServer,
    expected: ServerContents,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    status: int,
) -> None:
    prefix = f"again-{status}"
    environment.setenv("QDRANT_COLLECTION", prefix)
    for after in (0, 3, 6, 9):
        server.faults.start(answering(status), where=writes_of_the_index, after=after, times=1)
    assert sync(CHANGED, tmp_path) == 0
    assert whole(server, prefix) == expected


@pytest.mark.usefixtures("encoder")
def test_after_the_last_retry_the_run_ends_and_reports_why(
    server: QdrantServer,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def upserts(call: Call) -> bool:
        return call.method == "Upsert"

    environment.setenv("QDRANT_COLLECTION", "hopeless")
    server.faults.forget()
    with server.faults.on(answering(500), where=upserts):
        assert sync(ROWS, tmp_path) == 4
    assert sum(map(upserts, server.calls)) == BATCH.attempts
    assert f"error: Qdrant at {server.url} failed: INTERNAL " in capsys.readouterr().err
    assert collections_of(server, "hopeless-") == set()


@pytest.mark.usefixtures("encoder", "environment")
def test_a_wrong_key_ends_the_run_without_a_retry(
    environment: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with QdrantServer(api_key="the-key") as guarded:
        environment.setenv("QDRANT_URL", guarded.url)
        environment.setenv("QDRANT_GRPC_PORT", str(guarded.grpc_port))
        environment.setenv("QDRANT_API_KEY", "another-key")
        assert sync(ROWS, tmp_path) == 4
        assert len(guarded.calls) == 1
        told = capsys.readouterr().err
        assert "refuses the key. Set QDRANT_API_KEY" in told
        assert "another-key" not in told
        environment.setenv("QDRANT_API_KEY", "the-key")
        assert sync(ROWS, tmp_path) == 0


@pytest.mark.usefixtures("encoder")
def test_the_commands_report_the_state_of_the_server(
    server: QdrantServer,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment.setenv("QDRANT_COLLECTION", "told")
    assert main(["status"]) == 0
    assert f"no index in {server.url}, collections told-*" in capsys.readouterr().out
    assert sync(ROWS, tmp_path) == 0
    assert main(["rollback"]) == 4
    assert "no previous version" in capsys.readouterr().err
    # The last batch of a write marks its videos as complete; here that batch is lost.
    server.faults.start(GONE, where=lambda call: call.method == "UpdateBatch", after=2)
    assert sync(CHANGED, tmp_path) == 4
    server.faults.clear()
    server.listen()
    capsys.readouterr()
    assert main(["status"]) == 0
    assert "run the same sync again" in capsys.readouterr().out
    let_lock_expire(server, "told")
    assert sync(CHANGED, tmp_path) == 0
    capsys.readouterr()
    assert main(["status"]) == 0
    told = capsys.readouterr().out
    assert "6 videos" in told
    assert "again" not in told
    heading, last, failed, first = told.splitlines()[-4:]
    assert heading == "runs, newest first:"
    assert ": published 2" in last
    # The server was gone by then, so the end of that run could not be recorded.
    assert ": not finished; it is still running, or was killed (" in failed
    assert ": published 2" in first


@pytest.mark.usefixtures("encoder")
def test_a_run_that_loses_canaries_is_refused_every_time(
    environment: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gate checks a run in place after its writes, which must not count as the previous version later."""
    environment.setenv("QDRANT_COLLECTION", "impostors")
    environment.delenv("GATE_LOST_CANARIES")
    assert sync(ROWS, tmp_path) == 0
    impostors = [
        {"video_id": f"{row['video_id']}{n}", "title": row["title"], "transcript": f"{row['title']} {word}"}
        for row in ROWS
        for n, word in enumerate(["one", "two", "three", "four", "five", "six"])
    ]
    for _ in range(2):
        assert sync([*ROWS, *impostors], tmp_path) == 4
        assert "lost-canaries: " in capsys.readouterr().err
    assert sync([*ROWS, *impostors], tmp_path, "--accept", "lost-canaries") == 0


@pytest.mark.usefixtures("encoder", "environment")
def test_a_run_succeeds_if_its_log_cannot_be_written(
    server: QdrantServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with server.faults.on(answering(500), where=lambda call: not of_the_index(call)):
        assert sync(ROWS, tmp_path) == 0
    told = capsys.readouterr().out
    assert told.count("warning: Cannot write this run to the log that ingest status shows: Qdrant at ") == 2
    assert "Live: version " in told


HOLD = """
import asyncio, sys
from retrieval.settings import QdrantSettings, SearchSettings
from retrieval.opening import open_store

async def hold():
    settings = QdrantSettings(url=sys.argv[1], grpc_port=int(sys.argv[2]), collection="locked")
    async with open_store(SearchSettings(qdrant=settings)) as store, store.exclusive():
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold())
"""


@pytest.mark.usefixtures("encoder")
def test_two_runs_exclude_each_other_until_the_lock_of_a_killed_run_expires(
    server: QdrantServer,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment.setenv("QDRANT_COLLECTION", "locked")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, server.url, str(server.grpc_port)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            for command in (["sync", str(write_jsonl(tmp_path / "t.jsonl", ROWS))], ["rollback"]):
                assert main(command) == 4
                told = capsys.readouterr().err
                assert f"Another ingest run is working on this index: process {holder.pid} of" in told
            assert main(["status"]) == 0
            assert collections_of(server, "locked-") == {"locked-lock"}
        finally:
            holder.kill()
    assert sync(ROWS, tmp_path) == 4
    assert "If it was killed, its lock expires at" in capsys.readouterr().err
    let_lock_expire(server, "locked")
    assert sync(ROWS, tmp_path) == 0
    assert "locked-lock" not in collections_of(server, "locked-")


@pytest.mark.usefixtures("encoder")
def test_the_lock_of_a_run_on_another_machine_expires(
    server: QdrantServer,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment.setenv("QDRANT_COLLECTION", "far")

    def left(until: datetime) -> None:
        since = datetime(2024, 5, 31, 9, 30, tzinfo=UTC)
        holder = Holder(run="r", host="elsewhere", pid=1, since=since, until=until)
        metadata = {"vidsearch": msgspec.to_builtins(holder)}
        with server.lock:
            if server.client.collection_exists("far-lock"):
                server.client.delete_collection("far-lock")
            server.client.create_collection("far-lock", vectors_config={}, metadata=metadata)

    left(datetime.now(UTC) + timedelta(minutes=4))
    assert sync(ROWS, tmp_path) == 4
    assert "process 1 of elsewhere, since 09:30 UTC" in capsys.readouterr().err
    left(datetime.now(UTC) - timedelta(seconds=1))
    assert sync(ROWS, tmp_path) == 0


def test_the_service_reads_the_last_run_and_accepts_that_there_is_none(
    server: QdrantServer,
    encoder: WordEncoder,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert encoder
    environment.setenv("QDRANT_COLLECTION", "watched")
    assert sync(ROWS, tmp_path) == 0
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
    server.faults.start(GONE)
    assert asyncio.run(asked()) == ()
