import json
from pathlib import Path

import pytest

from ingest.errors import IngestError, SourceError
from ingest.planning.gate import GateError
from ingest.reports.files import Quarantine, quarantining
from ingest.rows.row import Place, check_row
from tests.support.folders import full_disk

A, B = Path("/a.csv"), Path("/b.csv")


def rejecting(quarantine: Quarantine, *rows: int) -> None:
    for number in rows:
        quarantine.add(check_row({"video_id": "a", "title": None}, place=Place("a.csv", number)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index" / "quarantine.jsonl"


def run(path: Path, sources: list[Path], *rows: int, error: BaseException | None = None) -> None:
    with quarantining(path, sources) as quarantine:
        rejecting(quarantine, *rows)
        if error:
            raise error


def places(path: Path) -> list[str]:
    return [json.loads(line)["place"] for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    "error", [GateError("refused", ()), IngestError("no row"), SourceError("torn"), KeyboardInterrupt()]
)
def test_the_rejected_rows_are_kept_however_a_run_ends(path: Path, error: BaseException) -> None:
    run(path, [A], 1)
    with pytest.raises(type(error)):
        run(path, [A], 2, 3, error=error)
    assert places(path) == ["a.csv, row 2", "a.csv, row 3"]
    assert [*path.parent.iterdir()] == [path]


def test_a_failed_run_without_rejected_rows_keeps_the_earlier_ones(path: Path) -> None:
    run(path, [A], 1)
    with pytest.raises(SourceError):
        run(path, [A], error=SourceError("gone"))
    assert places(path) == ["a.csv, row 1"]


@pytest.mark.parametrize(("sources", "stays"), [([A], True), ([B], True), ([A, B], False), ([B, A], False)])
def test_a_run_without_rejected_rows_deletes_those_of_its_own_sources(
    path: Path, sources: list[Path], *, stays: bool
) -> None:
    run(path, [A, B], 1)
    run(path, sources)
    assert path.exists() is stays
    assert len([*path.parent.iterdir()]) == stays


def test_sources_are_named_independently_of_the_working_directory(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(path, [tmp_path / "talks.csv", Path("youtube:@handle")], 1)
    assert json.loads(path.read_text())["sources"] == [f"{tmp_path}/talks.csv", "youtube:@handle"]
    monkeypatch.chdir(tmp_path)
    run(path, [Path("talks.csv"), Path("youtube:@handle")])
    assert not path.exists()


@pytest.mark.parametrize("content", ['{"place": "a.csv, row 1"}\n', "[]\n", "{torn", "", '{"sources": 7}\n'])
def test_a_file_without_sources_is_deleted_by_the_next_run(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content)
    run(path, [A])
    assert not path.exists()


def test_a_full_disk_hides_neither_the_runs_own_error_nor_the_earlier_rows(path: Path) -> None:
    run(path, [A], 1)
    with full_disk(), pytest.raises(GateError):
        run(path, [A], 2, error=GateError("refused", ()))
    assert places(path) == ["a.csv, row 1"]
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize("rows", [1, 1000])
def test_a_full_disk_fails_a_run_that_has_no_other_error(path: Path, rows: int) -> None:
    run(path, [A], 1)
    with full_disk(), pytest.raises(OSError, match="File too large"):
        run(path, [A], *range(rows))
    assert places(path) == ["a.csv, row 1"]
    assert [*path.parent.iterdir()] == [path]


def test_a_folder_that_cannot_be_written_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file")
    with pytest.raises(IngestError, match=r"Cannot write .* Nothing was changed"):
        run(tmp_path / "index" / "quarantine.jsonl", [A])
