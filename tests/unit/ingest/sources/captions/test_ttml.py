from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rows.row import RawRow
from ingest.sources.captions.decoding import CaptionFileError
from ingest.sources.captions.ttml import parse_ttml
from ingest.sources.opening import open_source
from retrieval.catalogue.video import Cue
from tests.support.linear_time import assert_linear

YOUTUBE = """<?xml version="1.0" encoding="utf-8" ?>
<tt xml:lang="en" xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling">
<head><styling><style id="s2" tts:fontSize="72%"/></styling><metadata><p>not shown</p></metadata></head>
<body region="r1"><div>
<p begin="00:00:00.160" end="00:00:05.269" style="s2">hi everyone<br />and welcome</p>
<p begin="00:00:02.550" end="00:00:06.560" style="s2">to &amp; the   show</p>
<p begin="00:00:05.500" end="00:00:07.560" style="s2"> </p>
<p begin="00:00:06.000" end="00:00:07.560" style="s2">[Music]</p>
</div></body></tt>
"""


def document(body: str, parameters: str = "") -> str:
    return (
        '<tt:tt xmlns:tt="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" '
        f'xmlns:ttm="http://www.w3.org/ns/ttml#metadata" {parameters}>{body}</tt:tt>'
    )


def cues(body: str, parameters: str = "") -> list[tuple[float, float, str]]:
    found = parse_ttml(document(body, parameters)).cues
    return [(cue.start, cue.end, cue.text) for cue in found]


def read(path: Path, content: str | bytes) -> RawRow:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (row,) = open_source(path).rows()
    return row


@pytest.mark.parametrize(
    "name", ["Talk [abc-DEF_123].en.ttml", "Talk [abc-DEF_123].en.dfxp", "abc-DEF_123.vtt"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_from_youtube_is_read(name: str, encoding: str, tmp_path: Path) -> None:
    row = read(tmp_path / name, f"\n{YOUTUBE}".encode(encoding))
    assert row.values is not None
    assert (row.values["video_id"], row.values["language"]) == ("abc-DEF_123", "en")
    assert row.cues == (
        Cue(0.16, 2.55, "hi everyone and welcome"),
        Cue(2.55, 6.0, "to & the show"),
        Cue(6.0, 7.56, "[Music]"),
    )
    assert row.problems == ()


@pytest.mark.parametrize(
    ("begin", "parameters", "seconds"),
    [
        ("01:02:03.456", "", 3723.456),
        ("100:00:00", "", 360_000.0),
        ("00:00:01:15", "", 1.5),
        ("00:00:01:05", 'ttp:frameRate="25"', 1.2),
        ("00:00:01:12.1", 'ttp:frameRate="24" ttp:frameRateMultiplier="1000 1001"', 1.5),
        ("12.5s", "", 12.5),
        ("1500ms", "", 1.5),
        ("2m", "", 120.0),
        ("0.5h", "", 1800.0),
        ("50f", 'ttp:frameRate="25"', 2.0),
        ("35000000t", 'ttp:tickRate="10000000"', 3.5),
        ("50t", 'ttp:frameRate="25"', 2.0),
        ("3t", 'ttp:tickRate="0" ttp:frameRateMultiplier="x"', 3.0),
    ],
)
def test_times(begin: str, parameters: str, seconds: float) -> None:
    ((start, end, _),) = cues(f'<tt:body><tt:p begin="{begin}" dur="1s">x</tt:p></tt:body>', parameters)
    assert (start, end) == (pytest.approx(seconds, abs=0.002), pytest.approx(seconds + 1, abs=0.002))


def test_times_are_relative_to_the_surrounding_element() -> None:
    body = """<tt:body begin="10s"><tt:div begin="5s" end="20s">
      <tt:p begin="1s" end="2s">one</tt:p>
      <tt:p><tt:span begin="3s">two</tt:span>
        <tt:span begin="4s" dur="2s">three <tt:span>more</tt:span></tt:span></tt:p>
      <tt:p begin="8s"><ttm:desc>a note</ttm:desc>four</tt:p>
    </tt:div></tt:body>"""
    assert cues(body) == [
        (16.0, 17.0, "one"),
        (18.0, 30.0, "two"),
        (19.0, 21.0, "three more"),
        (23.0, 30.0, "four"),
    ]


def test_a_cue_without_an_end_lasts_until_the_next() -> None:
    assert cues('<tt:p begin="1s">a</tt:p><tt:p begin="3s">b</tt:p><tt:p begin="9s" end="8s">c</tt:p>') == [
        (1.0, 3.0, "a"),
        (3.0, 9.0, "b"),
        (9.0, 9.0, "c"),
    ]


def test_text_without_readable_times_is_reported_with_its_line(tmp_path: Path) -> None:
    body = """<tt:body>
    <tt:p begin="1s" end="2s">good</tt:p>
    <tt:p>none</tt:p>
    <tt:p begin="soon">bad</tt:p>
    <tt:div begin="9999999999s"><tt:p begin="1s">late</tt:p></tt:div>
    <tt:p begin="1s" end="?"></tt:p></tt:body>"""
    row = read(tmp_path / "a.ttml", document(body))
    assert row.values is not None
    assert [cue.text for cue in row.cues] == ["good"]
    (problem,) = row.problems
    assert problem.message == (
        "left out the text at line 3 (and 2 more): it has no readable times; correct them"
    )


BOMB = """<?xml version="1.0"?><!DOCTYPE tt [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY c "&b;&b;">]>
<tt xmlns="http://www.w3.org/ns/ttml"><body><p begin="1s" end="2s">&c;</p></body></tt>"""


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        ("", "no-cues", "is empty (0 bytes)"),
        (document("<tt:body/>"), "no-cues", "contains no line with times and text"),
        (document("<tt:p>x</tt:p>"), "no-cues", "contains no line with times and text"),
        (YOUTUBE[:-30], "invalid-xml", "is not well-formed XML (no element found, line 8)"),
        (document("&nbsp;"), "invalid-xml", "is not well-formed XML (undefined entity, line 1)"),
        ("WEBVTT", "invalid-xml", "is not well-formed XML (syntax error, line 1)"),
        (BOMB, "invalid-xml", "declares a document type, which is not allowed in captions"),
        ('<!DOCTYPE tt SYSTEM "file:///etc/passwd"><tt/>', "invalid-xml", "declares a document type"),
    ],
)
def test_invalid_ttml_is_refused_with_a_code(content: str, code: str, told: str, tmp_path: Path) -> None:
    row = read(tmp_path / "a.ttml", content)
    assert row.values is None
    assert row.problems[0].reason_code == code
    assert told in row.problems[0].message


HOSTILE: dict[str, Callable[[int], str]] = {
    "many nested elements": lambda n: document("<tt:span begin='1s'>" * n),
    "many attributes": lambda n: document(f"<tt:p {' '.join(f'a{i}={i!r}' for i in map(str, range(n)))}/>"),
    "a repeated attribute": lambda n: document("<tt:p begin='1s' begin='2s'>x</tt:p>" * n),
    "a long time": lambda n: document(f"<tt:p begin='{'9' * 50 * n}'>x</tt:p>"),
    "a long word": lambda n: document(f"<tt:p begin='1s'>{'x' * 50 * n}</tt:p>"),
    "many references": lambda n: document(f"<tt:p begin='1s'>{'&#65;' * n}</tt:p>"),
    "many breaks": lambda n: document(f"<tt:p begin='1s'>{'x<tt:br/>' * n}</tt:p>"),
    "many namespaces": lambda n: document("".join(f"<a{i}:b xmlns:a{i}='{i}'/>" for i in range(n))),
}


@pytest.mark.parametrize("text_of_size", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_take_linear_time(text_of_size: Callable[[int], str]) -> None:
    def parse(text: str) -> None:
        try:
            parse_ttml(text)
        except CaptionFileError as error:
            assert error.code == "invalid-xml"  # noqa: PT017

    assert_linear(lambda size: parse(text_of_size(size)), 6000)


parts = st.sampled_from(
    ["<p>", "</p>", '<p begin="1s">', '<span end="2s">', "</span>", "<br/>", "x", "&lt;", "<!--", "]]>", "\0"]
)


@given(st.lists(parts, max_size=12).map("".join))
def test_any_body_is_read_or_refused_with_a_code(body: str) -> None:
    try:
        transcript = parse_ttml(f"<tt>{body}</tt>")
    except CaptionFileError as error:
        assert error.code == "invalid-xml"  # noqa: PT017
    else:
        assert all(cue.text and 0 <= cue.start <= cue.end for cue in transcript.cues)
