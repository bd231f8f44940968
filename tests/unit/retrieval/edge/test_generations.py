import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from retrieval import durable_files
from retrieval.edge import generations
from retrieval.edge.generations import MANIFEST_FILE, POINTER_FILE, Generations, Pointer
from retrieval.errors import IndexUnavailableError, UnreadableVersionError
from tests.support.embedded_videos import manifest_of


class CrashError(BaseException):
    """A power failure, which no code may catch."""


@pytest.fixture
def versions(tmp_path: Path) -> Generations:
    return Generations(tmp_path / "index")


def build(versions: Generations, content: str, *, copy_of: str | None = None) -> Path:
    folder = versions.start(copy_of=copy_of)
    (folder / "videos").mkdir(exist_ok=True)
    (folder / "videos" / "data").write_text(content)
    return folder


def publish(versions: Generations, content: str = "") -> str:
    folder = build(versions, content)
    versions.publish(folder, manifest_of((), version=folder.name))
    return folder.name


def finished(versions: Generations) -> set[str]:
    return {folder.name for folder in (versions.index_dir / "generations").iterdir()}


def unfinished(versions: Generations) -> list[Path]:
    building = versions.index_dir / "building"
    return list(building.iterdir()) if building.exists() else []


def live_content(versions: Generations) -> str:
    pointer = versions.pointer()
    assert pointer is not None
    assert versions.manifest(pointer.live).index_version == pointer.live
    return (versions.folder(pointer.live) / "videos" / "data").read_text()


def test_opening_generations_creates_nothing(tmp_path: Path) -> None:
    versions = Generations(tmp_path / "index")
    assert versions.pointer() is None
    assert list(tmp_path.iterdir()) == []


def test_the_previous_generation_is_kept_and_older_ones_are_deleted(versions: Generations) -> None:
    names = [publish(versions, str(n)) for n in range(4)]
    assert len(set(names)) == 4
    assert versions.pointer() == Pointer(live=names[3], previous=names[2])
    assert finished(versions) == {names[2], names[3]}
    assert live_content(versions) == "3"


def test_rolling_back_to_a_deleted_generation_is_refused(versions: Generations) -> None:
    one, two = publish(versions, "one"), publish(versions, "two")
    shutil.rmtree(versions.folder(one))
    with pytest.raises(IndexUnavailableError, match="no previous version"):
        versions.roll_back()
    assert versions.pointer() == Pointer(live=two, previous=one)
    assert live_content(versions) == "two"


def test_rolling_back_to_a_generation_that_cannot_be_read_is_refused(versions: Generations) -> None:
    one, two = publish(versions, "one"), publish(versions, "two")
    (versions.folder(one) / MANIFEST_FILE).write_bytes(b"{")
    with pytest.raises(UnreadableVersionError, match=one):
        versions.roll_back()
    assert versions.pointer() == Pointer(live=two, previous=one)


def test_a_copy_starts_with_the_files_and_shares_none(versions: Generations) -> None:
    one = publish(versions, "one")
    folder = versions.start(copy_of=one)
    copied = folder / "videos" / "data"
    assert copied.read_text() == "one"
    copied.write_text("changed")
    assert live_content(versions) == "one"
    versions.publish(folder, manifest_of((), version=folder.name))
    assert live_content(versions) == "changed"


def test_starting_deletes_unfinished_generations(versions: Generations) -> None:
    publish(versions, "one")
    left = build(versions, "half")
    folder = versions.start()
    assert folder != left
    assert unfinished(versions) == [folder]
    assert list(folder.iterdir()) == []
    assert live_content(versions) == "one"


def test_a_finished_generation_without_a_pointer_is_deleted_by_the_next_publish(
    versions: Generations,
) -> None:
    one = publish(versions, "one")
    orphan = versions.folder("20990101T000000Z-ffffff")
    build(versions, "orphan").rename(orphan)
    assert versions.pointer() == Pointer(live=one)
    two = publish(versions, "two")
    assert versions.pointer() == Pointer(live=two, previous=one)
    assert finished(versions) == {one, two}


def fail_power(*_: object, **__: object) -> None:
    raise CrashError


def half_write_the_pointer(path: Path, content: bytes) -> None:
    if path.name == POINTER_FILE:
        path.with_name(".CURRENT.1").write_bytes(content[:5])
        raise CrashError
    durable_files.replace_file(path, content)


@pytest.mark.parametrize(
    ("owner", "step", "crash"),
    [
        pytest.param(generations, "replace_file", fail_power, id="before the manifest"),
        pytest.param(generations, "sync_tree", fail_power, id="before the sync"),
        pytest.param(Path, "rename", fail_power, id="before the rename"),
        pytest.param(generations, "sync_folder", fail_power, id="after the rename"),
        pytest.param(generations, "replace_file", half_write_the_pointer, id="in the pointer"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_crash_at_any_moment_leaves_the_live_generation(
    versions: Generations, *, owner: object, step: str, crash: Callable[..., None], first: bool
) -> None:
    before = None if first else Pointer(live=publish(versions, "one"))
    folder = build(versions, "two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, step, crash)
        with pytest.raises(CrashError):
            versions.publish(folder, manifest_of((), version=folder.name))
    again = Generations(versions.index_dir)
    assert again.pointer() == before
    if before:
        assert live_content(again) == "one"
    three = publish(again, "three")
    assert live_content(again) == "three"
    assert unfinished(again) == []
    assert finished(again) == {three} | ({before.live} if before else set())


def test_after_a_crash_during_deletion_the_new_generation_is_live(
    versions: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(versions, "one")
    publish(versions, "two")
    folder = build(versions, "three")
    monkeypatch.setattr(generations.shutil, "rmtree", fail_power)
    with pytest.raises(CrashError):
        versions.publish(folder, manifest_of((), version=folder.name))
    monkeypatch.undo()
    assert live_content(versions) == "three"
    publish(versions, "four")
    assert len(finished(versions)) == 2


def test_the_pointer_is_switched_only_after_everything_is_durable(
    versions: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []

    def recorded(name: str) -> None:
        real = getattr(durable_files, name)

        def step(path: Path, *rest: object) -> None:
            done.append((name, path.name))
            real(path, *rest)

        monkeypatch.setattr(generations, name, step)

    for name in ("replace_file", "sync_tree", "sync_folder"):
        recorded(name)
    built = publish(versions, "one")
    assert done == [
        ("replace_file", MANIFEST_FILE),
        ("sync_tree", built),
        ("sync_folder", "generations"),
        ("replace_file", POINTER_FILE),
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"null", b'{"live": 3}', b'{"previous": "x"}', b"\xff\xfe"])
def test_a_damaged_pointer_is_an_error_that_names_the_file(versions: Generations, content: bytes) -> None:
    publish(versions, "one")
    path = versions.index_dir / POINTER_FILE
    path.write_bytes(content)
    with pytest.raises(IndexUnavailableError, match=str(path)):
        versions.pointer()
    with pytest.raises(IndexUnavailableError, match=str(path)):
        versions.roll_back()


def test_a_generation_can_be_published_over_a_damaged_pointer(versions: Generations) -> None:
    one = publish(versions, "one")
    (versions.index_dir / POINTER_FILE).write_bytes(bytes(40))
    versions.discard_unused()
    assert finished(versions) == {one}
    two = publish(versions, "two")
    assert versions.pointer() == Pointer(live=two)


def test_an_unreadable_pointer_is_an_error_and_not_a_missing_index(versions: Generations) -> None:
    (versions.index_dir / POINTER_FILE).mkdir(parents=True)
    with pytest.raises(IndexUnavailableError, match=POINTER_FILE):
        versions.pointer()


def test_a_damaged_manifest_is_an_error_that_names_the_file(versions: Generations) -> None:
    name = publish(versions, "one")
    path = versions.folder(name) / MANIFEST_FILE
    for content in (b"", b"{}", path.read_bytes()[:-20]):
        path.write_bytes(content)
        with pytest.raises(IndexUnavailableError, match=str(path)):
            versions.manifest(name)
    path.unlink()
    with pytest.raises(IndexUnavailableError, match=str(path)):
        versions.manifest(name)
    with pytest.raises(IndexUnavailableError, match="absent"):
        versions.manifest("absent")


def test_the_manifest_is_the_one_published(versions: Generations) -> None:
    folder = build(versions, "one")
    manifest = manifest_of((), version=folder.name, canaries=("猫", "a"))
    (folder / MANIFEST_FILE).write_bytes(b"of the version this one is a copy of")
    versions.publish(folder, manifest)
    assert versions.manifest(folder.name) == manifest
    assert msgspec.json.decode((versions.folder(folder.name) / MANIFEST_FILE).read_bytes())["distance"]


def test_remains_of_killed_runs_are_discarded(versions: Generations) -> None:
    one, two = publish(versions, "one"), publish(versions, "two")
    build(versions, "three")
    moved = versions.folder("moved-and-never-live")
    moved.mkdir()
    (versions.index_dir / f".{POINTER_FILE}.1234").write_text("half a poin")
    (versions.index_dir / "lock").touch()
    versions.discard_unused()
    assert versions.pointer() == Pointer(live=two, previous=one)
    assert finished(versions) == {one, two}
    assert unfinished(versions) == []
    assert {path.name for path in versions.index_dir.iterdir()} == {POINTER_FILE, "generations", "lock"}


def test_without_a_pointer_no_finished_generation_is_discarded(versions: Generations) -> None:
    versions.discard_unused()
    one = publish(versions, "one")
    build(versions, "two")
    (versions.index_dir / POINTER_FILE).unlink()
    versions.discard_unused()
    assert finished(versions) == {one}
    assert unfinished(versions) == []
