"""The file of kept embeddings: real files, real processes, real kills."""

import hashlib
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.embedding.kept_embeddings import DAMAGED_FILE, FILE, KeptEmbeddings
from retrieval.text.vectors import Embedding
from tests.support.processes import PATIENCE, REPOSITORY, command, environment

DIMENSION = 16
KEEPER = "tests.support.embedding_keeper"


class Store:
    """A folder, the store in it, and what was told of it."""

    def __init__(self, folder: Path, most_bytes: int = 1 << 30) -> None:
        self.folder = folder
        self.told: list[str] = []
        self.kept = KeptEmbeddings(folder, tell=self.told.append, most_bytes=most_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kept.close()

    def found(self, keys: list[bytes]) -> dict[bytes, Embedding]:
        return {key: kept.embedding for key, kept in self.kept.find(keys).items()}


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


def only_true(found: dict[bytes, Embedding], expected: dict[bytes, Embedding]) -> bool:
    """Whether nothing was found that is not as it was kept."""
    return all(row.tobytes() == expected[key].tobytes() for key, row in found.items())


@pytest.fixture(scope="module")
def batches() -> tuple[dict[bytes, Embedding], dict[bytes, Embedding]]:
    return numbered(range(200)), numbered(range(200, 203))


@pytest.fixture(scope="module")
def states(
    tmp_path_factory: pytest.TempPathFactory,
    batches: tuple[dict[bytes, Embedding], dict[bytes, Embedding]],
) -> tuple[bytes, bytes, bytes]:
    """The file before and after its last transaction, and the journal of that one while it went on."""
    folder = tmp_path_factory.mktemp("states")
    with Store(folder) as store:
        store.kept.keep(batches[0])
        before = (folder / FILE).read_bytes()
        store.kept.keep(batches[1])
    after = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(before)
    # With hardly a page of memory, SQLite writes the journal and then the file before anything is committed.
    database = sqlite3.connect(folder / FILE, isolation_level=None)
    database.execute("PRAGMA cache_size = 1")
    database.execute("BEGIN IMMEDIATE")
    database.execute("DELETE FROM embeddings WHERE number % 3 = 0")
    database.execute("UPDATE embeddings SET entry = zeroblob(300)")
    journal = (folder / f"{FILE}-journal").read_bytes()
    assert (folder / FILE).read_bytes() != before
    shutil.copyfile(folder / FILE, folder / "torn")
    database.execute("ROLLBACK")
    database.close()
    assert len(journal) > 8192
    (folder / FILE).write_bytes((folder / "torn").read_bytes())
    (folder / f"{FILE}-journal").write_bytes(journal)
    with Store(folder) as store:
        assert same(store.found(list(batches[0])), batches[0])
        assert store.told == []
    return before, after, journal


@pytest.mark.parametrize("dimension", [1, 16, 384, 1024])
def test_what_was_kept_comes_back_bit_by_bit(tmp_path: Path, dimension: int) -> None:
    odd = embedding(1, dimension)
    odd[0] = np.float32(-0.0)
    rows = {key_of(0): odd, key_of(1): np.full(dimension, 1e-45, np.float32)}
    with Store(tmp_path / "new" / "folder") as store:
        store.kept.keep(rows)
        assert same(store.found([*rows, key_of(2)]), rows)
        assert not any(kept.is_earlier for kept in store.kept.find(list(rows)).values())
    with Store(tmp_path / "new" / "folder") as store:
        found = store.kept.find(list(rows))
        assert same({key: kept.embedding for key, kept in found.items()}, rows)
        assert all(kept.is_earlier for kept in found.values())
        assert found[key_of(0)].embedding.dtype == np.float32
        assert store.told == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.integers(0, 30), st.binary(min_size=8, max_size=8), max_size=12),
        max_size=5,
    )
)
def test_the_last_that_was_kept_under_a_key_is_found(
    tmp_path_factory: pytest.TempPathFactory, batches: list[dict[int, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    expected: dict[bytes, Embedding] = {}
    for batch in batches:
        rows = {key_of(number): np.frombuffer(bits, np.float32) for number, bits in batch.items()}
        with Store(folder) as store:
            store.kept.keep(rows)
        expected |= rows
    with Store(folder) as store:
        assert same(store.found([key_of(number) for number in range(31)]), expected)


def test_many_are_found_at_once(tmp_path: Path) -> None:
    rows = numbered(range(3000))
    with Store(tmp_path) as store:
        store.kept.keep(rows)
        assert same(store.found([*rows, *map(key_of, range(5000, 6000))]), rows)


def test_a_write_may_be_torn_at_every_byte(
    tmp_path: Path,
    states: tuple[bytes, bytes, bytes],
    batches: tuple[dict[bytes, Embedding], dict[bytes, Embedding]],
) -> None:
    """Worse than any kill: no journal, and the file is the new one up to a byte and the old one after it."""
    before, after, _ = states
    earlier, last = batches
    expected = earlier | last
    differing = [at for at, new in enumerate(after) if before[at : at + 1] != bytes([new])]
    # Every byte of the last entry as it stands in the file, and a sample of all the others.
    entry = after.index(last[key_of(202)].tobytes())
    sample = differing[:: len(differing) // 120]
    places = {*range(entry - 60, entry + 4 * DIMENSION + 4), *sample, differing[-1] + 1}
    complete = 0
    for place in sorted(places):
        (tmp_path / FILE).write_bytes(after[:place] + before[place:])
        with Store(tmp_path) as store:
            found = store.found(list(expected))
            assert only_true(found, expected)
            complete += same(found, expected)
            store.kept.keep(expected)
            store.kept.keep(expected)
            assert same(store.found(list(expected)), expected)
            assert len(store.told) <= 1
    assert complete >= 1


def test_a_journal_may_be_torn_at_any_byte(
    tmp_path: Path,
    states: tuple[bytes, bytes, bytes],
    batches: tuple[dict[bytes, Embedding], dict[bytes, Embedding]],
) -> None:
    before, _, journal = states
    for end in [*range(600), *range(600, len(journal), 397)]:
        (tmp_path / FILE).write_bytes(before)
        (tmp_path / f"{FILE}-journal").write_bytes(journal[:end])
        with Store(tmp_path) as store:
            assert same(store.found(list(batches[0])), batches[0]), end
            assert store.told == []


def test_a_file_may_be_cut_short_or_changed_anywhere(
    tmp_path: Path,
    states: tuple[bytes, bytes, bytes],
    batches: tuple[dict[bytes, Embedding], dict[bytes, Embedding]],
) -> None:
    _, after, _ = states
    expected = batches[0] | batches[1]
    chance = random.Random(4)
    set_aside = 0
    for round_ in range(150):
        changed = bytearray(after)
        if round_ % 3 == 0:
            del changed[chance.randrange(len(changed)) :]
        else:
            # The first hundred bytes say what the file is; the rest is changed in a place or in a stretch.
            at = round_ // 3 * 2 if round_ % 3 == 1 else chance.randrange(len(changed))
            length = chance.choice([1, 1, 40, 5000])
            changed[at : at + length] = chance.randbytes(len(changed[at : at + length]))
        (tmp_path / FILE).write_bytes(changed)
        with Store(tmp_path) as store:
            assert only_true(store.found(list(expected)), expected), round_
            store.kept.keep(expected)
            store.kept.keep(expected)
            assert len(store.told) <= 1, store.told
            if store.told:
                set_aside += 1
                assert same(store.found(list(expected)), expected)
                assert "is damaged (" in store.told[0]
                assert f"the old one is {tmp_path / DAMAGED_FILE} and may be deleted" in store.told[0]
    assert set_aside > 20


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0", b"\0" * 9000])
def test_what_was_never_a_store_makes_way(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with Store(tmp_path) as store:
        store.kept.keep(numbered(range(3)))
        assert len(store.told) == bool(content)
    with Store(tmp_path) as store:
        assert same(store.found([*numbered(range(3))]), numbered(range(3)))
        assert store.told == []
    if content:
        assert (tmp_path / DAMAGED_FILE).read_bytes() == content


@pytest.mark.parametrize("statement", ["PRAGMA user_version = 9", "ALTER TABLE embeddings RENAME entry TO e"])
def test_a_file_of_another_form_makes_way(tmp_path: Path, statement: str) -> None:
    with Store(tmp_path) as store:
        store.kept.keep(numbered(range(3)))
    database = sqlite3.connect(tmp_path / FILE)
    database.execute(statement)
    database.close()
    with Store(tmp_path) as store:
        assert store.found([*numbered(range(3))]) == {}
        store.kept.keep(numbered(range(3)))
        assert len(store.told) == 1
        assert same(store.found([*numbered(range(3))]), numbered(range(3)))


def test_a_damaged_file_that_another_process_has_open_is_left_to_it(tmp_path: Path) -> None:
    with Store(tmp_path) as first:
        first.kept.keep(numbered(range(3)))
        content = b"damaged" * 5000
        (tmp_path / FILE).write_bytes(content)
        with Store(tmp_path) as second:
            assert second.found([key_of(1)]) == {}
            second.kept.keep(numbered(range(3)))
            assert len(second.told) == 1
            assert "This run goes on without it." in second.told[0]
        assert (tmp_path / FILE).read_bytes() == content
        # And once it is alone, it sets the file aside and has a new one.
        assert first.found([key_of(1)]) == {}
        first.kept.keep(numbered(range(3)))
        assert len(first.told) == 1
        assert same(first.found([key_of(1)]), numbered(range(1, 2)))


def test_the_oldest_make_room_and_the_file_grows_no_further(tmp_path: Path) -> None:
    most = 400_000
    for run in range(8):
        with Store(tmp_path, most) as store:
            for batch in range(4):
                start = run * 1000 + batch * 250
                store.kept.keep(numbered(range(start, start + 250)))
                assert (tmp_path / FILE).stat().st_size <= most
            found = store.found([key_of(number) for number in range(8000)])
            # This run's are all there, and of the others the newest, without a gap to speak of.
            assert set(map(key_of, range(run * 1000, run * 1000 + 1000))) <= found.keys()
            assert store.told == []
    numbers = sorted(number for number in range(8000) if key_of(number) in found)
    assert 1000 < len(numbers) < 2500
    assert numbers == list(range(numbers[0], 8000))


def test_a_run_larger_than_the_file_keeps_its_beginning(tmp_path: Path) -> None:
    most = 200_000
    with Store(tmp_path, most) as store:
        for start in range(0, 3000, 250):
            store.kept.keep(numbered(range(start, start + 250)))
        assert len(store.told) == 1
        assert "is full (0.0 GB)" in store.told[0]
        found = store.found([key_of(number) for number in range(3000)])
        assert (tmp_path / FILE).stat().st_size <= most
    numbers = sorted(number for number in range(3000) if key_of(number) in found)
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= 500


def test_a_locked_file_stops_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.embedding.kept_embeddings._SECONDS_TO_WAIT", 0.05)
    with Store(tmp_path) as store:
        store.kept.keep(numbered(range(3)))
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store.kept.keep(numbered(range(3, 6)))
        store.kept.keep(numbered(range(6, 9)))
        assert len(store.told) == 1
        assert "could not be written (database is locked)" in store.told[0]
        assert same(store.found([*numbered(range(3))]), numbered(range(3)))
        other.execute("ROLLBACK")
        other.execute("BEGIN EXCLUSIVE")
        assert store.found([key_of(1)]) == {}
        assert "cannot be read (database is locked)" in store.told[1]
        assert store.found([key_of(1)]) == {}
        assert len(store.told) == 2
        other.close()


def test_a_file_that_cannot_be_read_now_is_not_taken_for_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.embedding.kept_embeddings._SECONDS_TO_WAIT", 0.05)
    with Store(tmp_path) as store:
        store.kept.keep(numbered(range(3)))
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        Store(tmp_path)
    other.close()
    with Store(tmp_path) as store:
        assert same(store.found([*numbered(range(3))]), numbered(range(3)))
    assert not (tmp_path / DAMAGED_FILE).exists()


def test_a_disk_that_is_nearly_full_is_not_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path) as store:
        store.kept.keep(numbered(range(3)))
        monkeypatch.setattr("ingest.embedding.kept_embeddings._ROOM_LEFT", shutil.disk_usage(tmp_path).total)
        monkeypatch.setattr("ingest.embedding.kept_embeddings._SHARE_LEFT", 1)
        store.kept.keep(numbered(range(3, 6)))
        store.kept.keep(numbered(range(3, 6)))
        assert len(store.told) == 1
        assert "is on a disk that is nearly full" in store.told[0]
        assert same(store.found([*numbered(range(6))]), numbered(range(3)))


def test_a_folder_that_cannot_be_made_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Store(tmp_path / "file" / "folder")


def start_keeper(folder: Path, first: int, batches: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command(KEEPER, folder, str(first), str(batches)),
        cwd=REPOSITORY,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
    )


def said(process: "subprocess.Popen[str]") -> Iterator[int]:
    assert process.stdout is not None
    return map(int, process.stdout)


def test_two_processes_may_keep_at_once(tmp_path: Path) -> None:
    batches = 30
    # The second half of what the one keeps is the first half of what the other does.
    with start_keeper(tmp_path, 0, batches) as one, start_keeper(tmp_path, batches // 2, batches) as other:
        assert len(list(said(one))) == batches
        assert len(list(said(other))) == batches
        assert [process.wait(PATIENCE) for process in (one, other)] == [0, 0]
    expected = numbered(range(batches * 3 // 2 * 20))
    with Store(tmp_path) as store:
        assert same(store.found(list(expected)), expected)
        assert store.told == []
    database = sqlite3.connect(tmp_path / FILE)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def test_a_kill_loses_nothing_that_was_kept_and_leaves_no_half(tmp_path: Path) -> None:
    chance = random.Random(3)
    first = 0
    for _ in range(5):
        with start_keeper(tmp_path, first, 10_000) as process:
            kept = [number for number, _ in zip(said(process), range(chance.randrange(2, 25)), strict=False)]
            process.kill()
            kept += list(said(process))
        assert kept == list(range(first, first + len(kept)))
        first += len(kept)
        with Store(tmp_path) as store:
            expected = numbered(range((first + 1) * 20))
            found = store.found(list(expected))
            assert only_true(found, expected)
            # A batch may have been kept and not told any more; then it is there whole.
            assert len(found) in (first * 20, (first + 1) * 20)
            assert set(map(key_of, range(first * 20))) <= found.keys()
            assert store.told == []
