import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sources.captions import decoding, json_dumps
from ingest.sources.captions.json_dumps import read_dump
from ingest.sources.captions.json_transcripts import parse_json_transcripts
from tests.support.reading import checked_rows as check

PIECES = [{"text": "hello", "start": 0.5, "duration": 2.0}, {"text": "to you", "start": 2.5, "duration": 1}]
DUMP: list[Any] = [
    [*PIECES, {"title": '\u65e5\u672c \\ " ]}'}],
    {"video_id": "two", "snippets": PIECES},
    "could not be fetched",
    {"three": PIECES, "four": {"segments": PIECES}},
    [],
    12.5,
]


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every file for a large one, and read a few characters at a time."""
    monkeypatch.setattr(decoding, "MAX_FILE_BYTES", 10)
    monkeypatch.setattr(json_dumps, "LARGE_DUMP_BYTES", 10)
    monkeypatch.setattr(json_dumps, "CHUNK_CHARACTERS", 7)
    monkeypatch.setattr(json_dumps, "MAX_ENTRY_CHARACTERS", 2000)


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding, "surrogatepass"))
    return path


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("document", [DUMP, {"a": PIECES, "b": {"snippets": PIECES}, "c": []}])
def test_a_large_dump_is_read_entry_by_entry(
    document: Any, indent: int | None, encoding: str, tmp_path: Path
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    path = written(tmp_path / "dump.json", f" {text}\n", encoding)
    assert list(read_dump(path)) == parse_json_transcripts(text)
    videos = [row.video for row in check(path) if row.video]
    assert [video.transcript for video in videos] == ["hello to you"] * (
        2 if isinstance(document, dict) else 4
    )
    assert len({video.video_id for video in videos}) == len(videos)


entries = st.lists(st.sampled_from(PIECES) | st.just({"title": "T"}), max_size=4) | st.fixed_dictionaries(
    {"segments": st.lists(st.sampled_from(PIECES), max_size=3)}
)


@given(st.lists(entries, min_size=1, max_size=6).filter(any))
def test_reading_by_entries_gives_the_same_as_reading_at_once(
    tmp_path_factory: pytest.TempPathFactory, document: list[Any]
) -> None:
    path = written(tmp_path_factory.mktemp("dump") / "dump.json", json.dumps(document))
    assert list(read_dump(path)) == parse_json_transcripts(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "videos", "code", "told"),
    [
        (json.dumps([PIECES, PIECES])[:-30], 1, "invalid-json", "is not JSON from its entry 2 on ("),
        (json.dumps([PIECES]) + "]", 1, "invalid-json", "is not JSON from its entry 2 on ("),
        (json.dumps([PIECES, PIECES]).replace("], [", "] ["), 1, "invalid-json", "from its entry 2 on ("),
        ('{"a": [], 7: []}', 0, "invalid-json", "from its entry 1 on ("),
        ('{"a" []}        ', 0, "invalid-json", "from its entry 1 on ("),
        (
            "7777777777777777",
            0,
            "not-a-transcript",
            "is larger than 0 MiB, and neither a list of transcripts",
        ),
        (json.dumps(PIECES), 0, "too-large", "is one transcript of more than 0 MiB"),
        (json.dumps({"segments": PIECES}), 0, "too-large", "is one transcript of more than 0 MiB"),
        (json.dumps({"id": "a", "segments": PIECES}), 0, "not-a-transcript", "neither a list of transcripts"),
        (json.dumps([[PIECES[0]] * 100]), 0, "too-large", "has an entry of more than 2,000 characters"),
        (json.dumps([7] * 30), 0, "not-a-transcript", "neither a list of transcripts"),
        ("[" * 20_000, 0, "too-large", "has an entry of more than"),
        ("[[" + "9" * 5000 + "]]", 0, "too-large", "has an entry of more than"),
        ("                ", 0, "invalid-json", "is not JSON from its entry 1 on (it is empty)"),
    ],
)
def test_an_invalid_dump_is_refused_after_the_rows_before_the_fault(
    text: str, videos: int, code: str, told: str, tmp_path: Path
) -> None:
    rows = check(written(tmp_path / "dump.json", text))
    assert sum(row.video is not None for row in rows) == videos
    (problem,) = rows[-1].problems
    assert (problem.severity, problem.reason_code) == ("rejected", code)
    assert told in problem.message


@pytest.mark.parametrize("document", [PIECES, {"segments": PIECES}])
def test_a_large_file_with_one_transcript_is_read_at_once(
    document: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MAX_FILE_BYTES", 10_000)
    (row,) = check(written(tmp_path / "a.json", json.dumps(document)))
    assert row.video is not None
    assert (row.video.video_id, row.video.transcript) == ("a", "hello to you")


def test_an_invalid_byte_replaces_one_character(tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_bytes(json.dumps([PIECES, PIECES]).encode().replace(b"hello", b"h\xe9llo", 1))
    first, second = check(path)
    assert first.video is not None
    assert first.video.transcript == "h\ufffdllo to you"
    assert "damaged-text" in [problem.reason_code for problem in first.problems]
    assert second.video is not None
