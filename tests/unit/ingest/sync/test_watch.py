import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.sources.folders.watched import WatchedFolder
from ingest.sync.watch import FIRST_PAUSE, LONGEST_PAUSE, Watch
from retrieval.catalogue.wording import duration


class Runs:
    """A stand-in for syncs: records them, and returns the given exit codes, then 0."""

    def __init__(self, *codes: int | OSError) -> None:
        self.codes = list(codes)
        self.found: list[WatchedFolder] = []
        self.logged: list[str] = []
        self.now = 0.0

    def __call__(self, found: WatchedFolder) -> int:
        self.found.append(found)
        code = self.codes.pop(0) if self.codes else 0
        if isinstance(code, OSError):
            raise code
        return code

    @property
    def sources(self) -> list[list[Path]]:
        return [list(found.sources) for found in self.found]

    def watch(self, folder: Path) -> Watch:
        return Watch(folder, self, self.logged.append, clock=lambda: self.now)


def look(watch: Watch, times: int) -> None:
    for _ in range(times):
        watch.look()


def test_a_folder_is_synced_once_it_has_settled(tmp_path: Path) -> None:
    runs = Runs()
    watch = runs.watch(tmp_path)
    watch.look()
    (tmp_path / "talk.vtt").write_text("half")
    watch.look()
    (tmp_path / "talk.vtt").write_text("half and the other half")
    watch.look()
    assert runs.sources == []
    look(watch, 2)
    assert runs.sources == [[tmp_path]]


def replaced(path: Path) -> None:
    """Put another file of the same length and date in a file's place."""
    before = path.stat()
    other = path.with_name(".other")
    other.write_text(path.read_text()[::-1])
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def rewritten(path: Path) -> None:
    """Write as many other bytes, and put the date back."""
    before = path.stat()
    path.write_text(path.read_text()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "added": lambda path: path.with_name("three.vtt").write_text("words"),
    "longer": lambda path: path.write_text("other words"),
    "removed": Path.unlink,
    "replaced": replaced,
    "rewritten": rewritten,
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_starts_another_run(tmp_path: Path, change: str) -> None:
    for name in ("one.vtt", "two.vtt"):
        (tmp_path / name).write_text("words")
    runs = Runs()
    watch = runs.watch(tmp_path)
    look(watch, 3)
    CHANGES[change](tmp_path / "two.vtt")
    look(watch, 3)
    assert len(runs.sources) == 2


def test_a_file_that_is_not_a_source_neither_delays_nor_starts_a_run(tmp_path: Path) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    runs = Runs()
    watch = runs.watch(tmp_path)
    for size in range(6):
        (tmp_path / "big.mp4.part").write_text("x" * size)
        watch.look()
    assert len(runs.sources) == 1


def test_a_failed_run_is_retried_after_longer_and_longer_pauses(tmp_path: Path) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    runs = Runs(*[4] * 8, 1)
    watch = runs.watch(tmp_path)
    look(watch, 2)
    pause = FIRST_PAUSE
    for tries in range(1, 9):
        assert f"exit code 4. Retrying in {duration(pause)}" in runs.logged[-1]
        runs.now += pause - 1
        look(watch, 3)
        assert len(runs.sources) == tries
        runs.now += 1
        look(watch, 3)
        assert len(runs.sources) == tries + 1
        pause = min(2 * pause, LONGEST_PAUSE)
    assert pause == LONGEST_PAUSE
    assert runs.logged[-1] == "Synced. Watching for changes."


def test_a_change_of_the_files_is_synced_at_once_and_resets_the_pauses(tmp_path: Path) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    runs = Runs(4, 4, 3)
    watch = runs.watch(tmp_path)
    look(watch, 2)
    runs.now += FIRST_PAUSE
    watch.look()
    assert "in 2 min" in runs.logged[-1]
    (tmp_path / "talk.vtt").write_text("mended")
    look(watch, 2)
    assert len(runs.sources) == 3
    assert "in 1 min" in runs.logged[-1]


def test_after_a_failed_run_the_last_synced_state_is_synced_again(tmp_path: Path) -> None:
    talk = tmp_path / "talk.vtt"
    talk.write_text("words")
    runs = Runs(0, 4)
    watch = runs.watch(tmp_path)
    look(watch, 2)
    kept = talk.rename(tmp_path / ".kept")
    talk.write_text("worse")
    look(watch, 2)
    talk.unlink()
    kept.rename(talk)
    look(watch, 2)
    assert len(runs.sources) == 3


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        (
            -9,
            "was killed by SIGKILL, possibly because memory ran out. Retrying in 1 min",
        ),
        (-11, "The run was killed by SIGSEGV. Retrying"),
        (-40, "The run was killed by signal 40. Retrying"),
        (2, "The run ended with exit code 2. Retrying"),
        (
            OSError(12, "Cannot allocate memory"),
            "could not be started ([Errno 12] Cannot allocate memory). Retrying",
        ),
    ],
)
def test_every_kind_of_failure_is_logged_and_retried(
    tmp_path: Path, ending: int | OSError, told: str
) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    runs = Runs(ending)
    watch = runs.watch(tmp_path)
    look(watch, 2)
    assert told in runs.logged[-1]
    runs.now += FIRST_PAUSE
    watch.look()
    assert len(runs.sources) == 2


def test_an_unreadable_or_empty_folder_is_logged_once_and_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    runs = Runs()
    watch = runs.watch(folder)
    look(watch, 3)
    assert runs.logged == [f"Cannot read {folder} (No such file or directory). Waiting until it can be read."]
    folder.mkdir()
    (folder / "notes.txt").write_text("words")
    look(watch, 3)
    assert runs.logged[1:] == [f"{folder} contains no readable source. Waiting for one."]
    (folder / "talk.vtt").write_text("words")
    look(watch, 3)
    assert runs.sources == [[folder]]
    assert runs.logged[2:] == [f"{folder} now contains a readable source.", "Synced. Watching for changes."]


@pytest.mark.parametrize("target", ["nowhere", "lost.csv"])
def test_a_broken_link_is_skipped_and_logged_once(tmp_path: Path, target: str) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    lost = tmp_path / "lost.csv"
    lost.symlink_to(tmp_path / target)
    runs = Runs()
    watch = runs.watch(tmp_path)
    look(watch, 4)
    assert runs.sources == [[tmp_path]]
    assert runs.found[0].passed_over == (str(lost),)
    assert [line for line in runs.logged if "the link is broken" in line] == runs.logged[:1]
    lost.unlink()
    look(watch, 2)
    assert len(runs.sources) == 2
    assert runs.found[1].passed_over == ()


def test_tables_beside_captions_are_logged_once(tmp_path: Path) -> None:
    (tmp_path / "talks.csv").write_text("video_id,title\n")
    runs = Runs()
    watch = runs.watch(tmp_path)
    for name in ("one.vtt", "two.vtt", "three.vtt"):
        (tmp_path / name).write_text("words")
        look(watch, 2)
    assert [line for line in runs.logged if "tables and captions" in line] == runs.logged[:1]
    assert runs.sources == [[tmp_path / "talks.csv", tmp_path]] * 3
