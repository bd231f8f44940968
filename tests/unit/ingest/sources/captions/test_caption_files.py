"""Every file of ../shared/data/captions: what comes out, and why nothing does.

The figures were found by reading the files, and agree with other parsers where those read the file rightly.
"""

from pathlib import Path

import pytest

from ingest.rows.row import CheckedRow, check_source_row
from ingest.sources.opening import open_source
from tests.support.caption_data import REAL_CAPTIONS

# The file, its cues, their words, and its problems as severity and code.
EXPECTED: list[tuple[str, int, int, list[tuple[str, str]]]] = [
    ("darija_0lE6BmRkNII.srt", 236, 3317, []),  # The last of its 237 has no text.
    ("darija_66YUhTQt1wo.srt", 78, 1605, []),
    ("darija_hpynUa6mmV8.srt", 346, 2493, []),
    ("mantas_garbage.vtt", 0, 0, [("rejected", "no-cues")]),  # One line of words.
    ("mantas_utf16.srt", 1, 4, []),
    ("mantas_vtt_with_html.vtt", 1, 6, []),
    ("mantas_vtt_with_missing_text.vtt", 2, 2, []),
    ("mantas_vtt_with_multiple_new_lines.vtt", 2, 3, []),
    ("mantas_vtt_with_name.vtt", 1, 6, []),
    ("mantas_vtt_with_styles.vtt", 1, 2, []),
    ("mantas_vtt_without_hours_in_timestamp.vtt", 1, 5, []),
    ("webvttpy_captions_with_bom.vtt", 4, 12, []),
    ("webvttpy_comments.vtt", 3, 25, []),
    ("webvttpy_cue_tags.vtt", 3, 13, []),
    ("webvttpy_empty.vtt", 0, 0, [("rejected", "no-cues")]),  # 0 bytes.
    ("webvttpy_empty_caption_text.srt", 4, 12, []),  # The second of five has no text.
    ("webvttpy_invalid.vtt", 7, 21, []),  # Only the header is missing.
    ("webvttpy_invalid_format4.srt", 0, 0, [("rejected", "no-cues")]),  # The times follow the text.
    ("webvttpy_invalid_timeframe.srt", 5, 15, []),  # A point instead of a comma.
    ("webvttpy_invalid_timeframe.vtt", 6, 18, [("warning", "captions-skipped")]),  # 00:00:1d.890.
    ("webvttpy_invalid_timeframe_in_cue_text.vtt", 3, 9, []),  # One timing line twice.
    ("webvttpy_metadata_headers.vtt", 2, 6, []),
    ("webvttpy_metadata_headers_multiline.vtt", 2, 6, []),
    ("webvttpy_missing_caption_text.srt", 4, 12, []),
    ("webvttpy_missing_caption_text.vtt", 4, 12, []),
    ("webvttpy_missing_timeframe.srt", 4, 12, [("warning", "captions-skipped")]),
    ("webvttpy_missing_timeframe.vtt", 6, 18, [("warning", "captions-skipped")]),
    ("webvttpy_no_captions.vtt", 0, 0, [("rejected", "no-cues")]),  # A header and no more.
    ("webvttpy_sample.sbv", 5, 22, [("warning", "cue-times")]),  # The last ends before it starts.
    ("webvttpy_sample.vtt", 16, 48, []),
    ("webvttpy_sample_hls.vtt", 16, 48, [("note", "times-shifted")]),
    ("webvttpy_styles.vtt", 1, 3, []),
    ("webvttpy_teams_timeframe.vtt", 2, 7, []),
    ("webvttpy_using_identifiers.vtt", 6, 18, []),
    ("webvttpy_youtube_dl.vtt", 3, 8, []),  # Four cues show "yeah" and the last line twice.
]


def read(name: str) -> CheckedRow:
    path = REAL_CAPTIONS / name
    if not path.is_file():
        pytest.skip(f"the real caption file is not at {path}")
    (row,) = open_source(path).rows()
    return check_source_row(row)


@pytest.mark.parametrize(("name", "cues", "words", "told"), EXPECTED, ids=[row[0] for row in EXPECTED])
def test_every_real_file(name: str, cues: int, words: int, told: list[tuple[str, str]]) -> None:
    row = read(name)
    found = row.video.cues if row.video else ()
    assert (len(found), sum(len(cue.text.split()) for cue in found)) == (cues, words)
    assert [(problem.severity, problem.reason_code) for problem in row.problems] == told
    assert all(0 <= cue.start <= cue.end for cue in found)
    assert all(str(problem).startswith(f"{REAL_CAPTIONS / name}, field cues: ") for problem in row.problems)


def test_the_table_has_all_real_files() -> None:
    if not REAL_CAPTIONS.is_dir():
        pytest.skip(f"the real caption files are not at {REAL_CAPTIONS}")
    names = sorted(file.name for file in REAL_CAPTIONS.iterdir() if file.suffix != ".tsv")
    assert names == [name for name, *_ in EXPECTED]


def test_the_folder_as_one_source() -> None:
    if not REAL_CAPTIONS.is_dir():
        pytest.skip(f"the real caption files are not at {REAL_CAPTIONS}")
    rows = [check_source_row(row) for row in open_source(REAL_CAPTIONS).rows()]
    # Where one name has two formats they are one video, and the one that can be read is taken.
    assert len({Path(row.place.file).stem for row in rows}) == len(rows) == 31
    rejected = [Path(row.place.file).name for row in rows if row.video is None]
    assert rejected == [
        "mantas_garbage.vtt",
        "webvttpy_empty.vtt",
        "webvttpy_invalid_format4.srt",
        "webvttpy_no_captions.vtt",
    ]


@pytest.mark.parametrize(
    ("name", "index", "start", "end", "text"),
    [
        ("mantas_utf16.srt", 0, 0, 1, "ترجمه و تنظيم زيرنويس"),
        ("mantas_vtt_with_html.vtt", 0, 0, 10, "Sur les playground, ici à Montpellier"),
        ("mantas_vtt_with_multiple_new_lines.vtt", 0, 0, 1, "one two"),
        ("mantas_vtt_with_name.vtt", 0, 9, 11, "We are in New York City"),
        ("webvttpy_cue_tags.vtt", 1, 18.5, 20.5, "Like a big-a pizza pie"),
        ("webvttpy_invalid_timeframe_in_cue_text.vtt", 1, 7, 10.89, "Caption text #2"),
        ("webvttpy_sample.sbv", 2, 13.489, 15.489, "Caption text #3 (line 1) Caption text #3 (line 2)"),
        ("webvttpy_sample.sbv", 4, 17.484, 17.484, "Caption text #5"),
        # 1088:42:00.500, counted from the 1086:59:52.424 that its header names.
        ("webvttpy_sample_hls.vtt", 0, 6128.076, 6134.576, "Caption text #1"),
        ("webvttpy_teams_timeframe.vtt", 1, 0.21, 1.13, "Why hello there, Yuri."),
        ("webvttpy_youtube_dl.vtt", 0, 286.07, 286.47, "yeah"),
        ("webvttpy_youtube_dl.vtt", 1, 286.47, 304.08, "what"),
        ("webvttpy_youtube_dl.vtt", 2, 304.08, 305.069, "this will happen is I'm telling"),
    ],
)
def test_unusual_cues_of_real_files(name: str, index: int, start: float, end: float, text: str) -> None:
    video = read(name).video
    assert video is not None
    cue = video.cues[index]
    assert (cue.start, cue.end, cue.text) == (start, end, text)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("webvttpy_invalid_timeframe.vtt", 6),
        ("webvttpy_missing_timeframe.srt", 5),
        ("webvttpy_missing_timeframe.vtt", 6),
    ],
)
def test_text_that_is_left_out_is_reported_with_its_line(name: str, line: int) -> None:
    (problem,) = read(name).problems
    assert problem.message == (f"left out the text at line {line}: it has no readable times; correct them")
