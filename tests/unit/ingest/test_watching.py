from pathlib import Path

import pytest

from ingest.watching import Watch, sources_of


class Runs:
    """Stands in for a sync: keeps what it was run with, and ends with the codes it is given, then with 0."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.sources: list[list[Path]] = []
        self.told: list[str] = []

    def __call__(self, sources: list[Path]) -> int:
        self.sources.append(sources)
        return self.codes.pop(0) if self.codes else 0


def watching(folder: Path, runs: Runs) -> Watch:
    return Watch(folder, runs, runs.told.append)


def test_what_is_there_is_synced_once_it_has_settled(tmp_path: Path) -> None:
    runs = Runs()
    watch = watching(tmp_path, runs)
    watch.look()
    (tmp_path / "talk.vtt").write_text("half")
    watch.look()
    (tmp_path / "talk.vtt").write_text("half and the other half")
    watch.look()
    assert runs.sources == []
    watch.look()
    watch.look()
    assert runs.sources == [[tmp_path]]


@pytest.mark.parametrize("change", ["added", "rewritten", "removed"])
def test_any_change_is_a_reason_for_another_run(tmp_path: Path, change: str) -> None:
    for name in ("one.vtt", "two.vtt"):
        (tmp_path / name).write_text("words")
    runs = Runs()
    watch = watching(tmp_path, runs)
    for _ in range(3):
        watch.look()
    if change == "removed":
        (tmp_path / "two.vtt").unlink()
    else:
        (tmp_path / ("three.vtt" if change == "added" else "two.vtt")).write_text("other words")
    for _ in range(3):
        watch.look()
    assert len(runs.sources) == 2


def test_a_run_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "talk.vtt").write_text("words")
    runs = Runs(4, 3, 1)
    watch = watching(tmp_path, runs)
    for _ in range(6):
        watch.look()
    assert len(runs.sources) == 3
    assert ["exit code 4" in runs.told[0], "exit code 3" in runs.told[1], "Synced" in runs.told[2]] == [
        True
    ] * 3


def test_a_folder_that_cannot_be_read_for_a_while_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    runs = Runs()
    watch = watching(folder, runs)
    watch.look()
    watch.look()
    folder.mkdir()
    (folder / "talk.vtt").write_text("words")
    watch.look()
    watch.look()
    assert runs.sources == [[folder]]


def test_tables_are_the_sources_of_a_folder_that_has_any(tmp_path: Path) -> None:
    for name in ("b.jsonl.gz", "a.CSV", "talk.vtt", ".c.csv", "notes.txt"):
        (tmp_path / name).write_text("")
    assert sources_of(tmp_path) == [tmp_path / "a.CSV", tmp_path / "b.jsonl.gz"]
