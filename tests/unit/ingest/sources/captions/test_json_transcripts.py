import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sources.captions.decoding import CaptionFileError
from ingest.sources.captions.json_transcripts import parse_json_transcripts
from ingest.sources.captions.subtitles import Transcript
from retrieval.catalogue.video import Cue
from tests.support.reading import checked_rows as check

PIECES: list[dict[str, Any]] = [
    {"text": "hello &amp; welcome", "start": 0.5, "duration": 2.0},
    {"text": "to the\nshow", "start": 2.5, "duration": 1.25},
]
CUES = (Cue(0.5, 2.5, "hello & welcome"), Cue(2.5, 3.75, "to the show"))


def written(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def parse_one(document: object) -> Transcript:
    (transcript,) = parse_json_transcripts(json.dumps(document))
    return transcript


def texts(document: object) -> list[str]:
    return [cue.text for cue in parse_one(document).cues]


@pytest.mark.parametrize("name", ["abc.json", "abc.en.json"])
def test_a_list_of_pieces_is_one_video(name: str, tmp_path: Path) -> None:
    (row,) = check(written(tmp_path / name, PIECES))
    assert row.video is not None
    assert (row.video.video_id, row.video.title, row.video.cues) == ("abc", "abc", CUES)
    assert row.problems == ()


def test_a_list_may_end_with_the_title(tmp_path: Path) -> None:
    (row,) = check(written(tmp_path / "abc.json", [*PIECES, {"title": "A Talk", "channel": "C"}]))
    assert row.video is not None
    assert (row.video.video_id, row.video.title, row.video.channel) == ("abc", "A Talk", "C")
    assert row.video.cues == CUES


def test_each_list_of_a_dump_is_a_video(tmp_path: Path) -> None:
    lists = [
        [*PIECES, {"title": "First"}],
        [{"title": "No captions"}],
        ["could not be fetched"],
        [*PIECES, {"title": "Fourth", "video_id": "four"}],
    ]
    path = written(tmp_path / "dump.json", lists)
    rows = check(path)
    assert [(row.video.video_id, row.video.title) if row.video else None for row in rows] == [
        ("dump-dc18d6bd", "First"),
        ("dump-656f5aec", "No captions"),
        None,
        ("four", "Fourth"),
    ]
    assert [str(row.place) for row in rows] == [f"{path}, row {number}" for number in range(1, 5)]
    assert [[problem.reason_code for problem in row.problems] for row in rows] == [
        [],
        ["no-transcript"],
        ["no-cues"],
        [],
    ]


def test_ids_in_a_dump_stay_when_a_video_is_added(tmp_path: Path) -> None:
    first, second, again = ([*PIECES, {"title": title}] for title in ("First", "Second", "First"))
    before = check(written(tmp_path / "dump.json", [first, second, again]))
    after = check(written(tmp_path / "dump.json", [[*PIECES, {"title": "New"}], second, first, again]))
    ids = [[row.video.video_id for row in rows if row.video] for rows in (before, after)]
    assert len(set(ids[1])) == 4
    assert ids[1][1:] == [ids[0][1], ids[0][0], ids[0][2]]
    assert ids[0][2] == f"{ids[0][0]}-2"


def test_an_id_from_the_position_is_reported(tmp_path: Path) -> None:
    path = written(tmp_path / "dump.json", [PIECES, [*PIECES, {"title": "Two", "video_id": "two"}]])
    first, second = check(path)
    assert first.video is not None
    assert (first.video.video_id, first.video.title) == ("dump-1", "dump 1")
    assert [(problem.severity, problem.reason_code) for problem in first.problems] == [
        ("note", "numbered-id")
    ]
    assert str(first.problems[0]) == (
        f"{path}, row 1, field video_id: is missing, and so is a title, so the position in the file is used "
        "as the id, which changes if entries are added before it; give each entry a video_id"
    )
    assert second.problems == ()


def test_a_dump_of_objects_that_have_titles(tmp_path: Path) -> None:
    objects = [
        {"video_id": "a", "title": "A", "snippets": PIECES},
        {"video_id": "b", "title": "B", "text": "hello", "segments": PIECES},
        {"title": "No captions"},
    ]
    rows = check(written(tmp_path / "dump.json", objects))
    assert [(row.video.video_id, row.video.title) if row.video else None for row in rows] == [
        ("a", "A"),
        ("b", "B"),
        None,
    ]


def test_a_dump_by_video_id(tmp_path: Path) -> None:
    rows = check(written(tmp_path / "dump.json", {"id1": PIECES, "id2": {"segments": PIECES}, "id3": []}))
    assert [row.video.video_id if row.video else None for row in rows] == ["id1", "id2", None]
    listed = check(written(tmp_path / "dump.json", [{"id1": PIECES, "id2": PIECES}, ["id4"]]))
    assert [row.video.video_id if row.video else None for row in listed] == ["id1", "id2", None]


def test_the_newer_api_states_language_and_kind() -> None:
    transcript = parse_one(
        {
            "video_id": "v",
            "language": "English",
            "language_code": "en",
            "is_generated": True,
            "snippets": PIECES,
        }
    )
    assert transcript.details == {"video_id": "v", "language": "en", "caption_kind": "automatic"}
    assert len(transcript.cues) == 2


def test_whisper_formats_are_read() -> None:
    segments = [
        {"id": 0, "seek": 0, "start": 0.0, "end": 4.2, "text": " Hello there.", "tokens": [1], "words": []},
        {"id": 1, "seek": 0, "start": 4.2, "end": 381.2, "text": " A cue of 377 s."},
    ]
    transcript = parse_one({"text": " Hello there.", "segments": segments, "language": "en"})
    assert transcript.cues == [
        Cue(0.0, 4.2, "Hello there."),
        Cue(4.2, 381.2, "A cue of 377 s."),
    ]
    assert transcript.details == {"language": "en"}
    assert texts(segments) == ["Hello there.", "A cue of 377 s."]
    cpp = [{"timestamps": {"from": "00:00:00,000"}, "offsets": {"from": 0, "to": 4250}, "text": " Hi."}]
    assert parse_one({"result": {"language": "en"}, "transcription": cpp}).cues == [Cue(0.0, 4.25, "Hi.")]


def test_each_word_of_automatic_json3_captions_occurs_once() -> None:
    events = [
        {"tStartMs": 0, "dDurationMs": 900000, "id": 1, "wpWinPosId": 1, "wsWinStyleId": 1},
        {
            "tStartMs": 160,
            "dDurationMs": 5109,
            "wWinId": 1,
            "segs": [{"utf8": "hi", "acAsrConf": 0}, {"utf8": " everyone", "tOffsetMs": 320}],
        },
        {"tStartMs": 2550, "dDurationMs": 2719, "wWinId": 1, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        {"tStartMs": 2560, "dDurationMs": 4000, "wWinId": 1, "segs": [{"utf8": "welcome back"}]},
        {"tStartMs": 6560, "dDurationMs": 1000, "segs": [{"utf8": "[Music]"}]},
        {"tStartMs": "soon", "segs": [{"utf8": "lost"}]},
    ]
    transcript = parse_one({"wireMagic": "pb3", "events": events})
    assert transcript.cues == [
        Cue(0.16, 5.269, "hi everyone"),
        Cue(2.56, 6.56, "welcome back"),
        Cue(6.56, 7.56, "[Music]"),
    ]
    assert transcript.details == {"caption_kind": "automatic"}
    assert transcript.skipped == [6]


def test_cues_that_last_until_a_line_is_out_of_sight_end_with_the_next() -> None:
    pieces = [{"text": str(n), "start": 2.0 * n, "duration": 4.5} for n in range(4)]
    assert [cue.end for cue in parse_one(pieces).cues] == [2.0, 4.0, 6.0, 10.5]


def test_an_invalid_piece_is_left_out(tmp_path: Path) -> None:
    pieces = [
        *PIECES,
        {"text": None, "start": 1},
        7,
        {"text": "x", "start": "NaN"},
        {"text": "y", "start": "9"},
    ]
    (row,) = check(written(tmp_path / "a.json", pieces))
    assert row.video is not None
    assert row.video.cues[2:] == (Cue(9.0, 9.0, "y"),)
    (problem,) = row.problems
    assert str(problem) == (
        f"{tmp_path / 'a.json'}, field cues: left out the text at item 3 (and 2 more): "
        "it has no readable times; correct them"
    )


def test_a_piece_without_an_end_lasts_until_the_next() -> None:
    pieces = [{"text": "a", "start": 1}, {"text": "b", "start": 3, "dur": "2.5"}]
    assert [(cue.start, cue.end) for cue in parse_one(pieces).cues] == [(1.0, 3.0), (3.0, 5.5)]


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        ("", "no-cues", "is empty (0 bytes)"),
        ("[{", "invalid-json", "is not JSON (Expecting property name"),
        ("[" * 100_000, "invalid-json", "is not JSON ("),
        ("[" + "9" * 5000 + "]", "invalid-json", "is not JSON ("),
        ("7", "not-a-transcript", "is JSON but not a transcript in a known format"),
        ('{"name": "x", "scripts": {}}', "not-a-transcript", "with one object per line"),
        ('[{"video_id": "a", "name": "b"}]', "not-a-transcript", "with one object per line"),
        ("[]", "no-cues", "contains no item with text and times"),
        ('{"segments": []}', "no-cues", "contains no item with text and times"),
        ('[{"text": 1}]', "no-cues", "none of its 1 items has text and times"),
    ],
)
def test_json_without_a_transcript_is_refused_with_a_code(
    content: str, code: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    (row,) = check(path)
    assert row.video is None
    assert row.problems[0].reason_code == code
    assert told in row.problems[0].message


KEYS = """
    text start duration end title segments events segs utf8 tStartMs dDurationMs snippets transcription
    offsets from to transcript id x
"""
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS.split()),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(values)
def test_any_document_is_read_or_refused_with_a_code(document: object) -> None:
    try:
        transcripts = parse_json_transcripts(json.dumps(document))
    except CaptionFileError as error:
        code = error.code
    else:
        code = "not-a-transcript"
        assert all(cue.text and cue.start >= 0 for one in transcripts for cue in one.cues)
    assert code in {"not-a-transcript", "invalid-json"}


@given(st.text(max_size=200))
def test_any_text_is_json_or_refused_with_a_code(content: str) -> None:
    try:
        parse_json_transcripts(content)
    except CaptionFileError as error:
        code = error.code
    else:
        code = "invalid-json"
    assert code in {"not-a-transcript", "invalid-json"}
