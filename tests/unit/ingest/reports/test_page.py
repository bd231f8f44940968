from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.planning.gate import Rule
from ingest.reports.page import (
    MOST_YEARS,
    length_rows,
    render_page,
    tiles_of,
    visible,
    year_rows,
)
from ingest.reports.profile import CatalogueProfile, Coverage, ProfileCounts, YearCoverage
from ingest.reports.summary import GateFinding, RefusedRow, RunSummary
from ingest.rows.row import Place, RowProblem
from retrieval.catalogue.manifest import IndexCounts
from retrieval.catalogue.video import Video

BEGAN = datetime(2024, 5, 31, 12, tzinfo=UTC)
EMPTY = ProfileCounts().profile()
SUMMARY = RunSummary(
    outcome="published",
    why=None,
    dry_run=False,
    began_at=BEGAN,
    ended_at=BEGAN + timedelta(seconds=184),
    sources=("talks.jsonl",),
    accepted=(),
    index_version="v-test",
    rows=1234,
    actions={"add": 1200, "re-embed": 0, "update": 0, "keep": 33, "remove": 2},
    rejected=1,
    reasons={"rejected": {"missing": 1}, "warning": {}, "note": {}},
    truncated=0,
    findings=(),
    before=IndexCounts(videos=35, passages=70, videos_with_transcript=35),
    after=IndexCounts(videos=1233, passages=9000, videos_with_transcript=1230),
    profile=EMPTY,
)
VOID = {"meta", "link", "br", "hr", "img"}


class Page(HTMLParser):
    """A page that was read as a browser does, with every element closed in its turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags |= {tag, *(f"{tag} {name}" for name, _ in attrs)}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def refused(text: str, *, field: str | None = "title") -> RefusedRow:
    return RefusedRow(text, text, (RowProblem(Place(text), text, field, "missing", text),))


def shown(summary: RunSummary, *rows: RefusedRow, examples: Mapping[str, RowProblem] | None = None) -> str:
    return " ".join(Page(render_page(summary, rows, examples or {})).text.split())


def changed(**fields: object) -> RunSummary:
    return msgspec.structs.replace(SUMMARY, **fields)


def profile_of(*years: int | None) -> CatalogueProfile:
    counts = ProfileCounts()
    for year in years:
        date = datetime(year, 1, 1, tzinfo=UTC) if year else None
        counts.add(Video(video_id="v", title="t", transcript="a b c", published_at=date, duration=90))
    return counts.profile()


def test_a_page_says_what_the_run_came_to() -> None:
    told = shown(changed(profile=profile_of(2020, 2022, None)), refused("line 7"))
    for words in (
        "Published: 1,233 videos are live",
        "2024-05-31 12:00:00 UTC, 3 min 4 s. Version v-test.",
        "rows read1,234",
        "added1,200",
        "unchanged33",
        "these sources 100% 3 3",
        "live before 100% 35 35",
        "live now >99% 1,230 1,233",
        "2020 100% 1 1 2021 \N{EN DASH} 0 0 2022 100% 1 1 no date 100% 1 1",
        "9 words in 3 transcripts.",
        "missing 1",
    ):
        assert words in told


HOSTILE = (
    "<script>alert(1)</script>",
    "</table></section>--><!-- ]]> {{ 7 * 7 }} {% raw %}",
    "\" onmouseover='alert(1)' style=\"position:fixed",
    "&amp;&#60;b&#62;",
)


def page_of(text: str) -> Page:
    """Write a page that has this text wherever one may stand."""
    problem = RowProblem(Place(text), text, text, text, text, "note")
    summary = changed(
        why=text,
        sources=(text,),
        findings=(GateFinding(Rule.PLACEHOLDERS, text, accepted=False),),
        index_version=text,
        reasons={"rejected": {text: 1}, "warning": {}, "note": {text: 1}},
        quarantine=text,
        row_reports=(text,),
    )
    return Page(render_page(summary, [refused(text, field=text)], {f"note: {text}": problem}))


@pytest.mark.parametrize("text", HOSTILE)
def test_what_stands_in_a_catalogue_is_text_and_nothing_else(text: str) -> None:
    page, plain = page_of(text), page_of("ordinary")
    assert page.tags == plain.tags
    assert page.text.count(text) == plain.text.count("ordinary") > 10


@settings(max_examples=40)
@given(st.text(st.characters(), min_size=1, max_size=30))
def test_no_text_breaks_a_page(text: str) -> None:
    page = page_of(text)
    assert page.tags == page_of("ordinary").tags
    assert page.text.encode().decode() == page.text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("ab\u202egnp.exe", "ab\\u202egnp.exe"),
        ("half \ud800", "half \\ud800"),
        ("\x00\x1b[31m\x85\u2028", "\\x00\\x1b[31m\\x85\\u2028"),
        ("\u2066isolated\u2069\u200f", "\\u2066isolated\\u2069\\u200f"),
        (
            "\u05de\u05d6\u05d4\u05d4\u3000\u05e9\u05dc\u05d5\u05dd",
            "\u05de\u05d6\u05d4\u05d4\u3000\u05e9\u05dc\u05d5\u05dd",
        ),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f52c",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f52c",
        ),
        ("one\ntwo", "one\ntwo"),
    ],
)
def test_what_cannot_be_seen_is_written_as_its_code(text: str, seen: str) -> None:
    assert visible(text) == seen


def test_a_text_of_either_direction_is_kept_apart_from_what_stands_beside_it() -> None:
    assert '<bdi class="place">\u05de\u05d6\u05d4\u05d4</bdi>' in render_page(
        SUMMARY, [refused("\u05de\u05d6\u05d4\u05d4")], {}
    )


def test_a_run_that_was_not_carried_out_says_what_it_would_have_done() -> None:
    why = "The run was refused.\nfewer-videos: 1 of 9"
    findings = (
        GateFinding(Rule.FEWER_VIDEOS, "1 of 9", accepted=False),
        GateFinding(Rule.FUTURE_DATES, "3 are", accepted=True),
    )
    accepted = (Rule.FUTURE_DATES,)
    told = shown(
        changed(outcome="refused", why=why, findings=findings, accepted=accepted, index_version=None)
    )
    assert "Refused" in told
    assert "What was to be done" in told
    assert "to add1,200" in told
    assert "fewer-videos refused 1 of 9 future-dates accepted 3 are" in told
    assert "Accepted by name: future-dates." in told
    told = shown(changed(outcome="dry run", dry_run=True, index_version=None))
    assert "What would be done" in told
    assert "It has nothing against this run." in told


def test_a_run_that_ended_before_it_was_planned_says_so() -> None:
    told = shown(changed(outcome="failed", why="x.csv: is gone", findings=None, index_version=None))
    assert "x.csv: is gone" in told
    assert "before it had a plan" in told
    assert "before the gate was asked" in told


def test_a_catalogue_without_dates_or_lengths_says_so() -> None:
    bare = ProfileCounts()
    bare.add(Video(video_id="v", title="t"))
    told = shown(changed(profile=bare.profile()))
    for missing in ("a date of publication", "a transcript", "a duration"):
        assert f"No video of these sources has {missing}." in told


def test_rows_that_are_not_listed_are_counted_and_said_to_be_elsewhere() -> None:
    many = changed(rejected=1002, reasons={"rejected": {"missing": 1002}, "warning": {}, "note": {}})
    told = shown(many, refused("line 1"))
    assert "The first 1 of 1,002 are listed, 1,001 are not. --report FILE.json has them all." in told
    told = shown(msgspec.structs.replace(many, quarantine="q.jsonl", row_reports=("r.json",)), refused("x"))
    assert "1,001 are not. All of them are in q.jsonl and in r.json." in told


def test_notes_are_counted_with_the_first_of_each() -> None:
    problem = RowProblem(Place("a.csv", 3), "v", "url", "bad-url", "is no address", "warning")
    reasons = {"rejected": {}, "warning": {"bad-url": 12}, "note": {"no-transcript": 1000}}
    told = shown(changed(reasons=reasons, truncated=2), examples={"warning: bad-url": problem})
    assert "warning bad-url 12 a.csv, row 3, field url: is no address note no-transcript 1,000" in told
    assert "Of 2 videos a passage is longer than the model reads" in told


def test_rejected_rows_stand_out_only_where_there_are_any() -> None:
    assert [tile.bad for tile in tiles_of(SUMMARY)] == [False] * 6 + [True]
    assert not any(tile.bad for tile in tiles_of(changed(rejected=0)))


def test_a_stray_date_does_not_make_a_thousand_years() -> None:
    rows = year_rows(profile_of(1, 2020, 2022, 9999))
    assert [row.label for row in rows] == ["1", "2020", "2022", "9999"]


def test_early_years_are_summed_up() -> None:
    years = tuple(YearCoverage(year, 2, 1) for year in range(1960, 2025))
    rows = year_rows(msgspec.structs.replace(EMPTY, years=years, undated=Coverage(3, 0)))
    assert len(rows) == MOST_YEARS + 2
    assert (rows[0].label, rows[0].videos, rows[0].share) == ("1960 to 1984", 50, "50%")
    assert (rows[-1].label, rows[-1].width) == ("no date", "0.0")


def test_the_longest_bar_is_as_long_as_there_is_room() -> None:
    rows = length_rows(profile_of(2020, 2021).minutes, whole_numbers=False)
    assert [(row.label, row.width) for row in rows[:3]] == [
        ("under 1", "0.0"),
        ("1\N{EN DASH}3", "100.0"),
        ("3\N{EN DASH}10", "0.0"),
    ]
    labels = [row.label for row in length_rows(EMPTY.words, whole_numbers=True)]
    assert (labels[1], labels[-1]) == ("10\N{EN DASH}29", "30,000 or more")
