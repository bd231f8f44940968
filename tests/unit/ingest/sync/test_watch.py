import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.sources.folders.watched import WatchedFolder
from ingest.sync.watch import FIRST_PAUSE, LONGEST_PAUSE, Watch


class Runs:
    """Stands in for a sync: keeps what it was run with, and ends with the codes it is given, then with 0."""

    def __init__(self, *codes: int | OSError) -> None:
        self.codes = list(codes)
        self.found: list[WatchedFolder] = []
        self.told: list[str] = []
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
        return Watch(folder, self, self.told.append, clock=lambda: self.now)


def look(watch: Watch, times: int) -> None:
    for _ in range(times):
        watch.look()


def test_what_is_there_is_synced_once_it_has_settled(tmp_path: Path) -> None:
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
def test_any_change_is_a_reason_for_another_run(tmp_path: Path, change: str) -> None:
    for name in ("one.vtt", "two.vtt"):
        (tmp_path / name).write_text("words")
    runs = Runs()
    watch = runs.watch(tmp_path)
    look(watch, 3)
    CHANGES[change](tmp_path / "two.vtt")
    look(watch, 3)
    assert len(runs.sources) == 2


def test_a_file_that_no_source_reads_neither_delays_a_run_nor_starts_one(tmp_path: Path) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    runs = Runs()
    watch = runs.watch(tmp_path)
    for size in range(6):
        (tmp_path / "big.mp4.part").write_text("x" * size)
        watch.look()
    assert len(runs.sources) == 1


def test_a_run_that_fails_is_tried_again_ever_later(tmp_path: Path) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    runs = Runs(*[4] * 8, 1)
    watch = runs.watch(tmp_path)
    look(watch, 2)
    pause = FIRST_PAUSE
    for tries in range(1, 9):
        assert f"exit code 4. It is tried again in {pause / 60:.0f} min" in runs.told[-1]
        runs.now += pause - 1
        look(watch, 3)
        assert len(runs.sources) == tries
        runs.now += 1
        look(watch, 3)
        assert len(runs.sources) == tries + 1
        pause = min(2 * pause, LONGEST_PAUSE)
    assert pause == LONGEST_PAUSE
    assert runs.told[-1] == "Synced. Watching for changes."


def test_a_change_of_the_files_is_tried_at_once_and_begins_the_pauses_anew(tmp_path: Path) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    runs = Runs(4, 4, 3)
    watch = runs.watch(tmp_path)
    look(watch, 2)
    runs.now += FIRST_PAUSE
    watch.look()
    assert "in 2 min" in runs.told[-1]
    (tmp_path / "talk.vtt").write_text("mended")
    look(watch, 2)
    assert len(runs.sources) == 3
    assert "in 1 min" in runs.told[-1]


def test_what_was_synced_before_a_run_failed_is_looked_at_again(tmp_path: Path) -> None:
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
            "was killed by SIGKILL, as by a machine that is out of memory. It is tried again in 1 min",
        ),
        (-11, "The run was killed by SIGSEGV. It is"),
        (-40, "The run was killed by signal 40. It is"),
        (2, "The run ended with exit code 2. It is"),
        (
            OSError(12, "Cannot allocate memory"),
            "could not be started ([Errno 12] Cannot allocate memory). It is",
        ),
    ],
)
def test_however_a_run_fails_it_is_told_and_tried_again(
    tmp_path: Path, ending: int | OSError, told: str
) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    runs = Runs(ending)
    watch = runs.watch(tmp_path)
    look(watch, 2)
    assert told in runs.told[-1]
    runs.now += FIRST_PAUSE
    watch.look()
    assert len(runs.sources) == 2


def test_a_folder_that_cannot_be_read_or_is_empty_is_waited_for_and_told_once(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    runs = Runs()
    watch = runs.watch(folder)
    look(watch, 3)
    assert runs.told == [f"{folder} cannot be read (No such file or directory). It is waited for."]
    folder.mkdir()
    (folder / "notes.txt").write_text("words")
    look(watch, 3)
    assert runs.told[1:] == [f"There is nothing in {folder} that can be read as a source. It is waited for."]
    (folder / "talk.vtt").write_text("words")
    look(watch, 3)
    assert runs.sources == [[folder]]
    assert runs.told[2:] == [f"There is something to read in {folder} now.", "Synced. Watching for changes."]


@pytest.mark.parametrize("target", ["nowhere", "lost.csv"])
def test_a_link_that_leads_nowhere_is_passed_over_and_told_once(tmp_path: Path, target: str) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    lost = tmp_path / "lost.csv"
    lost.symlink_to(tmp_path / target)
    runs = Runs()
    watch = runs.watch(tmp_path)
    look(watch, 4)
    assert runs.sources == [[tmp_path]]
    assert runs.found[0].passed_over == (str(lost),)
    assert [told for told in runs.told if "the link leads nowhere" in told] == runs.told[:1]
    lost.unlink()
    look(watch, 2)
    assert len(runs.sources) == 2
    assert runs.found[1].passed_over == ()


def test_tables_beside_captions_are_told_once(tmp_path: Path) -> None:
    (tmp_path / "talks.csv").write_text("video_id,title\n")
    runs = Runs()
    watch = runs.watch(tmp_path)
    for name in ("one.vtt", "two.vtt", "three.vtt"):
        (tmp_path / name).write_text("words")
        look(watch, 2)
    assert [told for told in runs.told if "tables and captions" in told] == runs.told[:1]
    assert runs.sources == [[tmp_path / "talks.csv", tmp_path]] * 3
