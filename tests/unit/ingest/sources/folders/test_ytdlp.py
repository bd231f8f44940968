import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rows.reasons import FETCH_FAILED
from ingest.rows.row import CheckedRow
from ingest.sources.captions.decoding import CaptionFileError
from ingest.sources.folders import ytdlp_info as download_info
from ingest.sources.folders.ytdlp_info import read_download_info
from ingest.sources.opening import open_source
from tests.support.caption_data import rolling_vtt, subtitle
from tests.support.reading import checked_rows as check

ID = "abc-DEF_123"
STEM = f"A Talk\uff1a Part 1 [{ID}]"
INFO: dict[str, Any] = {
    "id": ID,
    "title": "A Talk: Part 1",
    "timestamp": 1_717_083_690,
    "upload_date": "20240530",
    "webpage_url": f"https://www.youtube.com/watch?v={ID}",
    "channel": "The Channel",
    "uploader": "The Uploader",
    "duration": 754.2,
    "thumbnail": "https://i.example.org/x.jpg",
    "tags": ["one", "two"],
    "language": "en",
    "formats": [{"url": "https://a.example.org"}] * 3,
    "subtitles": {"en": [{"ext": "vtt"}], "live_chat": []},
    "automatic_captions": {"en": [], "en-orig": [], "de": []},
    "_type": "video",
    "extractor_key": "Youtube",
}


def add(folder: Path, name: str, content: object) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, encoding="utf-8")


def test_the_row_has_the_fields_of_the_info_file(tmp_path: Path) -> None:
    add(tmp_path, f"{STEM}.info.json", INFO)
    add(tmp_path, f"{STEM}.en.vtt", subtitle("made by people"))
    add(tmp_path, f"{STEM}.en-orig.vtt", rolling_vtt(["made by", "a machine"]))
    add(tmp_path, f"{STEM}.de.vtt", subtitle("von einer maschine"))
    add(tmp_path, f"{STEM}.live_chat.json", "{}\n{}")
    (row,) = check(tmp_path)
    video = row.video
    assert video is not None
    assert row.problems == ()
    assert (video.video_id, video.title, video.channel) == (ID, "A Talk: Part 1", "The Channel")
    assert str(video.published_at) == "2024-05-30 15:41:30+00:00"
    assert (video.url, video.duration) == (f"https://www.youtube.com/watch?v={ID}", 754.2)
    assert (video.thumbnail_url, video.tags) == ("https://i.example.org/x.jpg", ("one", "two"))
    assert (video.language, video.transcript) == ("en", "made by people")
    (german,) = check(tmp_path, "de")
    assert german.video is not None
    assert (german.video.language, german.video.transcript) == ("de", "von einer maschine")


@pytest.mark.parametrize(
    ("name", "info", "kind"),
    [
        ("en.vtt", {}, "manual"),
        ("en-orig.vtt", {}, "automatic"),
        ("de.vtt", {}, "automatic"),
        ("fr.vtt", {}, None),
        ("en.vtt", {"subtitles": None, "automatic_captions": None}, None),
        ("en-orig.vtt", {"subtitles": None, "automatic_captions": None}, "automatic"),
    ],
)
def test_the_kind_is_that_of_the_info_file(
    name: str, info: dict[str, Any], kind: str | None, tmp_path: Path
) -> None:
    add(tmp_path, f"{STEM}.info.json", INFO | info)
    add(tmp_path, f"{STEM}.{name}", subtitle("x"))
    (row,) = open_source(tmp_path).rows()
    assert row.values is not None
    assert row.values.get("caption_kind") == kind


def test_automatic_captions_are_recognised_without_the_info_file(tmp_path: Path) -> None:
    add(tmp_path, f"{STEM}.info.json", {"id": ID, "title": "T"})
    add(tmp_path, f"{STEM}.en.vtt", rolling_vtt(["made by", "a machine"]))
    (row,) = open_source(tmp_path).rows()
    assert row.values is not None
    assert (row.values["caption_kind"], row.values["language"]) == ("automatic", "en")
    assert [cue.text for cue in row.cues] == ["made by", "a machine"]


def test_captions_are_found_by_the_id_if_the_names_differ(tmp_path: Path) -> None:
    for number, name in enumerate(
        [f"{ID}.en.vtt", f"Other [{ID}].en.vtt", f"Old_style-{ID}.en.srt", f"{ID}.json"], 1
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        add(folder, "00001.info.json", INFO)
        content = [{"text": "hi", "start": 1}] if name.endswith(".json") else subtitle("hi")
        add(folder, name, content)
        (row,) = check(folder)
        assert row.video is not None, name
        assert (row.video.title, row.video.transcript) == (INFO["title"], "hi"), name


def test_youtube_dl_and_other_sites(tmp_path: Path) -> None:
    add(
        tmp_path,
        "Clip-76979871.info.json",
        {"id": "76979871", "title": "Clip", "uploader": "U", "tags": None},
    )
    add(tmp_path, "Clip-76979871.English.srt", "1\n00:00:01,000 --> 00:00:02,000\nhi\n")
    add(tmp_path, "z.info.json", {"id": "zz", "title": "Z", "timestamp": None, "release_timestamp": 0})
    first, second = check(tmp_path)
    assert first.video is not None
    assert (first.video.video_id, first.video.channel, first.video.published_at) == ("76979871", "U", None)
    assert (first.video.transcript, first.video.language) == ("hi", None)
    assert second.video is not None
    assert str(second.video.published_at) == "1970-01-01 00:00:00+00:00"
    assert second.video.transcript is None
    assert [problem.reason_code for problem in second.problems] == ["no-transcript"]


@pytest.mark.parametrize(
    ("info", "date"),
    [
        ({"upload_date": "20240530"}, "2024-05-30 00:00:00+00:00"),
        ({"upload_date": 20240530}, "2024-05-30 00:00:00+00:00"),
        ({"timestamp": 1e30, "upload_date": "20240530"}, "2024-05-30 00:00:00+00:00"),
        ({"timestamp": True, "release_date": "20240531"}, "2024-05-31 00:00:00+00:00"),
        ({"release_timestamp": 1_717_083_690.5}, "2024-05-30 15:41:30.500000+00:00"),
        ({"upload_date": ""}, "None"),
        ({}, "None"),
    ],
)
def test_dates(info: dict[str, Any], date: str, tmp_path: Path) -> None:
    add(tmp_path, "a.info.json", {"id": "a", "title": "A", **info})
    (row,) = check(tmp_path)
    assert row.video is not None
    assert str(row.video.published_at) == date


def test_fields_of_unexpected_types_are_left_out(tmp_path: Path) -> None:
    odd = {key: {"x": [1]} for key in INFO if key not in {"id", "_type"}}
    add(
        tmp_path,
        "a.info.json",
        {**odd, "id": 12, "title": "A", "thumbnail": None, "thumbnails": [1, {"url": 2}]},
    )
    (row,) = check(tmp_path)
    assert row.video is not None
    assert (row.video.video_id, row.video.title) == ("12", "A")
    assert {problem.severity for problem in row.problems} == {"warning", "note"}


def test_missing_fields_of_an_info_file_come_from_its_name(tmp_path: Path) -> None:
    add(
        tmp_path,
        f"{STEM}.info.json",
        {"thumbnails": [{"url": "https://a.org/1"}, {"url": "https://a.org/2"}]},
    )
    (row,) = check(tmp_path)
    assert row.video is not None
    assert (row.video.video_id, row.video.title) == (ID, "A Talk\uff1a Part 1")
    assert row.video.thumbnail_url == "https://a.org/2"


def test_unreadable_files_only_reject_their_own_rows(tmp_path: Path) -> None:
    add(tmp_path, "a.info.json", "")
    add(tmp_path, "b.info.json", '{"id": "b", "ti')
    add(tmp_path, "c.info.json", "[1]")
    add(tmp_path, "d.info.json", {"id": "d", "title": "D"})
    add(tmp_path, "d.en.vtt", "")
    add(tmp_path, "e.info.json", {"id": "e", "title": "E"})
    add(tmp_path, "e.en.vtt", "")
    add(tmp_path, "e.en.srt", subtitle("hi"))
    add(tmp_path, "list.info.json", {"id": "PL1", "title": "A playlist", "_type": "playlist", "entries": []})
    add(tmp_path, "stray.srt", subtitle("stray"))
    add(tmp_path, "._a.info.json", "\0")
    rows = check(tmp_path)
    assert [row.video.video_id if row.video else None for row in rows] == [
        None,
        None,
        None,
        None,
        "e",
        "stray",
    ]
    assert [[(problem.severity, problem.reason_code) for problem in row.problems] for row in rows] == [
        [("rejected", "invalid-info")],
        [("rejected", "invalid-info")],
        [("rejected", "invalid-info")],
        [("rejected", "no-cues")],
        [("warning", "no-cues")],
        [],
    ]
    assert "or delete it to index the video without a transcript" in str(rows[3].problems[0])
    assert str(rows[4].problems[0]).startswith(f"{tmp_path / 'e.en.vtt'}, field cues: is empty")


def test_the_captions_of_an_invalid_info_file_are_a_rejected_row(tmp_path: Path) -> None:
    add(tmp_path, "a.info.json", "{")
    add(tmp_path, "a.en.vtt", subtitle("x"))
    (row,) = check(tmp_path)
    assert row.video is None
    assert str(row.problems[0]).startswith(f"{tmp_path / 'a.info.json'}: is not an info file of yt-dlp (")


def test_numbers_that_are_not_valid_json_are_read(tmp_path: Path) -> None:
    add(tmp_path, "a.info.json", '{"id": "a", "title": "A", "average_rating": NaN, "duration": Infinity}')
    (row,) = check(tmp_path)
    assert row.video is not None
    assert row.video.duration is None


def test_a_very_large_or_deleted_info_file_is_a_rejected_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path, "a.info.json", INFO)
    monkeypatch.setattr(download_info, "MAX_INFO_BYTES", 10)
    assert [problem.reason_code for row in check(tmp_path) for problem in row.problems] == ["too-large"]
    source = open_source(tmp_path)
    (tmp_path / "a.info.json").unlink()
    assert [problem.reason_code for row in source.rows() for problem in row.problems] == ["unreadable"]


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(INFO)), inner, max_size=8)
    ),
    max_leaves=25,
)


@given(documents)
def test_any_info_file_is_a_row_or_refused_with_a_code(
    tmp_path_factory: pytest.TempPathFactory, document: object
) -> None:
    path = tmp_path_factory.mktemp("info") / "a.info.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    try:
        read_download_info(path, "a")
    except CaptionFileError as error:
        assert error.code == "invalid-info"  # noqa: PT017


def test_an_invalid_byte_in_an_info_file_replaces_one_character(tmp_path: Path) -> None:
    (tmp_path / "a.info.json").write_bytes(b'\xef\xbb\xbf{"id": "a", "title": "Caf\xe9"}')
    (row,) = check(tmp_path)
    assert row.video is not None
    assert row.video.title == "Caf\ufffd"
    assert row.problems[0].reason_code == "damaged-text"


def listing(video_id: str, *, manual: Sequence[str] = (), automatic: Sequence[str] = (), **more: Any) -> Any:
    return {
        "id": video_id,
        "title": f"Talk {video_id}",
        "subtitles": {tag: [{"ext": "vtt"}] for tag in manual},
        "automatic_captions": {tag: [{"ext": "vtt"}] for tag in automatic},
        **more,
    }


def outcomes(rows: list[CheckedRow]) -> list[str | None]:
    """Return for each row the transcript of its video, or the reason why there is no video."""
    return [
        row.video.transcript or "title alone" if row.video else row.problems[0].reason_code for row in rows
    ]


def test_captions_that_only_one_video_lacks_are_a_failed_fetch(tmp_path: Path) -> None:
    add(tmp_path, "a.info.json", listing("a", automatic=["en", "en-orig", "de"]))
    add(tmp_path, "a.en.vtt", subtitle("fetched"))
    add(tmp_path, "b.info.json", listing("b", automatic=["en", "en-orig", "de"]))
    add(tmp_path, "b.en.vtt.part", "WEBVTT")
    rows = check(tmp_path)
    assert outcomes(rows) == ["fetched", FETCH_FAILED]
    (problem,) = rows[1].problems
    assert problem.video_id == "b"
    assert str(problem) == (
        f"{tmp_path / 'b.info.json'}, field cues: lists captions in en, which were requested but have no "
        "file here; the index keeps its current copy: download them again, or move this file to another "
        "folder to index the video without a transcript"
    )


def test_captions_that_were_not_requested_are_not_missing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        add(tmp_path, f"{name}.info.json", listing(name, manual=["en"], automatic=["en-orig"]))
    assert outcomes(check(tmp_path)) == ["title alone", "title alone"]
    # A video with manual captions does not show that automatic ones or another language were requested.
    add(tmp_path, "c.info.json", listing("c", manual=["fr"], automatic=["en"]))
    add(tmp_path, "c.fr.vtt", subtitle("bonjour"))
    assert outcomes(check(tmp_path)) == ["title alone", "title alone", "bonjour"]


@pytest.mark.parametrize(
    ("requested", "outcome"),
    [
        ({"en": {"ext": "vtt"}}, FETCH_FAILED),
        ({"live_chat": {"ext": "json"}}, "title alone"),
        (None, "title alone"),
        ([1], "title alone"),
    ],
)
def test_requested_captions_are_known_from_the_info_file_alone(
    requested: Any, outcome: str, tmp_path: Path
) -> None:
    """yt-dlp keeps `requested_subtitles` with --no-clean-info-json."""
    add(tmp_path, "a.info.json", listing("a", automatic=["en"], requested_subtitles=requested))
    assert outcomes(check(tmp_path)) == [outcome]


def test_a_translation_does_not_replace_failed_captions(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        add(tmp_path, f"{name}.info.json", listing(name, automatic=["en", "de"], language="en"))
        add(tmp_path, f"{name}.de.vtt", subtitle("deutsch"))
    add(tmp_path, "a.en.vtt", subtitle("english"))
    add(tmp_path, "c.en-GB.srt", subtitle("british"))
    assert outcomes(check(tmp_path, "en")) == ["english", FETCH_FAILED, "british"]
    assert outcomes(check(tmp_path, "de", "en")) == ["deutsch"] * 3


def test_captions_named_by_id_and_damaged_info_files_are_counted(tmp_path: Path) -> None:
    add(tmp_path, "00001.info.json", listing(ID, manual=["en"]))
    add(tmp_path, f"{ID}.en.vtt", subtitle("fetched"))
    add(tmp_path, "00002.info.json", listing("b", manual=["en"]))
    add(tmp_path, "00003.info.json", "{")
    add(tmp_path, "00003.en.vtt", subtitle("x"))
    add(tmp_path, "00004.info.json", {"_type": "playlist", **listing("PL", manual=["en"])})
    assert outcomes(check(tmp_path)) == ["fetched", FETCH_FAILED, "invalid-info"]
