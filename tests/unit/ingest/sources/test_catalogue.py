import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.errors import SourceError
from ingest.rows.row import CheckedRow
from ingest.sources.catalogue import read_catalogue
from retrieval.catalogue.video import Video

DATA = Path(__file__).resolve().parents[4] / "../shared/data"


@pytest.fixture(scope="module")
def real_data() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"the real catalogues are not at {DATA}")
    return DATA


def written(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def video(video_id: str, **fields: object) -> dict[str, object]:
    return {"video_id": video_id, "title": f"Title of {video_id}", "transcript": "words", **fields}


def outcome(rows: Iterator[CheckedRow]) -> tuple[list[Video], Counter[tuple[str, str | None, str]]]:
    videos: list[Video] = []
    problems: Counter[tuple[str, str | None, str]] = Counter()
    for row in rows:
        videos += [row.video] if row.video else []
        problems.update((problem.severity, problem.field, problem.reason_code) for problem in row.problems)
    return videos, problems


def test_sources_are_read_in_order_and_keep_their_problems(tmp_path: Path) -> None:
    table = written(tmp_path / "a.jsonl", video("a1", url="ftp://x"), {"title": "no id"}, video("a2"))
    folder = tmp_path / "captions"
    folder.mkdir()
    (folder / "c1.srt").write_text("00:00:01,000 --> 00:00:02,000\nhi\n\nlost\n", encoding="utf-8")
    (folder / "c2.srt").write_text("", encoding="utf-8")
    rows = list(read_catalogue([folder, table]))
    assert [row.video.video_id if row.video else None for row in rows] == ["c1", None, "a1", None, "a2"]
    assert [[problem.reason_code for problem in row.problems] for row in rows] == [
        ["captions-skipped"],
        ["no-cues"],
        ["bad-url"],
        ["missing"],
        [],
    ]


def test_a_later_row_with_a_known_id_is_rejected_even_from_another_source(tmp_path: Path) -> None:
    first = written(tmp_path / "a.jsonl", video("a1"), video(" a1 ", title="other", transcript=None))
    second = written(tmp_path / "b.jsonl", video("a2"), video("a1"))
    rows = list(read_catalogue([first, second]))
    assert [row.video is None for row in rows] == [False, True, False, True]
    for row in (rows[1], rows[3]):
        (problem,) = row.problems
        assert (problem.severity, problem.field, problem.reason_code) == (
            "rejected",
            "video_id",
            "duplicate-id",
        )
    assert str(rows[3].problems[0]) == (
        f"{second}, line 2, field video_id: "
        f"duplicate id, first used at {first}, line 1; remove one of the two"
    )


def test_a_rejected_row_does_not_take_its_id(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", video("a1", title=" "), video("a1"))
    assert [row.video is None for row in read_catalogue([path])] == [True, False]


def test_a_typo_in_the_last_path_is_reported_before_any_row(tmp_path: Path) -> None:
    good = written(tmp_path / "a.jsonl", video("a1"))
    with pytest.raises(SourceError, match=r"typo\.jsonl: there is no such file"):
        read_catalogue([good, tmp_path / "typo.jsonl"])


def test_rows_are_read_when_they_are_requested(tmp_path: Path) -> None:
    lines = "".join(json.dumps(video(str(number))) + "\n" for number in range(5000))
    path = tmp_path / "truncated.jsonl.gz"
    path.write_bytes(gzip.compress(lines.encode())[:-100])
    rows = read_catalogue([path])
    assert next(rows).video is not None
    with pytest.raises(SourceError, match="is a truncated gzip file"):
        list(rows)


def test_no_paths_give_no_rows() -> None:
    assert list(read_catalogue([])) == []


def test_the_tutorials_catalogue_loads_as_it_is(real_data: Path) -> None:
    videos, problems = outcome(read_catalogue([real_data / "tutorial/video-transcripts.parquet"]))
    assert len(videos) == 83
    assert all(video.published_at for video in videos)
    assert problems == {("note", "transcript", "placeholder-transcript"): 3}
    assert sum(video.transcript is None for video in videos) == 3


def test_the_tutorials_index_loads_without_its_embeddings(real_data: Path) -> None:
    catalogue_rows = read_catalogue([real_data / "tutorial/video-transcripts.parquet"])
    index_rows = read_catalogue([real_data / "tutorial/video-index.parquet"])
    assert outcome(index_rows) == outcome(catalogue_rows)


def test_the_bitcoin_talks_load(real_data: Path) -> None:
    videos, problems = outcome(read_catalogue([real_data / "catalogues/bitcoin.parquet"]))
    assert len(videos) == 1301
    assert problems == {
        ("note", "transcript", "no-transcript"): 4,
        ("warning", "url", "bad-url"): 1,  # It is in angle brackets, as Markdown links are.
    }
    assert sum(video.transcript is None for video in videos) == 4
    assert sum(video.published_at is None for video in videos) == 326
    assert sum(video.url is None for video in videos) == 617 + 1
    assert max(len((video.transcript or "").split()) for video in videos) == 42_428


def test_the_pyvideo_talks_load(real_data: Path) -> None:
    videos, problems = outcome(read_catalogue([real_data / "catalogues/pyvideo.parquet"]))
    assert len(videos) == 21_657
    assert problems == {("note", "transcript", "no-transcript"): 21_657}
    assert len({video.video_id for video in videos}) == 21_657
    assert max(len(video.video_id) for video in videos) == 148
    assert sum(video.title == "Lightning Talks" for video in videos) == 45
