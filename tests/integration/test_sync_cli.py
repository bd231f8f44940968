"""`python -m ingest` as a user runs it: real processes, files, model and engine."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from ingest.sync.job import SAMPLE_CATALOGUE
from retrieval.catalogue.runs import read_runs
from retrieval.edge.generations import Generations
from tests.integration.conftest import LONG, ROWS
from tests.support.contents import Contents, assert_same_contents, contents_of, files_of
from tests.support.documents import write_jsonl
from tests.support.folders import passing_folder
from tests.support.processes import PATIENCE, Ingest, copied, eventually
from tests.support.report_pages import Page

# One of each: a new title, new shown fields, a shorter transcript, a removed, an unchanged and a new video.
EDITED: list[dict[str, object]] = [
    {**ROWS[0], "title": "Growing beans"},
    {**ROWS[1], "channel": "Bakery", "language": None, "url": "https://videos.example.org/bread"},
    {**ROWS[2], "transcript": "The gasket of the engine keeps the oil in."},
    ROWS[4],
    {"video_id": "wall", "title": "Painting a wall", "transcript": "Two thin coats are better than one."},
]


class Edited(msgspec.Struct):
    """An index before and after a sync of EDITED, the output of that run, and its report."""

    before: Contents
    after: Contents
    said: str
    report: dict[str, str]
    folder: Path


@pytest.fixture(scope="module")
def edited(small_index: tuple[Path, str], model_dir: Path) -> Iterator[Edited]:
    with passing_folder() as folder:
        ingest = Ingest(copied(small_index[0], folder / "index"), model_dir.resolve())
        before = contents_of(ingest.index_dir)
        catalogue, report = write_jsonl(folder / "edited.jsonl", EDITED), folder / "report.json"
        said = ingest.done("sync", catalogue, "--report", report)
        outcomes = {str(row["video_id"]): str(row["outcome"]) for row in read(report)["rows"]}
        yield Edited(before, contents_of(ingest.index_dir), said, outcomes, folder)


def read(report: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(report.read_bytes())
    return document


def test_a_first_sync_indexes_everything(small_index: tuple[Path, str]) -> None:
    index_dir, said = small_index
    found = contents_of(index_dir)
    assert found.vectors.keys() == {row["video_id"] for row in ROWS}
    assert found.manifest.counts.videos_with_transcript == 4
    assert found.manifest.timed_transcripts == 1
    assert found.record("bicycle")["passages"] == 0
    assert found.said("bicycle") == [None]
    assert len(found.said("engine")) > 2
    assert "add: 5 (tomato, bread, engine, ...)" in said
    assert f"Live: version {found.version} with 5 videos and {len(found.passages)} passages." in said


def test_moments_have_their_times(small_index: tuple[Path, str]) -> None:
    found = contents_of(small_index[0])
    (moment,) = [payload for payload in found.passages.values() if payload["video_id"] == "stars"]
    assert (moment["start"], moment["end"]) == (1.5, 9.0)
    assert moment["text"].endswith("at forty times magnification.")


def test_a_second_sync_embeds_and_writes_nothing(ingest: Ingest, catalogue: Path) -> None:
    before = files_of(ingest.index_dir)
    said = ingest.done("sync", catalogue)
    assert "5 to keep" in said
    assert "Nothing to do: the index is already up to date." in said
    assert "Embedding" not in said
    assert "Live: version" not in said
    assert files_of(ingest.index_dir) == before


def test_only_what_changed_is_embedded(edited: Edited) -> None:
    assert edited.report == {
        "tomato": "re-embed",
        "bread": "update",
        "engine": "re-embed",
        "stars": "keep",
        "wall": "add",
    }
    assert "Embedding videos: 3 of 3" in edited.said
    for line in ("To add: 1 (wall)", "To re-embed: 2 (tomato, engine)", "To update: 1 (bread)"):
        assert line in edited.said.splitlines()


def test_unchanged_videos_keep_their_embeddings(edited: Edited) -> None:
    before, after = edited.before, edited.after
    for video_id in ("bread", "stars", "bicycle"):
        assert after.vectors[video_id].tobytes() == before.vectors[video_id].tobytes()
        assert after.said(video_id) == before.said(video_id)
    assert after.record("stars") == before.record("stars")


def test_a_new_title_changes_its_half_of_the_vector_only(edited: Edited) -> None:
    before, after = edited.before.vectors["tomato"], edited.after.vectors["tomato"]
    assert np.abs(after[:384] - before[:384]).max() > 1e-2
    np.testing.assert_allclose(after[384:], before[384:], rtol=0, atol=1e-6)
    assert edited.after.record("tomato")["title"] == "Growing beans"


def test_fields_that_are_only_shown_are_updated(edited: Edited) -> None:
    record = edited.after.record("bread")
    assert record["url"] == "https://videos.example.org/bread"
    assert record["channel"] == "Bakery"
    assert "language" in edited.before.record("bread")
    assert "language" not in record
    assert record["passages"] == 1
    (passage,) = [p for p in edited.after.passages.values() if p["video_id"] == "bread"]
    assert passage["channel"] == "Bakery"
    assert "language" not in passage


def test_a_shortened_transcript_leaves_no_stale_passage(edited: Edited) -> None:
    assert LONG.startswith(str(edited.before.said("engine")[0])[:20])
    assert edited.after.said("engine") == ["The gasket of the engine keeps the oil in."]
    assert edited.after.record("engine")["passages"] == 1
    assert len(edited.after.passages) == edited.after.manifest.counts.passages == 6


def test_videos_missing_in_the_source_stay_until_they_are_pruned(edited: Edited, model_dir: Path) -> None:
    assert "bicycle" in edited.after.vectors
    ingest = Ingest(copied(edited.folder / "index", edited.folder / "pruned"), model_dir.resolve())
    report = edited.folder / "pruned.json"
    said = ingest.done("sync", edited.folder / "edited.jsonl", "--prune", "--report", report)
    assert "To remove: 1 (bicycle)" in said
    pruned = contents_of(ingest.index_dir)
    assert pruned.vectors.keys() == edited.after.vectors.keys() - {"bicycle"}
    assert pruned.said("bicycle") == []
    outcomes = {row["video_id"]: row["outcome"] for row in read(report)["rows"]}
    kept = dict.fromkeys(("tomato", "bread", "engine", "stars", "wall"), "keep")
    assert outcomes == kept | {"bicycle": "remove"}


def test_an_edited_index_equals_one_built_from_scratch(edited: Edited, empty: Ingest) -> None:
    fresh = write_jsonl(edited.folder / "fresh.jsonl", [*EDITED, ROWS[3]])
    empty.done("sync", fresh)
    assert_same_contents(contents_of(empty.index_dir), edited.after)


def test_a_dry_run_shows_the_plan_and_changes_nothing(ingest: Ingest, catalogue: Path) -> None:
    before = files_of(ingest.index_dir)
    said = ingest.done("sync", write_jsonl(catalogue, EDITED), "--prune", "--dry-run")
    for line in (
        "To add: 1 (wall)",
        "To re-embed: 2 (tomato, engine)",
        "To update: 1 (bread)",
        "To remove: 1 (bicycle)",
    ):
        assert line in said.splitlines()
    assert "Nothing was changed: this was a dry run." in said
    assert files_of(ingest.index_dir) == before


def test_a_run_writes_a_json_report_and_a_page(ingest: Ingest, catalogue: Path, folder: Path) -> None:
    bad = [{"video_id": "<b>untitled", "title": None}, {**ROWS[0], "title": "Another"}]
    report, page = folder / "report.json", folder / "report.html"
    write_jsonl(catalogue, [*ROWS, *bad])
    finished = ingest("sync", catalogue, "--report", report, "--report", page)
    assert finished.returncode == 1
    rows, summary = read(report)["rows"], read(report)["summary"]
    told = [(row["place"], row["video_id"], row["outcome"]) for row in rows]
    places = [f"{catalogue}, line {number}" for number in range(1, 8)]
    outcomes = [*["keep"] * 5, *["rejected"] * 2]
    ids = [*(row["video_id"] for row in ROWS), "<b>untitled", "tomato"]
    assert told == list(zip(places, ids, outcomes, strict=True))
    untitled, twice = (row["problems"] for row in rows[5:])
    assert untitled == [f"{catalogue}, line 6, field title: is empty; give every video a title"]
    (problem,) = twice
    first = f"{catalogue}, line 1"
    assert problem.startswith(f"{catalogue}, line 7, field video_id: duplicate id, first used at {first}")
    (note,) = rows[3]["problems"]
    assert note.startswith(f"{catalogue}, line 4, field transcript: is missing")
    assert (summary["outcome"], summary["rejected"], summary["actions"]["keep"]) == ("unchanged", 2, 5)
    assert summary["before"]["videos"] == summary["profile"]["coverage"]["videos"] == 5
    shown = Page(page.read_text(encoding="utf-8"))
    words = " ".join(shown.text.split())
    assert shown.addresses == ["data:,"]
    assert shown.tags.isdisjoint({"script", "img", "iframe", "object", "form", "b"})
    for said in (
        "No changes",
        "rows read7",
        "unchanged5",
        "rows rejected2",
        "these sources 80% 4 5",
        "live before 80% 4 5",
        f"{catalogue}, line 6 <b>untitled title is empty; give every video a title",
        f"The complete list is in {ingest.index_dir / 'quarantine.jsonl'} and in {report}.",
        "note placeholder-transcript 1",
    ):
        assert said in words


def test_an_unreadable_source_is_named_and_changes_nothing(ingest: Ingest, folder: Path) -> None:
    good = write_jsonl(folder / "good.jsonl", [{"video_id": "new", "title": "New"}])
    bad = folder / "talks.parquet"
    pl.DataFrame({"video_id": ["a"] * 500, "title": ["b"] * 500}).write_parquet(bad)
    bad.write_bytes(bad.read_bytes()[:-40])
    before = files_of(ingest.index_dir)
    finished = ingest("sync", good, bad, "--prune")
    assert finished.returncode == 3
    assert finished.stderr.startswith(f"error: {bad}: ")
    assert "is not a readable parquet file" in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert files_of(ingest.index_dir) == before


def test_captions_that_were_not_downloaded_keep_the_indexed_ones(empty: Ingest, folder: Path) -> None:
    (folder / "videos").mkdir()
    for video_id in ("kettle", "bread"):
        info = {"id": video_id, "title": video_id, "automatic_captions": {"en": []}}
        (folder / "videos" / f"{video_id}.info.json").write_text(json.dumps(info), encoding="utf-8")
        (folder / "videos" / f"{video_id}.en.vtt").write_text(
            f"WEBVTT\n\n00:00:01.000 --> 00:00:03.500\nAll about {video_id}.\n", encoding="utf-8"
        )
    empty.done("sync", folder / "videos")
    before = contents_of(empty.index_dir)
    (folder / "videos" / "kettle.en.vtt").unlink()
    finished = empty("sync", folder / "videos", "--prune")
    assert finished.returncode == 1
    assert "1 rejected: 1 not downloaded." in finished.stdout
    assert "Nothing to do: the index is already up to date." in finished.stdout
    after = contents_of(empty.index_dir)
    assert (after.version, after.said("kettle")) == (before.version, ["All about kettle."])


def test_control_c_stops_a_sync_at_once(empty: Ingest) -> None:
    page, report = (empty.index_dir.with_name(name) for name in ("report.html", "report.json"))
    with empty.start("sync", SAMPLE_CATALOGUE, "--report", page, "--report", report) as run:
        try:
            eventually(lambda: [*empty.index_dir.glob("building/*/passages")] or None)
            run.send_signal(signal.SIGINT)
            assert run.wait(PATIENCE) == 4
        finally:
            run.kill()
        assert run.stderr is not None
        assert run.stderr.read().startswith("error: Stopped.")
    assert Generations(empty.index_dir).pointer() is None
    assert [*empty.index_dir.glob("building/*")] == []
    summary = read(report)["summary"]
    assert (summary["outcome"], summary["actions"]["add"]) == ("stopped", 64)
    assert "Stopped" in page.read_text(encoding="utf-8")


def test_status_and_rollback(edited: Edited, model_dir: Path) -> None:
    ingest = Ingest(copied(edited.folder / "index", edited.folder / "rolled-back"), model_dir.resolve())
    live, previous, *_ = ingest.done("status").splitlines()
    assert live.startswith(f"live: {edited.after.version}, ")
    assert "all-MiniLM-L6-v2: 6 videos (83% with a transcript), 6 passages" in live
    assert previous.startswith(f"previous: {edited.before.version}, ")
    assert ingest.done("rollback").startswith(f"Live: version {edited.before.version}.")
    assert_same_contents(contents_of(ingest.index_dir), edited.before)
    live, previous, *_ = ingest.done("status").splitlines()
    assert live.startswith(f"live: {edited.before.version}, ")
    assert previous.startswith(f"previous: {edited.after.version}, ")


def test_a_dry_run_can_print_json(ingest: Ingest, catalogue: Path) -> None:
    write_jsonl(catalogue, [*ROWS, {"video_id": "new", "title": "Painting", "transcript": "brush " * 900}])
    finished = ingest("sync", catalogue, "--dry-run", "--json")
    assert finished.returncode == 0, finished.stderr
    plan = json.loads(finished.stdout)
    assert plan["actions"] == {"add": ["new"], "re-embed": [], "update": [], "remove": []}
    assert (plan["keep"], plan["refusals"], plan["texts"]) == (len(ROWS), [], 12)
    assert "dry run" in finished.stderr
    assert ingest("sync", catalogue, "--json").returncode == 2


@pytest.mark.parametrize("signals_the_run_too", [False, True], ids=["watch alone", "both"])
def test_a_stopped_watch_stops_its_run_which_cleans_up(
    empty: Ingest, folder: Path, *, signals_the_run_too: bool
) -> None:
    """A service manager may signal the watch alone or all its processes; a terminal signals all of them."""
    watched = folder / "watched"
    watched.mkdir()
    (watched / "talks.jsonl").write_bytes(SAMPLE_CATALOGUE.read_bytes())
    with empty.start("watch", watched, "--every", "0.1") as watching:
        try:
            eventually(lambda: [*empty.index_dir.glob("building/*/passages")] or None)
            if signals_the_run_too:
                (run,) = Path(f"/proc/{watching.pid}/task/{watching.pid}/children").read_text().split()
                os.kill(int(run), signal.SIGTERM)
            watching.send_signal(signal.SIGTERM)
            assert watching.wait(PATIENCE) == 0
        finally:
            watching.kill()
    assert Generations(empty.index_dir).pointer() is None
    assert [*empty.index_dir.glob("building/*"), *empty.index_dir.glob("*.unfinished")] == []
    assert [run.outcome for run in read_runs(empty.index_dir)] == ["stopped"]


def test_rejected_rows_are_quarantined_until_a_run_has_none(empty: Ingest, catalogue: Path) -> None:
    bad = {"video_id": "bad", "title": None, "transcript": "\ud800 half a letter"}
    write_jsonl(catalogue, [ROWS[0], bad, {**ROWS[0], "title": "Again"}])
    quarantine = empty.index_dir / "quarantine.jsonl"
    message = f"Rejected rows and the reasons: {quarantine}"
    for _ in ("published", "nothing to do"):
        finished = empty("sync", catalogue)
        assert finished.returncode == 1
        assert message in finished.stdout
    first, second = map(json.loads, quarantine.read_text(encoding="utf-8").splitlines())
    assert first["place"].endswith("talks.jsonl, line 2")
    assert first["sources"] == second["sources"] == [str(catalogue)]
    assert [(reason["code"], reason["field"]) for reason in first["reasons"]] == [("missing", "title")]
    assert first["row"] == bad
    assert second["reasons"][0]["code"] == "duplicate-id"
    assert second["row"]["title"] == "Again"
    # Neither a failed run nor a run of another source deletes the file.
    assert empty("sync", catalogue.with_name("absent.jsonl")).returncode == 3
    assert message not in empty.done("sync", write_jsonl(catalogue.with_name("other.jsonl"), ROWS[3:4]))
    assert quarantine.exists()
    write_jsonl(catalogue, ROWS[:2])
    empty.done("sync", catalogue)
    assert not quarantine.exists()
