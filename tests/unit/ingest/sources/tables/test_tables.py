import csv
import gzip
import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ingest.errors import SourceError
from ingest.rows.row import CheckedRow, RawRow
from ingest.sources.opening import open_source
from ingest.sources.tables import tables
from ingest.sources.tables import text as table_text
from ingest.sources.tables.parquet import SLICE_ROWS
from tests.support.reading import checked_rows as check

ROWS: list[dict[str, Any]] = [
    {"video_id": "a1", "title": "First, with a comma", "transcript": 'said "so"\nand left'},
    {"video_id": "ü2", "title": "日本語", "transcript": None},
]


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pl.DataFrame(rows).write_parquet(path)
    return path


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


WRITERS = [
    pytest.param(write_parquet, "videos.parquet", id="parquet"),
    pytest.param(write_csv, "VIDEOS.CSV", id="csv"),
    pytest.param(write_jsonl, "videos.jsonl", id="jsonl"),
]
Write = Callable[[Path, list[dict[str, Any]]], Path]


def read(path: Path) -> list[RawRow]:
    return list(open_source(path).rows())


def codes(rows: list[CheckedRow]) -> list[list[tuple[str, str]]]:
    return [[(problem.severity, problem.reason_code) for problem in row.problems] for row in rows]


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_all_kinds_of_tables_give_the_same_rows(write: Write, name: str, tmp_path: Path) -> None:
    first, second = check(write(tmp_path / name, ROWS))
    assert first.video is not None
    assert second.video is not None
    assert (first.video.video_id, first.video.title, first.video.transcript) == tuple(ROWS[0].values())
    assert (second.video.video_id, second.video.title, second.video.transcript) == tuple(ROWS[1].values())


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_a_missing_required_column_is_reported_with_the_existing_ones(
    write: Write, name: str, tmp_path: Path
) -> None:
    path = write(tmp_path / name, [{"id": "a1", "title": "First"}])
    with pytest.raises(SourceError) as caught:
        open_source(path)
    assert str(caught.value) == (
        f"{path}: has no column video_id; its columns are 'id', 'title', required are video_id, title: "
        "rename or add the missing ones"
    )


@pytest.mark.parametrize("count", [0, 1, SLICE_ROWS - 1, SLICE_ROWS, SLICE_ROWS + 1, 3 * SLICE_ROWS])
def test_parquet_rows_are_numbered_across_slices(count: int, tmp_path: Path) -> None:
    ids = [str(number) for number in range(1, count + 1)]
    path = tmp_path / "videos.parquet"
    pl.DataFrame(
        {"video_id": ids, "title": ids}, schema={"video_id": pl.String, "title": pl.String}
    ).write_parquet(path, row_group_size=100)
    rows = read(path)
    assert [row.place.row for row in rows] == list(range(1, count + 1))
    assert [row.values["video_id"] for row in rows if row.values] == ids


def test_only_the_catalogues_columns_of_parquet_are_read(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "videos.parquet", [ROWS[0] | {"title_embedding-0": 0.5, "note": "x"}])
    assert [set(row.values or ()) for row in read(path)] == [{"video_id", "title", "transcript"}]


def test_parquet_values_keep_their_types(tmp_path: Path) -> None:
    path = tmp_path / "a=b*[c].parquet"
    pl.DataFrame(
        {
            "video_id": [12],
            "title": pl.Series(["First"], dtype=pl.Categorical),
            "datetime": [datetime(2024, 5, 30, 15, 41, 30)],  # noqa: DTZ001
            "duration": [90],
            "tags": [["a", "b"]],
            "cues": [[{"start": 0.0, "end": 1.5, "text": "one"}, {"start": 1.5, "end": 2.0, "text": "two"}]],
        }
    ).write_parquet(path)
    (row,) = check(path)
    assert row.problems == ()
    assert row.video is not None
    assert row.video.video_id == "12"
    assert str(row.video.published_at) == "2024-05-30 15:41:30+00:00"
    assert (row.video.duration, row.video.tags, row.video.transcript) == (90.0, ("a", "b"), "one two")


@pytest.mark.parametrize(
    "dates",
    [
        pl.Series([0, 10**18]).cast(pl.Datetime("us")),
        pl.Series([0, 10**17]).cast(pl.Datetime("ms", "UTC")),
        pl.Series([0, 10**7], dtype=pl.Int32).cast(pl.Date),
        pl.Series([0, 2**31 - 1], dtype=pl.Int32).cast(pl.Date),
    ],
)
def test_a_parquet_date_outside_pythons_range_is_left_out_of_its_row(
    dates: pl.Series, tmp_path: Path
) -> None:
    path = tmp_path / "videos.parquet"
    pl.DataFrame({"video_id": ["a1", "a2"], "title": ["x", "y"], "published_at": dates}).write_parquet(path)
    first, second = check(path)
    assert first.video is not None
    assert first.video.published_at is not None
    assert first.video.published_at.date() == date(1970, 1, 1)
    assert second.video is not None
    assert second.video.published_at is None
    assert second.problems[0].reason_code == "bad-date"
    assert "since 1970' is not a date" in second.problems[0].message


@pytest.mark.parametrize("kind", [pl.Decimal(20, 0), pl.Decimal(20, 3), pl.Int64, pl.UInt64, pl.Int128])
def test_parquet_ids_that_are_whole_numbers_are_their_digits(kind: Any, tmp_path: Path) -> None:
    path = tmp_path / "videos.parquet"
    ids = pl.Series([1200, None, 7], dtype=pl.Int64).cast(kind)
    pl.DataFrame({"video_id": ids, "title": ["a", "b", "c"]}).write_parquet(path)
    rows = check(path)
    assert [row.video.video_id if row.video else None for row in rows] == ["1200", None, "7"]
    assert rows[1].problems[0].reason_code == "missing"


def test_a_parquet_decimal_with_a_fraction_is_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "videos.parquet"
    decimals = pl.Series(["12.5"]).cast(pl.Decimal(9, 2))
    pl.DataFrame({"video_id": decimals, "title": ["a"], "duration": decimals}).write_parquet(path)
    (row,) = check(path)
    assert row.video is not None
    assert (row.video.video_id, row.video.duration) == ("12.50", 12.5)


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_columns_may_be_written_otherwise(write: Write, name: str, tmp_path: Path) -> None:
    row = {"Video ID": "a1", "TITLE": "Other", "title": "First", "publishedAt": "2024-05-30", " Tags ": "a;b"}
    (checked,) = check(write(tmp_path / name, [row]))
    video = checked.video
    assert video is not None
    # A column that has the very name keeps it for itself.
    assert (video.video_id, video.title, video.tags) == ("a1", "First", ("a", "b"))
    assert str(video.published_at) == "2024-05-30 00:00:00+00:00"


def test_two_parquet_columns_for_one_are_reported(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "v.parquet", [{"video_id": "a", "Title": "b", "TITLE": "c"}])
    with pytest.raises(SourceError, match="has more than one column title; remove or rename one"):
        open_source(path)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_csv_may_have_other_delimiters(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "videos.csv"
    lines = ["\ufeffVideo_ID|Title|Tags", 'a1|"one, and | more"|x,y', "a2|two|x|y"]
    path.write_text("\n".join(lines).replace("|", delimiter), encoding="utf-8")
    first, second = check(path)
    assert first.video is not None
    assert (first.video.title, first.video.tags) == (f"one, and {delimiter} more", ("x", "y"))
    name = {";": "semicolon", "\t": "tab"}[delimiter]
    assert (
        second.problems[0].message == f"has 4 cells, but the header has 3; quote cells that contain a {name}"
    )


def test_damage_inside_a_parquet_file_is_reported_while_reading(tmp_path: Path) -> None:
    path = tmp_path / "videos.parquet"
    noise = [str(hash((number, "salt"))) for number in range(20_000)]
    pl.DataFrame({"video_id": noise, "title": noise}).write_parquet(path, compression="zstd")
    data = bytearray(path.read_bytes())
    data[1000:9000] = bytes(8000)
    path.write_bytes(data)
    source = open_source(path)
    with pytest.raises(SourceError, match=r"videos\.parquet: is not a readable parquet file"):
        list(source.rows())


def test_csv_places_are_lines_and_cells_stay_texts(tmp_path: Path) -> None:
    path = tmp_path / "videos.csv"
    path.write_text('video_id, title ,tags\n\n007,"two\nlines",a;b\n1e3,x,\n', encoding="utf-8")
    first, second = check(path)
    assert (first.place.row, second.place.row, first.place.unit) == (3, 5, "line")
    assert first.video is not None
    assert (first.video.video_id, first.video.title, first.video.tags) == ("007", "two\nlines", ("a", "b"))
    assert second.video is not None
    assert second.video.video_id == "1e3"


def test_a_csv_row_with_too_many_cells_is_rejected_and_the_rest_read(tmp_path: Path) -> None:
    path = tmp_path / "videos.csv"
    path.write_bytes(
        b"video_id,title\r\na1,one\r\na2,two,too many\r\na3\r\n"
        b'a4,"bad" quotes\r\na5,five\r\na6,"open\r\na7,seven\r\n'
    )
    rows = check(path)
    note = ("note", "no-transcript")
    assert codes(rows) == [
        [note],
        [("rejected", "ragged-row")],
        [("rejected", "ragged-row")],
        [("rejected", "invalid-csv")],
        [note],
        [("rejected", "invalid-csv")],
    ]
    assert str(rows[1].problems[0]) == (
        f"{path}, line 3: has 3 cells, but the header has 2; quote cells that contain a comma"
    )
    assert rows[5].place.row == 7
    assert "up to line 8" in rows[5].problems[0].message


def test_a_csv_cell_may_be_longer_than_pythons_limit(tmp_path: Path) -> None:
    long = "word " * 100_000
    path = write_csv(tmp_path / "videos.csv", [{"video_id": "a1", "title": "x", "transcript": long}])
    (row,) = check(path)
    assert row.video is not None
    assert row.video.transcript == long


def test_a_csv_cell_past_our_limit_is_one_rejected_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = csv.field_size_limit()
    monkeypatch.setattr(tables, "MAX_CELL_CHARACTERS", 100)
    path = tmp_path / "videos.csv"
    path.write_text(f"video_id,title\na1,{'x' * 101}\na2,two\n", encoding="utf-8")
    try:
        rows = check(path)
    finally:
        csv.field_size_limit(limit)
    assert [row.video is None for row in rows] == [True, False]
    assert rows[0].problems[0].reason_code == "invalid-csv"


def test_text_tables_that_are_not_utf_8_keep_their_rows(tmp_path: Path) -> None:
    in_csv, in_jsonl = tmp_path / "videos.csv", tmp_path / "videos.jsonl"
    in_csv.write_bytes(b"video_id,title\na1,Caf\xe9\n")
    in_jsonl.write_bytes(b'\xef\xbb\xbf{"video_id": "a1", "title": "Caf\xe9"}\n')
    for path in (in_csv, in_jsonl):
        (row,) = check(path)
        assert row.video is not None
        assert row.video.title == "Caf\ufffd"
        assert row.problems[0].reason_code == "damaged-text"


def test_an_invalid_jsonl_line_is_one_rejected_row_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "videos.jsonl"
    good = '{"video_id": "a\u2028", "title": "x\u2028y"}'
    lines = [
        "",
        good,
        '{"video_id": ',
        "[1, 2]",
        "[" * 100_000,
        "9" * 5000,
        '{"video_id": "b", "title": "z"}',
    ]
    path.write_bytes("\r\n".join(lines).encode())
    rows = check(path)
    assert [row.place.row for row in rows] == [2, 3, 4, 5, 6, 7]
    assert codes(rows)[1:5] == [
        [("rejected", "invalid-json")],
        [("rejected", "not-an-object")],
        [("rejected", "invalid-json")],
        [("rejected", "invalid-json")],
    ]
    assert str(rows[1].problems[0]) == (
        f"{path}, line 3: is not JSON (Expecting value, character 13); write one object per line"
    )
    assert rows[5].video is not None


def test_jsonl_rows_may_each_have_other_keys(tmp_path: Path) -> None:
    rows = [{"video_id": "a1"}, {"video_id": "a2", "title": "x", "url": "https://a.b/c"}]
    checked = check(write_jsonl(tmp_path / "videos.jsonl", rows))
    assert [row.video is None for row in checked] == [True, False]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("v.parquet", b"", "is not a readable parquet file"),
        ("v.parquet", b"video_id,title\na1,one\n", "is not a readable parquet file"),
        ("v.csv", b"", "is empty"),
        ("v.csv", b"\xef\xbb\xbf", "is empty"),
        ("v.csv", b"\n\n", "its columns are none"),
        ("v.csv", b"video_id|title\na1|one\n", "its columns are 'video_id|title'"),
        ("v.csv", b"video_id;name\na1;one\n", "its columns are 'video_id;name'"),
        ("v.csv", b"video_id,Title,TITLE\n", "has more than one column title"),
        ("v.csv", b'"video_id" x,title\n', "the header is not csv"),
        ("v.csv", b"video_id,title,title\n", "has more than one column title"),
        ("v.csv", "video_id,title\n".encode("utf-16"), "is UTF-16"),
        ("v.csv", ",".join(f"c{n}" for n in range(30)).encode(), "'c19' and 10 more"),
        ("v.jsonl", b"", "is empty"),
        ("v.jsonl", '{"video_id": "a"}'.encode("utf-16"), "is UTF-16"),
        ("v.txt", b"x", "ends in .parquet, .csv, .jsonl, .csv.gz, .jsonl.gz or, for captions, in .vtt, .srt"),
        ("v.parquet.gz", b"x", "is gzipped parquet; unpack it, because parquet is compressed already"),
        (
            "v.srt.gz",
            b"x",
            "is gzipped; unpack it: the gzipped files that can be read are .csv.gz, .jsonl.gz",
        ),
        ("v.tsv", b"x", "rename a table with tabs between its cells to .csv"),
        ("v.xlsx", b"x", "is a spreadsheet; save it as csv"),
        ("v", b"x", ", .json3, .json, or a folder of caption files"),
        ("v.info.json", b"{}", "is an info file of yt-dlp about one video; give the folder"),
    ],
)
def test_files_that_are_not_tables_are_reported(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        open_source(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"v\.csv: there is no such file or folder; check the path"):
        open_source(tmp_path / "v.csv")


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_a_file_that_is_deleted_after_opening_is_reported(write: Write, name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, ROWS)
    source = open_source(path)
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        list(source.rows())


def test_a_path_that_is_too_long_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        open_source(tmp_path / ("x" * 5000))


def packed(path: Path, name: str) -> Path:
    gzipped = path.with_name(name)
    gzipped.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    return gzipped


@pytest.mark.parametrize(("write", "name"), WRITERS[1:])
def test_a_gzipped_table_gives_the_same_rows(write: Write, name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, ROWS)
    plain = [row.values for row in read(path)]
    gzipped = packed(path, f"{name}.gz")
    assert [row.values for row in read(gzipped)] == plain
    assert [row.place.file for row in read(gzipped)] == [str(gzipped)] * 2
    # A browser unpacks on the way and leaves the name, or packs and leaves it.
    assert [row.values for row in read(packed(path, f"packed {name}"))] == plain
    gzipped.write_bytes(path.read_bytes())
    assert [row.values for row in read(gzipped)] == plain


@pytest.mark.parametrize(("write", "name"), WRITERS[1:])
@pytest.mark.parametrize("kept", [0.2, 0.6, 0.999])
def test_a_truncated_gzipped_table_is_an_error(write: Write, name: str, kept: float, tmp_path: Path) -> None:
    rows = [{"video_id": str(number), "title": str(hash((number, "x")))} for number in range(20_000)]
    path = packed(write(tmp_path / name, rows), f"{name}.gz")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    source = open_source(path)
    with pytest.raises(SourceError, match="is a truncated gzip file; copy or download it again"):
        list(source.rows())


def test_a_damaged_gzipped_table_is_an_error(tmp_path: Path) -> None:
    rows = [{"video_id": str(number), "title": str(hash((number, "x")))} for number in range(20_000)]
    path = packed(write_csv(tmp_path / "v.csv", rows), "v.csv.gz")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    path.write_bytes(data)
    source = open_source(path)
    with pytest.raises(SourceError, match=r"v\.csv\.gz: is a damaged gzip file \("):
        list(source.rows())
    path.write_bytes(b"\x1f\x8b" + bytes(20))
    with pytest.raises(SourceError, match=r"v\.csv\.gz: is a damaged gzip file \("):
        open_source(path)


@pytest.mark.parametrize(("name", "start"), [("v.csv.gz", "video_id,title\n"), ("v.jsonl.gz", "")])
def test_a_line_without_an_end_is_an_error(
    name: str, start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_text, "MAX_LINE_CHARACTERS", 1000)
    path = tmp_path / name
    path.write_bytes(gzip.compress(f"{start}{'x' * 5000}\n".encode()))
    with pytest.raises(SourceError, match=r"line \d is longer than 1,000 characters; write one row per line"):
        list(open_source(path).rows())
