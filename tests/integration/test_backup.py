"""`ingest snapshot` and `ingest restore`, from each engine to each, and their failures."""

import asyncio
import fcntl
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from qdrant_client import QdrantClient

from ingest.__main__ import main
from retrieval.catalogue.manifest import Manifest
from retrieval.edge.generations import Generations
from retrieval.index.file_parts import FilePart, parts_of
from retrieval.index.writing import EmbeddedVideo
from retrieval.opening import open_store
from retrieval.qdrant import connection as qdrant_connection
from retrieval.qdrant.connection import METADATA_KEY, CallPolicy
from retrieval.settings import SearchSettings
from tests.integration.test_qdrant_sync import CHANGED, LONG, ROWS, of_the_index
from tests.support.documents import WordEncoder, use_word_encoder, write_jsonl
from tests.support.embedded_videos import assert_same_videos
from tests.support.folders import passing_folder
from tests.support.held_lock import LOCKED, held_lock
from tests.support.open_gate import OPEN_GATE
from tests.support.processes import Ingest, copied, eventually, run_module, running_api
from tests.support.qdrant_faults import GONE, answering
from tests.support.qdrant_server import QdrantServer
from tests.support.server_contents import collections_of, let_lock_expire
from tests.support.snapshots import FIRST, Members, remade
from tests.support.stopping_sync import EXIT_CODE

ENGINES = ("embedded", "stand-in")
Run = Callable[..., str]


class Place(msgspec.Struct):
    """A factory of empty indexes, one per name, on either engine."""

    folder: Path
    server: QdrantServer
    patch: pytest.MonkeyPatch

    def use(self, engine: str, name: str) -> SearchSettings:
        """Make the commands use this index from now on."""
        self.patch.setenv("INDEX_DIR", str(self.folder / name))
        self.patch.delenv("QDRANT_URL", raising=False)
        if engine == "stand-in":
            self.patch.setenv("QDRANT_URL", self.server.url)
            self.patch.setenv("QDRANT_COLLECTION", f"{self.folder.name}-{name}")
        return SearchSettings.from_environment(os.environ)


@pytest.fixture
def place(
    qdrant: QdrantServer, monkeypatch: pytest.MonkeyPatch, word_encoder: WordEncoder
) -> Iterator[Place]:
    assert word_encoder
    qdrant.recover()
    with passing_folder() as folder:
        own = {"MODEL_DIR": str(folder / "model"), "QDRANT_GRPC_PORT": str(qdrant.grpc_port), **OPEN_GATE}
        for name, value in own.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(qdrant_connection, "BATCH", CallPolicy(30.0))
        yield Place(folder, qdrant, monkeypatch)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command, check its exit code, and return its output."""

    def run(*arguments: str | Path, code: int = 0) -> str:
        capsys.readouterr()
        found = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert found == code, said.out + said.err
        assert said.err.startswith("error: ") if code else not said.err
        return said.out + said.err

    return run


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "talks.jsonl", ROWS)


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "changed.jsonl", CHANGED)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """An embedded index of ROWS and a snapshot of it. No test changes them."""
    with passing_folder() as folder, pytest.MonkeyPatch.context() as patch:
        use_word_encoder(patch)
        patch.setenv("INDEX_DIR", str(folder / "taken"))
        assert main(["sync", str(write_jsonl(folder / "talks.jsonl", ROWS))]) == 0
        assert main(["snapshot", str(folder / "talks.tar")]) == 0
        yield folder


@pytest.fixture
def taken(place: Place, made: Path) -> Path:
    """A snapshot of an embedded index of ROWS, which the commands use."""
    copied(made / "taken", place.folder / "taken")
    place.use("embedded", "taken")
    return copied(made / "talks.tar", place.folder / "talks.tar")


def live(settings: SearchSettings) -> tuple[Manifest, list[EmbeddedVideo]]:
    """Read the live version."""

    async def read() -> tuple[Manifest, list[EmbeddedVideo]]:
        scratch = settings.index_dir.with_name("scratch")
        async with open_store(settings) as store, store.export_live(scratch=scratch) as held:
            return held.manifest, [video async for video in held.videos()]

    return asyncio.run(read())


def tree(index_dir: Path) -> dict[str, str]:
    """Return a digest of every file of an index, except the lock and the log of runs.

    Opening a sparse file may fill its holes with zeros, which is the same content.
    """
    found = {}
    for path in index_dir.rglob("*"):
        if path.is_file() and path.name not in ("lock", "runs.json"):
            with path.open("rb") as file:
                digest = hashlib.sha256(msgspec.msgpack.encode(list(parts_of({"it": file}))))
            found[path.relative_to(index_dir).as_posix()] = digest.hexdigest()
    return found


@pytest.mark.parametrize("to", ENGINES)
@pytest.mark.parametrize("of", ENGINES)
def test_a_snapshot_of_each_engine_is_restored_on_each(
    place: Place, run: Run, catalogue: Path, changed: Path, of: str, to: str
) -> None:
    source = place.use(of, "source")
    run("sync", catalogue)
    manifest, videos = live(source)
    said = run("snapshot", place.folder / "talks.tar")
    size = (place.folder / "talks.tar").stat().st_size
    assert f"talks.tar, {size / 1e6:,.1f} MB, in " in said
    assert (
        f": version {manifest.index_version} with 5 videos and {manifest.counts.passages} passages." in said
    )

    target = place.use(to, "target")
    run("sync", changed)
    before, _ = live(target)
    said = run("restore", place.folder / "talks.tar")
    assert "The model of the snapshot was not checked: " in said
    restored, found = live(target)
    assert f"Live: version {restored.index_version}, restored from {manifest.index_version}." in said
    assert f"Version {before.index_version} is kept for rollback." in said
    assert_same_videos(found, videos)
    assert restored.index_version not in (manifest.index_version, before.index_version)
    assert msgspec.structs.replace(restored, index_version=manifest.index_version) == manifest

    # Later commands work as usual.
    assert "Nothing to do: the index is already up to date." in run("sync", catalogue)
    status = run("status")
    assert f"live: {restored.index_version}, built {manifest.built_at:%Y-%m-%d %H:%M} UTC" in status
    assert f"published {restored.index_version}; 5 restored ({place.folder / 'talks.tar'})" in status
    run("rollback")
    assert live(target)[0].index_version == before.index_version


@pytest.mark.parametrize("engine", ENGINES)
def test_a_snapshot_is_restored_over_the_same_version_and_without_one(
    place: Place, run: Run, catalogue: Path, engine: str
) -> None:
    """A running API detects a new version by its id, so even the same contents get a new id."""
    settings = place.use(engine, "same")
    run("sync", catalogue)
    manifest, videos = live(settings)
    snapshot = place.folder / "talks.tar"
    run("snapshot", snapshot)
    run("restore", snapshot)
    assert live(settings)[0].index_version != manifest.index_version
    settings = place.use(engine, "wiped")
    said = run("restore", snapshot)
    assert "kept for rollback" not in said
    assert_same_videos(live(settings)[1], videos)


def test_the_same_engine_gets_the_same_files_unless_it_rebuilds(place: Place, run: Run, taken: Path) -> None:
    def graphs(settings: SearchSettings) -> set[str]:
        pointer = Generations(settings.index_dir).pointer()
        assert pointer
        folder = Generations(settings.index_dir).folder(pointer.live)
        return {path for path in tree(folder) if "/segments/" in path}

    source = graphs(SearchSettings.from_environment(os.environ))
    target = place.use("embedded", "target")
    assert "Writing videos" not in run("restore", taken)
    assert graphs(target) == source
    said = run("restore", taken, "--rebuild")
    assert "Writing videos: 5 of 5" in said
    assert not graphs(target) & source


def test_files_of_another_version_of_the_engine_are_not_used(place: Place, run: Run, taken: Path) -> None:
    def age(members: Members) -> None:
        snapshot = msgspec.json.decode(members[FIRST])
        members[FIRST] = msgspec.json.encode({**snapshot, "engine_files": "qdrant-edge 0.1"})

    settings = place.use("embedded", "target")
    said = run("restore", remade(taken, place.folder / "older.tar", age))
    assert "The snapshot contains files of qdrant-edge 0.1, but this index uses qdrant-edge " in said
    assert "Writing videos: 5 of 5" in said
    assert len(live(settings)[1]) == 5


def test_a_dry_run_checks_and_changes_nothing(place: Place, run: Run, taken: Path) -> None:
    before = tree(place.folder / "taken")
    assert "The snapshot is complete. Nothing was changed: this was a dry run." in run(
        "restore", taken, "--dry-run"
    )
    assert tree(place.folder / "taken") == before
    assert "(restore " not in run("status")


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 16
    path.write_bytes(content)


def of_another_schema(path: Path) -> None:
    change_manifest(path, schema_version=99)


def of_fewer_videos(path: Path) -> None:
    change_manifest(path, counts={"videos": 4, "passages": 9, "videos_with_transcript": 4})


def of_another_dimension(path: Path) -> None:
    change_manifest(path, model={"name": "words", "weights_sha256": "0" * 64, "dimension": 17})


def change_manifest(path: Path, **changes: object) -> None:
    def change(members: Members) -> None:
        snapshot = msgspec.json.decode(members[FIRST])
        members[FIRST] = msgspec.json.encode({**snapshot, "manifest": {**snapshot["manifest"], **changes}})

    remade(path, path, change)


def with_an_invalid_vector(path: Path) -> None:
    def change(members: Members) -> None:
        videos = msgspec.msgpack.decode(members["videos/00000000.msgpack"])
        videos[2][2] = np.full(len(videos[2][2]) // 4, np.nan, "<f4").tobytes()
        members["videos/00000000.msgpack"] = msgspec.msgpack.encode(videos)

    remade(path, path, change)


@pytest.mark.parametrize(
    ("spoil", "code", "message"),
    [
        (damaged, 3, "is damaged or truncated"),
        (of_another_schema, 4, "has schema version 99"),
        (of_fewer_videos, 3, "its manifest says 4 and 9"),
        (of_another_dimension, 3, "a vector has 32 numbers instead of 34"),
        (with_an_invalid_vector, 3, "does not have length 1"),
    ],
)
def test_an_invalid_snapshot_is_refused_before_anything_is_changed(
    place: Place, run: Run, taken: Path, spoil: Callable[[Path], None], code: int, message: str
) -> None:
    before = tree(place.folder / "taken")
    spoil(taken)
    for option in ("--dry-run", "--rebuild"):
        said = run("restore", taken, option, code=code)
        assert message in said
        assert said.endswith("\n")
        assert "Traceback" not in said
    assert tree(place.folder / "taken") == before
    assert "(restore " not in run("status")
    place.use("stand-in", "untouched")
    place.server.faults.forget()
    run("restore", taken, code=code)
    assert place.server.calls == []


def test_a_snapshot_of_another_model_is_refused(place: Place, run: Run, taken: Path, model_dir: Path) -> None:
    before = tree(place.folder / "taken")
    place.patch.setenv("MODEL_DIR", str(model_dir))
    said = run("restore", taken, code=4)
    assert "was built with words (16 dimensions" in said
    assert "all-MiniLM-L6-v2 (384 dimensions" in said
    assert tree(place.folder / "taken") == before


def outside(_: list[FilePart]) -> list[FilePart]:
    return [FilePart("../../../outside", 1, 0, b"x")]


def enormous(parts: list[FilePart]) -> list[FilePart]:
    return [msgspec.structs.replace(parts[0], size=1 << 60)]


def of_no_videos(parts: list[FilePart]) -> list[FilePart]:
    return [part for part in parts if part.path.startswith("passages/")]


def cut_off(parts: list[FilePart]) -> list[FilePart]:
    return [part for part in parts if not part.path.endswith("segment.json")]


@pytest.mark.parametrize("change", [outside, enormous, of_no_videos, cut_off])
def test_invalid_engine_files_are_never_published(
    place: Place, run: Run, taken: Path, change: Callable[[list[FilePart]], list[FilePart]]
) -> None:
    def spoil(members: Members) -> None:
        parts = [
            part
            for name in list(members)
            if name.startswith("engine/")
            for part in msgspec.msgpack.decode(members.pop(name), type=list[FilePart])
        ]
        members["engine/00000001.msgpack"] = msgspec.msgpack.encode(change(parts))

    before = tree(place.folder / "taken")
    spoilt = remade(taken, place.folder / "spoilt.tar", spoil)
    assert main(["restore", str(spoilt)]) in (3, 4)
    assert tree(place.folder / "taken") == before
    assert {path.name for path in place.folder.iterdir()} == {"taken", "talks.tar", "spoilt.tar"}
    # A rebuild uses only the videos, which are intact.
    run("restore", spoilt, "--rebuild")


def damage_manifest(settings: SearchSettings, generation: str) -> None:
    path = Generations(settings.index_dir).folder(generation) / "manifest.json"
    path.write_bytes(path.read_bytes()[:20])


def lose_folder(settings: SearchSettings, generation: str) -> None:
    shutil.rmtree(Generations(settings.index_dir).folder(generation))


def damage_pointer(settings: SearchSettings, _: str) -> None:
    (settings.index_dir / "CURRENT").write_bytes(bytes(40))


def damage_metadata(settings: SearchSettings, generation: str) -> None:
    assert settings.qdrant
    client = QdrantClient(
        url=settings.qdrant.url,
        grpc_port=settings.qdrant.grpc_port,
        prefer_grpc=True,
        check_compatibility=False,
    )
    collection = f"{settings.qdrant.collection}-videos-{generation}"
    client.update_collection(collection, metadata={METADATA_KEY: {"model": None}})
    client.close()


Damage = Callable[[SearchSettings, str], None]
DAMAGED_VERSION: list[tuple[str, Damage]] = [
    ("embedded", damage_manifest),
    ("embedded", lose_folder),
    ("stand-in", damage_metadata),
]


@pytest.mark.parametrize(("engine", "damage"), [*DAMAGED_VERSION, ("embedded", damage_pointer)])
def test_a_damaged_live_version_is_reported_and_replaced(
    place: Place, run: Run, taken: Path, changed: Path, engine: str, damage: Damage
) -> None:
    settings = place.use(engine, f"damaged-{damage.__name__}")
    run("sync", changed)
    damage(settings, live(settings)[0].index_version)
    assert "The live version cannot be read." in run("status", code=4)
    said = run("restore", taken)
    assert "kept for rollback" not in said
    restored, videos = live(settings)
    assert len(videos) == 5
    assert f"live: {restored.index_version}, " in run("status")


@pytest.mark.parametrize(("engine", "damage"), DAMAGED_VERSION)
def test_rollback_works_from_a_damaged_version_but_not_to_one(
    place: Place, run: Run, catalogue: Path, taken: Path, engine: str, damage: Damage
) -> None:
    settings = place.use(engine, f"rolled-{damage.__name__}")
    run("sync", catalogue)
    first, _ = live(settings)
    run("restore", taken)
    damage(settings, live(settings)[0].index_version)
    assert f"Live: version {first.index_version}.\n" in run("rollback")
    status = run("status")
    assert f"live: {first.index_version}, " in status
    assert "previous: cannot be read: " in status
    run("rollback", code=4)
    assert live(settings)[0] == first


def test_an_existing_file_is_kept_until_the_new_one_is_complete(
    place: Place, run: Run, taken: Path, changed: Path
) -> None:
    old = taken.read_bytes()
    assert "talks.tar already exists. Name another file, or add --replace" in run("snapshot", taken, code=4)
    run("sync", changed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest.backup.snapshot.SnapshotWriter.finish", stop)
        assert "error: Stopped." in run("snapshot", taken, "--replace", code=4)
    assert taken.read_bytes() == old
    # The file of a killed snapshot is deleted; the locked file of a running one is not.
    left, held = (taken.with_name(f".talks.tar.{n}.unfinished") for n in (1, 2))
    left.write_bytes(b"half")
    with held.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        run("snapshot", taken, "--replace")
        assert {path.name for path in place.folder.iterdir()} == {"taken", "talks.tar", held.name}
    run("restore", taken)
    assert len(live(SearchSettings.from_environment(os.environ))[1]) == 6


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_snapshot_only_reads_the_index(place: Place, run: Run, taken: Path) -> None:
    """So another user can take it, of a read-only folder, and the owner of the files does not change."""
    entries = [place.folder / "taken", *(place.folder / "taken").rglob("*")]
    for path in entries:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path: path.stat() for path in entries}
    try:
        run("snapshot", taken, "--replace")
        after = {path: path.stat() for path in [entries[0], *entries[0].rglob("*")]}
    finally:
        for path in entries:
            path.chmod(0o755)
    assert {path: unchanging(found) for path, found in after.items()} == {
        path: unchanging(found) for path, found in before.items()
    }
    assert {path.name for path in place.folder.iterdir()} == {"taken", "talks.tar"}
    run("restore", taken, "--dry-run")


def unchanging(found: os.stat_result) -> tuple[int, ...]:
    """Return the metadata of a file that reading does not change: no access time and no blocks."""
    return (found.st_ino, found.st_uid, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@pytest.mark.usefixtures("taken")
def test_without_an_index_or_a_folder_there_is_no_snapshot(place: Place, run: Run) -> None:
    assert "No such file or directory" in run("snapshot", place.folder / "absent" / "talks.tar", code=4)
    assert "already exists" in run("snapshot", place.folder, "--replace", code=4)
    for engine in ENGINES:
        place.use(engine, "none")
        assert "There is no index in " in run("snapshot", place.folder / "new.tar", code=4)
    assert {path.name for path in place.folder.iterdir()} == {"taken", "talks.tar"}


def test_an_incomplete_version_is_not_backed_up(
    place: Place, run: Run, catalogue: Path, changed: Path
) -> None:
    place.use("stand-in", "partial")
    run("sync", catalogue)
    with place.server.faults.on(answering(500), where=lambda seen: seen.path.endswith("/UpdateBatch")):
        run("sync", changed, code=4)
    snapshot = place.folder / "talks.tar"
    assert "The live version is incomplete" in run("snapshot", snapshot, code=4)
    assert not snapshot.exists()
    run("sync", changed)
    run("snapshot", snapshot)


def test_on_a_server_no_run_writes_while_a_snapshot_is_taken(place: Place, run: Run, catalogue: Path) -> None:
    place.use("stand-in", "locked")
    place.patch.setenv("QDRANT_COLLECTION", LOCKED)
    run("sync", catalogue)
    place.server.faults.forget()
    run("snapshot", place.folder / "talks.tar")
    seen = [request.path.rpartition("/")[2] for request in place.server.calls]
    assert seen.index("Create") < seen.index("Scroll") < len(seen) - 1 - seen[::-1].index("Delete")
    with held_lock(place.server.url, place.server.grpc_port) as holder:
        for command in (["snapshot", "--replace"], ["restore"]):
            said = run(*command, place.folder / "talks.tar", code=4)
            assert f"Another ingest run is working on this index: process {holder} of" in said


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_killed_snapshot_leaves_no_incomplete_file(place: Place, run: Run, taken: Path, step: int) -> None:
    # In the index folder, where each change can end the process.
    index_dir = place.folder / "taken"
    before, path = tree(index_dir), index_dir / "talks.tar"
    killed = run_module("tests.support.stopping_sync", str(step), "snapshot", path, **dict(os.environ))
    assert killed.returncode == EXIT_CODE, killed.stderr
    assert not path.exists()
    left = [*index_dir.glob(".talks.tar.*.unfinished")]
    assert len(left) == (step > 1)
    run("snapshot", path)
    assert [*index_dir.glob(".talks.tar.*")] == []
    run("restore", path, "--dry-run")
    path.unlink()
    assert tree(index_dir) == before
    assert taken


@pytest.mark.parametrize("step", [2, 5, 8, 11])
def test_a_killed_restore_leaves_a_complete_version_live(
    place: Place, run: Run, taken: Path, changed: Path, step: int
) -> None:
    settings = place.use("embedded", "taken")
    run("sync", changed)
    before, videos = live(settings)
    killed = run_module("tests.support.stopping_sync", str(step), "restore", taken, **dict(os.environ))
    assert killed.returncode == EXIT_CODE, killed.stderr
    now, found = live(settings)
    assert len(found) == (6 if now.index_version == before.index_version else 5)
    if len(found) == 6:
        assert_same_videos(found, videos)
    run("restore", taken)
    assert len(live(settings)[1]) == 5
    assert [*settings.index_dir.glob("building/*")] == []


def test_a_restore_survives_the_loss_of_the_server_at_any_request(
    place: Place, run: Run, taken: Path, changed: Path
) -> None:
    settings = place.use("stand-in", "lost")
    prefix = settings.qdrant.collection if settings.qdrant else ""
    run("sync", changed)
    _, videos = live(settings)
    for after in itertools.count(step=9):
        place.server.faults.start(GONE, where=of_the_index, after=after)
        code = main(["restore", str(taken)])
        place.server.recover()
        let_lock_expire(place.server, prefix)
        if code == 0:
            break
        assert code == 4
        found = live(settings)[1]
        if len(found) == 6:
            assert_same_videos(found, videos)
        else:
            assert len(found) == 5
    assert after > 15
    assert len(live(settings)[1]) == 5
    assert len(collections_of(place.server, f"{prefix}-")) == 4


def test_a_restored_version_that_does_not_find_its_videos_is_not_published(
    place: Place, run: Run, taken: Path, changed: Path
) -> None:
    for engine in ENGINES:
        settings = place.use(engine, "unverified")
        run("sync", changed)
        before = live(settings)[0]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ingest.backup.restore.finds", found_nothing)
            said = run("restore", taken, code=4)
        assert "In the new version, 5 of 5 titles no longer find their own videos" in said
        assert "It was deleted and the live index is unchanged." in said
        assert live(settings)[0] == before
        assert f"failed ({taken}): In the new version" in run("status")


async def found_nothing(*_: object) -> bool:
    return False


@pytest.mark.usefixtures("taken")
def test_an_inconsistent_version_is_not_backed_up(place: Place, run: Run) -> None:
    settings = SearchSettings.from_environment(os.environ)
    generations = Generations(settings.index_dir)
    pointer = generations.pointer()
    assert pointer
    path = generations.folder(pointer.live) / "manifest.json"
    manifest = generations.manifest(pointer.live)
    fewer = msgspec.structs.replace(manifest.counts, passages=1)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, counts=fewer)))
    said = run("snapshot", place.folder / "new.tar", code=4)
    assert "but its manifest says 5 and 1. Rebuild the index" in said
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, schema_version=99)))
    assert "has schema version 99" in run("snapshot", place.folder / "new.tar", code=4)
    assert not (place.folder / "new.tar").exists()


def test_a_running_api_switches_to_a_restored_version_without_an_error(
    small_index: tuple[Path, str], model_dir: Path, folder: Path
) -> None:
    ingest = Ingest(copied(small_index[0], folder / "index"), model_dir.resolve())
    piano = {"video_id": "piano", "title": "Tuning a piano", "transcript": LONG}
    more = write_jsonl(folder / "more.jsonl", [piano])
    with running_api(ingest.index_dir, ingest.model_dir) as api:

        def search() -> tuple[str, list[str]]:
            answer = api.get("/v1/search", query="tuning a piano")
            assert answer.status_code == 200, answer.text
            body = answer.json()
            return body["index_version"], [video["video_id"] for video in body["videos"]]

        first, found = search()
        assert "piano" not in found
        ingest.done("snapshot", folder / "talks.tar")
        ingest.done("sync", more)
        eventually(lambda: search()[1][0] == "piano" or None)
        restoring = ingest.start("restore", folder / "talks.tar")
        while restoring.poll() is None:
            search()
        _, errors = restoring.communicate()
        assert restoring.returncode == 0, errors
        version, found = eventually(lambda: ((now := search())[1][0] != "piano" and now) or None)
        assert version != first
        assert "piano" not in found
