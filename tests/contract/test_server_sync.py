"""Ingest on a real Qdrant server; skipped if there is none (conftest.py)."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from ingest.__main__ import main
from retrieval.index.writing import StoredVideo
from retrieval.opening import open_store
from retrieval.settings import SearchSettings
from tests.integration.test_qdrant_sync import CHANGED, ROWS
from tests.support.documents import WordEncoder, use_word_encoder, write_jsonl
from tests.support.engines import RealServer
from tests.support.held_lock import LOCKED, held_lock
from tests.support.open_gate import OPEN_GATE

PREFIX = "test-sync"


@pytest.fixture(autouse=True)
def environment(qdrant_server: RealServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Use collections of this test on the server, and delete them at the end."""
    for name, value in {
        "INDEX_DIR": tmp_path / "index",
        "MODEL_DIR": tmp_path / "model",
        "QDRANT_URL": qdrant_server.url,
        "QDRANT_GRPC_PORT": qdrant_server.grpc_port,
        "QDRANT_API_KEY": qdrant_server.api_key or "",
        "QDRANT_COLLECTION": PREFIX,
        **OPEN_GATE,
    }.items():
        monkeypatch.setenv(name, str(value))
    yield
    client = QdrantClient(
        url=qdrant_server.url,
        grpc_port=qdrant_server.grpc_port,
        prefer_grpc=True,
        api_key=qdrant_server.api_key,
        check_compatibility=False,
    )
    for collection in client.get_collections().collections:
        if collection.name.startswith(f"{PREFIX}-"):
            client.delete_collection(collection.name)
    client.close()


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> WordEncoder:
    return use_word_encoder(monkeypatch)


def stored() -> Mapping[str, StoredVideo]:
    async def read() -> Mapping[str, StoredVideo]:
        async with open_store(SearchSettings.from_environment(os.environ)) as store:
            return await store.stored_videos()

    return asyncio.run(read())


def test_a_server_is_synced_updated_in_place_and_restored(encoder: WordEncoder, tmp_path: Path) -> None:
    rows = write_jsonl(tmp_path / "talks.jsonl", ROWS)
    assert main(["sync", str(rows)]) == 0
    before = stored()
    assert before.keys() == {row["video_id"] for row in ROWS}
    snapshot = str(tmp_path / "talks.tar")
    assert main(["snapshot", snapshot]) == 0

    assert main(["sync", str(write_jsonl(tmp_path / "changed.jsonl", CHANGED)), "--prune"]) == 0
    assert stored().keys() == {row["video_id"] for row in CHANGED}
    encoder.calls.clear()
    assert main(["sync", str(tmp_path / "changed.jsonl"), "--prune"]) == 0
    assert encoder.calls == []

    assert main(["restore", snapshot]) == 0
    assert stored() == before
    assert main(["rollback"]) == 0
    assert stored().keys() == {row["video_id"] for row in CHANGED}


@pytest.mark.usefixtures("encoder")
def test_a_server_has_one_run_at_a_time(
    qdrant_server: RealServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QDRANT_COLLECTION", LOCKED)
    rows = write_jsonl(tmp_path / "talks.jsonl", ROWS)
    with held_lock(qdrant_server.url, qdrant_server.grpc_port):
        assert main(["sync", str(rows)]) == 4
