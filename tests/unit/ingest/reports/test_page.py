import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.planning.gate import Rule
from ingest.planning.plan import Action, Plan
from ingest.reports.account import Finding, RejectedRow, RunAccount, RunRequest, UntranscribedVideo
from ingest.reports.files import Quarantine, ReportFile
from ingest.reports.page import MOST_YEARS, render_page, tiles_of, visible, year_rows
from ingest.rows.row import Place, RowProblem
from tests.support.report_pages import Page, version

BEGAN = datetime(2024, 5, 31, 12, tzinfo=UTC)


def account_of(outcome: str = "published", **changes: object) -> RunAccount:
    """Build the account of a run with 1,234 rows, one of them rejected."""
    account = RunAccount(RunRequest(("talks.jsonl",)))
    account.began_at, account.ended_at = BEGAN, BEGAN + timedelta(seconds=184)
    account.outcome = outcome
    account.counts.actions.update({"add": 1200, "keep": 33, "rejected": 1})
    account.counts.reasons["rejected", "missing"] = 1
    account.plan = Plan({"gone": Action.REMOVE, "too": Action.REMOVE})
    account.findings = ()
    account.before = version("v-old", videos=35, transcribed=35)
    if outcome == "published":
        account.published = version("v-test", videos=1233, transcribed=1230)
    for name, value in changes.items():
        setattr(account, name, value)
    return account


def rejected(text: str, *, field: str | None = "title") -> RejectedRow:
    return RejectedRow(text, text, (RowProblem(Place(text), text, field, "missing", text),))


def shown(account: RunAccount) -> str:
    return " ".join(Page(render_page(account)).text.split())


def test_a_page_shows_the_result_of_the_run() -> None:
    account = account_of(rejected_rows=[rejected("line 7")])
    account.counts.videos.update([2020, 2022, None])
    account.counts.transcribed.update([2020, 2022, None])
    told = shown(account)
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
    """Render a page that contains a text in every place that may contain one."""
    problem = RowProblem(Place(text), text, text, text, text, "note")
    quarantine = Quarantine(Path(text.encode(errors="replace").decode()), io.StringIO())
    quarantine.rows = 1
    account = account_of(
        why=text,
        request=RunRequest((text,)),
        findings=(Finding(Rule.PLACEHOLDERS, text, accepted=False),),
        published=version(text, videos=2, transcribed=1),
        examples={("note", text): problem},
        rejected_rows=[rejected(text, field=text)],
        untranscribed=[UntranscribedVideo(text, text)],
        quarantine=quarantine,
        files=[ReportFile(Path("report.json"), io.BytesIO())],
    )
    account.counts.videos[2024] = 2
    account.counts.reasons.clear()
    account.counts.reasons.update({("rejected", text): 1, ("note", text): 1})
    return Page(render_page(account))


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_catalogue_stays_text(text: str) -> None:
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
def test_invisible_characters_are_shown_as_their_codes(text: str, seen: str) -> None:
    assert visible(text) == seen


def test_a_text_of_either_direction_is_isolated_from_its_surroundings() -> None:
    account = account_of(rejected_rows=[rejected("\u05de\u05d6\u05d4\u05d4")])
    assert '<bdi class="place">\u05de\u05d6\u05d4\u05d4</bdi>' in render_page(account)


def test_a_refused_run_shows_its_plan_and_the_broken_rules() -> None:
    findings = (
        Finding(Rule.FEWER_VIDEOS, "1 of 9", accepted=False),
        Finding(Rule.FUTURE_DATES, "3 are", accepted=True),
    )
    request = RunRequest(("talks.jsonl",), frozenset({Rule.FUTURE_DATES}))
    why = "The run was refused.\nfewer-videos: 1 of 9"
    told = shown(account_of("refused", why=why, findings=findings, request=request))
    for words in (
        "Refused",
        "Planned changes",
        "to add1,200",
        "fewer-videos refused 1 of 9 future-dates accepted 3 are",
        "Accepted by name: future-dates.",
    ):
        assert words in told


def test_a_dry_run_shows_its_plan() -> None:
    told = shown(account_of("dry run", request=RunRequest(dry_run=True)))
    assert "Planned changes" in told
    assert "Nothing was changed: this was a dry run." in told
    assert "No rule was broken." in told


def test_a_run_that_ended_before_it_had_a_plan_says_so() -> None:
    told = shown(account_of("failed", why="x.csv: is gone", findings=None))
    assert "x.csv: is gone" in told
    assert "before it had a plan" in told
    assert "before the gate was checked" in told


def test_a_catalogue_without_dates_says_so() -> None:
    account = account_of()
    account.counts.videos[None] += 1
    assert "No video in these sources has a publication date." in shown(account)


def test_rejected_rows_that_are_not_listed_are_counted() -> None:
    account = account_of(rejected_rows=[rejected("line 1")])
    account.counts.actions["rejected"] = 1002
    assert "Only the first 1 of 1,002 are listed. --report FILE.json lists all of them." in shown(account)
    account.quarantine = Quarantine(Path("q.jsonl"), io.StringIO())
    account.quarantine.rows = 1002
    account.files = [ReportFile(Path("r.json"), io.BytesIO())]
    assert "are listed. The complete list is in q.jsonl and in r.json." in shown(account)


def test_warnings_and_notes_are_counted_with_their_first_occurrence() -> None:
    problem = RowProblem(Place("a.csv", 3), "v", "url", "bad-url", "is no address", "warning")
    account = account_of(truncated=["a", "b"], examples={("warning", "bad-url"): problem})
    account.counts.reasons.update({("warning", "bad-url"): 12, ("note", "no-transcript"): 1000})
    told = shown(account)
    assert "warning bad-url 12 a.csv, row 3, field url: is no address note no-transcript 1,000" in told
    assert "2 videos have a passage longer than the model's input" in told


def test_rejected_rows_stand_out_only_if_there_are_any() -> None:
    account = account_of()
    assert [tile.bad for tile in tiles_of(account)] == [False] * 6 + [True]
    account.counts.actions["rejected"] = 0
    assert not any(tile.bad for tile in tiles_of(account))


def test_a_wrong_date_does_not_add_thousands_of_years() -> None:
    rows = year_rows({1: 1, 2020: 1, 2022: 1, 9999: 1}, {})
    assert [row.label for row in rows] == ["1", "2020", "2022", "9999"]


def test_early_years_are_summed_up() -> None:
    years = range(1960, 2025)
    rows = year_rows({**dict.fromkeys(years, 2), None: 3}, dict.fromkeys(years, 1))
    assert len(rows) == MOST_YEARS + 2
    assert (rows[0].label, rows[0].videos, rows[0].share) == ("1960 to 1984", 50, "50%")
    assert (rows[-1].label, rows[-1].width) == ("no date", "0.0")


def test_missing_transcripts_and_times_are_reported() -> None:
    account = account_of(untranscribed=[UntranscribedVideo("v1", "Unheard <b>")], published=None)
    account.counts.videos[2024], account.counts.transcribed[2024] = 1202, 80
    page = Page(render_page(account))
    assert "80 transcripts, none with times: moments open at the beginning. To get times, " in page.text
    assert "Videos without a transcript: 1,122, the first 1 of them" in page.text
    assert "v1: Unheard <b>" in page.text
