"""The embedding cache: real files, real processes, real kills."""

import hashlib
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.embedding.embedding_cache import FILE, EmbeddingCache
from retrieval.text.vectors import Embedding
from tests.support.processes import PATIENCE, REPOSITORY, command, environment

DIMENSION = 16
WRITER = "tests.support.embedding_writer"


class Opened:
    """A cache, and the warnings that it printed."""

    def __init__(self, folder: Path, *, dimension: int = DIMENSION, **options: Any) -> None:
        self.warnings: list[str] = []
        self.cache = EmbeddingCache(folder, dimension, warn=self.warnings.append, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cache.close()

    def found(self, keys: list[bytes]) -> dict[bytes, Embedding]:
        return {key: found.embedding for key, found in self.cache.find(keys).items()}


def key_of(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def embedding(number: int, dimension: int = DIMENSION) -> Embedding:
    return np.random.default_rng(number).standard_normal(dimension).astype(np.float32)


def numbered(numbers: range) -> dict[bytes, Embedding]:
    return {key_of(number): embedding(number) for number in numbers}


def same(found: dict[bytes, Embedding], expected: dict[bytes, Embedding]) -> bool:
    return {key: row.tobytes() for key, row in found.items()} == {
        key: row.tobytes() for key, row in expected.items()
    }


@pytest.mark.parametrize("dimension", [1, 16, 384, 1024])
def test_stored_embeddings_are_returned_bit_for_bit(tmp_path: Path, dimension: int) -> None:
    odd = embedding(1, dimension)
    odd[0] = np.float32(-0.0)
    rows = {key_of(0): odd, key_of(1): np.full(dimension, 1e-45, np.float32)}
    with Opened(tmp_path / "new" / "folder", dimension=dimension) as opened:
        opened.cache.store(rows)
        assert same(opened.found([*rows, key_of(2)]), rows)
        assert not any(found.is_earlier for found in opened.cache.find(list(rows)).values())
    with Opened(tmp_path / "new" / "folder", dimension=dimension) as opened:
        found = opened.cache.find(list(rows))
        assert same({key: one.embedding for key, one in found.items()}, rows)
        assert all(one.is_earlier for one in found.values())
        assert found[key_of(0)].embedding.dtype == np.float32
        assert opened.warnings == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.integers(0, 30), st.binary(min_size=8, max_size=8), max_size=12),
        max_size=5,
    )
)
def test_the_last_embedding_stored_under_a_key_is_found(
    tmp_path_factory: pytest.TempPathFactory, batches: list[dict[int, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    expected: dict[bytes, Embedding] = {}
    for batch in batches:
        rows = {key_of(number): np.frombuffer(bits, np.float32) for number, bits in batch.items()}
        with Opened(folder, dimension=2) as opened:
            opened.cache.store(rows)
        expected |= rows
    with Opened(folder, dimension=2) as opened:
        assert same(opened.found([key_of(number) for number in range(31)]), expected)


def header_overwritten(content: bytes) -> bytes:
    return random.Random(1).randbytes(100) + content[100:]


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def tables_overwritten(content: bytes) -> bytes:
    return content[:100] + random.Random(1).randbytes(len(content) - 100)


@pytest.mark.parametrize("damage", [header_overwritten, truncated, tables_overwritten])
def test_a_damaged_file_is_replaced_with_one_warning(
    damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    rows = numbered(range(500))
    with Opened(tmp_path) as opened:
        opened.cache.store(rows)
    (tmp_path / FILE).write_bytes(damage((tmp_path / FILE).read_bytes()))
    with Opened(tmp_path) as opened:
        assert same(opened.found([*rows]), {})
        opened.cache.store(rows)
        assert same(opened.found([*rows]), rows)
        (warning,) = opened.warnings
        assert warning.startswith(f"warning: Starting a new embedding cache: {tmp_path / FILE} was damaged (")


@pytest.mark.parametrize("value", ["x'00'", "'text'", "7", "randomblob(63)", "randomblob(65)"])
def test_an_entry_of_another_type_or_length_is_ignored_and_replaced(value: str, tmp_path: Path) -> None:
    rows = numbered(range(3))
    with Opened(tmp_path) as opened:
        opened.cache.store(rows)
    database = sqlite3.connect(tmp_path / FILE)
    with database:
        database.execute(f"UPDATE embeddings SET entry = {value} WHERE number = 1")  # noqa: S608 - from the list.
    database.close()
    with Opened(tmp_path) as opened:
        assert same(opened.found([*rows]), numbered(range(1, 3)))
        opened.cache.store(rows)
        assert same(opened.found([*rows]), rows)
        assert opened.warnings == []


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0", b"\0" * 9000])
def test_a_file_that_is_no_cache_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with Opened(tmp_path) as opened:
        opened.cache.store(numbered(range(3)))
        assert len(opened.warnings) == bool(content)
    with Opened(tmp_path) as opened:
        assert same(opened.found([*numbered(range(3))]), numbered(range(3)))
        assert opened.warnings == []


@pytest.mark.parametrize("statement", ["PRAGMA user_version = 9", "ALTER TABLE embeddings RENAME entry TO e"])
def test_a_file_in_another_format_is_replaced(tmp_path: Path, statement: str) -> None:
    with Opened(tmp_path) as opened:
        opened.cache.store(numbered(range(3)))
    database = sqlite3.connect(tmp_path / FILE)
    database.execute(statement)
    database.close()
    with Opened(tmp_path) as opened:
        assert opened.found([*numbered(range(3))]) == {}
        opened.cache.store(numbered(range(3)))
        assert len(opened.warnings) == 1
        assert same(opened.found([*numbered(range(3))]), numbered(range(3)))


def test_a_damaged_file_is_not_replaced_while_another_process_has_it_open(tmp_path: Path) -> None:
    with Opened(tmp_path) as first:
        first.cache.store(numbered(range(3)))
        content = b"damaged" * 5000
        (tmp_path / FILE).write_bytes(content)
        with Opened(tmp_path) as second:
            assert second.found([key_of(1)]) == {}
            second.cache.store(numbered(range(3)))
            assert len(second.warnings) == 1
            assert "The run continues without it." in second.warnings[0]
        assert (tmp_path / FILE).read_bytes() == content
        # After the other process has closed it, the file is replaced.
        assert first.found([key_of(1)]) == {}
        first.cache.store(numbered(range(3)))
        assert len(first.warnings) == 1
        assert same(first.found([key_of(1)]), numbered(range(1, 2)))


def test_the_oldest_entries_are_deleted_at_the_maximum_size(tmp_path: Path) -> None:
    most = 400_000
    for run in range(8):
        with Opened(tmp_path, max_bytes=most) as opened:
            for batch in range(4):
                start = run * 1000 + batch * 250
                opened.cache.store(numbered(range(start, start + 250)))
                assert (tmp_path / FILE).stat().st_size <= most
            found = opened.found([key_of(number) for number in range(8000)])
            # All entries of this run are there, and the newest of the others.
            assert set(map(key_of, range(run * 1000, run * 1000 + 1000))) <= found.keys()
            assert opened.warnings == []
    numbers = sorted(number for number in range(8000) if key_of(number) in found)
    assert 1000 < len(numbers) < 2500
    assert numbers == list(range(numbers[0], 8000))


def test_a_run_larger_than_the_cache_stores_its_first_embeddings(tmp_path: Path) -> None:
    most = 200_000
    with Opened(tmp_path, max_bytes=most) as opened:
        for start in range(0, 3000, 250):
            opened.cache.store(numbered(range(start, start + 250)))
        assert len(opened.warnings) == 1
        assert "is full (0.0 GB)" in opened.warnings[0]
        found = opened.found([key_of(number) for number in range(3000)])
        assert (tmp_path / FILE).stat().st_size <= most
    numbers = sorted(number for number in range(3000) if key_of(number) in found)
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= 500


def test_a_locked_file_does_not_stop_a_run(tmp_path: Path) -> None:
    with Opened(tmp_path, lock_seconds=0.05) as opened:
        opened.cache.store(numbered(range(3)))
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        opened.cache.store(numbered(range(3, 6)))
        opened.cache.store(numbered(range(6, 9)))
        assert len(opened.warnings) == 1
        assert "could not be written (database is locked)" in opened.warnings[0]
        assert same(opened.found([*numbered(range(3))]), numbered(range(3)))
        other.execute("ROLLBACK")
        other.execute("BEGIN EXCLUSIVE")
        assert opened.found([key_of(1)]) == {}
        assert "cannot be read (database is locked)" in opened.warnings[1]
        assert opened.found([key_of(1)]) == {}
        assert len(opened.warnings) == 2
        other.close()


def test_a_locked_file_is_not_replaced(tmp_path: Path) -> None:
    with Opened(tmp_path, lock_seconds=0.05) as opened:
        opened.cache.store(numbered(range(3)))
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        Opened(tmp_path, lock_seconds=0.05)
    other.close()
    with Opened(tmp_path) as opened:
        assert same(opened.found([*numbered(range(3))]), numbered(range(3)))


def test_nothing_is_stored_on_a_nearly_full_disk(tmp_path: Path) -> None:
    with Opened(tmp_path) as opened:
        opened.cache.store(numbered(range(3)))
    with Opened(tmp_path, min_free_bytes=shutil.disk_usage(tmp_path).total) as opened:
        opened.cache.store(numbered(range(3, 6)))
        opened.cache.store(numbered(range(3, 6)))
        assert len(opened.warnings) == 1
        assert "is on a disk that is nearly full" in opened.warnings[0]
        assert same(opened.found([*numbered(range(6))]), numbered(range(3)))


def start_writer(folder: Path, first: int, batches: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command(WRITER, folder, str(first), str(batches)),
        cwd=REPOSITORY,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
    )


def printed(process: "subprocess.Popen[str]") -> Iterator[int]:
    assert process.stdout is not None
    return map(int, process.stdout)


def test_two_processes_may_store_at_once(tmp_path: Path) -> None:
    batches = 30
    # The second half of the batches of the first process is the first half of those of the second.
    with start_writer(tmp_path, 0, batches) as one, start_writer(tmp_path, batches // 2, batches) as other:
        assert len(list(printed(one))) == batches
        assert len(list(printed(other))) == batches
        assert [process.wait(PATIENCE) for process in (one, other)] == [0, 0]
    expected = numbered(range(batches * 3 // 2 * 20))
    with Opened(tmp_path) as opened:
        assert same(opened.found(list(expected)), expected)
        assert opened.warnings == []
    database = sqlite3.connect(tmp_path / FILE)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def test_a_kill_loses_no_stored_batch_and_leaves_no_partial_one(tmp_path: Path) -> None:
    chance = random.Random(3)
    first = 0
    for _ in range(5):
        with start_writer(tmp_path, first, 10_000) as process:
            stored = list(islice(printed(process), chance.randrange(2, 25)))
            process.kill()
            stored += list(printed(process))
        assert stored == list(range(first, first + len(stored)))
        first += len(stored)
        with Opened(tmp_path) as opened:
            expected = numbered(range((first + 1) * 20))
            found = opened.found(list(expected))
            assert same(found, {key: expected[key] for key in found})
            # The last batch may have been stored but not printed; then it is complete.
            assert len(found) in (first * 20, (first + 1) * 20)
            assert set(map(key_of, range(first * 20))) <= found.keys()
            assert opened.warnings == []
