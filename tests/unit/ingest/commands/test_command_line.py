"""The command line in this process, with an encoder that needs no model."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import polars as pl
import pytest

from ingest.__main__ import main
from ingest.embedding.encoders import Model
from ingest.planning.gate import Rule
from ingest.sync.job import SAMPLE_CATALOGUE
from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.runs import KEPT_RUNS, RUNS_FILE, read_runs
from retrieval.command_names import as_typed_here
from retrieval.durable_files import file_lock
from retrieval.edge.generations import Generations
from tests.support.contents import contents_of, files_of
from tests.support.documents import IDENTITY, RaisingEncoder, WordEncoder, use_model, word_model, write_jsonl
from tests.support.folders import passing_folder
from tests.support.open_gate import OPEN_GATE

ROWS: list[dict[str, object]] = [
    {"video_id": "a", "title": "Growing tomatoes", "transcript": "plant them deep and water them well"},
    {"video_id": "b", "title": "Baking bread", "transcript": "flour water salt and time"},
    {"video_id": "c", "title": "Fixing a bicycle", "transcript": "n/a"},
]

Serve = Callable[[Model], None]
Run = Callable[..., str]


@pytest.fixture
def index_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with passing_folder() as folder:
        monkeypatch.setenv("INDEX_DIR", str(folder / "index"))
        for name, value in OPEN_GATE.items():
            monkeypatch.setenv(name, value)
        yield folder / "index"


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, index_dir: Path) -> Serve:
    assert index_dir
    return partial(use_model, monkeypatch)


@pytest.fixture
def encoder(use: Serve) -> WordEncoder:
    encoder = WordEncoder()
    use(word_model(encoder))
    return encoder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], encoder: WordEncoder) -> Run:
    """Run a command, check its exit code, and return its output."""
    assert encoder

    def run(*arguments: str | Path, code: int = 0) -> str:
        capsys.readouterr()
        found = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert found == code, said.out + said.err
        # Standard error contains only the error: one line, or one line per reason.
        assert bool(said.err) is (code > 1)
        if said.err:
            assert said.err.startswith("error: ")
            assert said.err.count("\n") == 1 or said.err.startswith("error: The run was refused.")
        return said.out + said.err

    return run


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "talks.jsonl", ROWS)


def live(index_dir: Path) -> Manifest:
    generations = Generations(index_dir)
    pointer = generations.pointer()
    assert pointer is not None
    return generations.manifest(pointer.live)


def test_help_has_examples_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert "python -m ingest sync" in said
    assert [line.split()[0] for line in said.splitlines() if line[:3].strip().isdigit()] == list("01234")
    assert "INDEX_DIR" in said
    assert "MODEL_DIR" in said


@pytest.mark.parametrize("command", ["sync", "status", "rollback", "snapshot", "restore", "export-model"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"python -m ingest {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["sync"],
        ["sync", "a.csv", "--colour"],
        ["drop"],
        ["sync", "a.csv", "--device", "abacus"],
        ["sync", "a.csv", "--json"],
        ["watch", "folder", "--every", "0"],
        ["watch", "folder", "--every", "-1"],
        ["watch", "folder", "--every", "nan"],
        ["watch", "folder", "--every", "1e12"],
        ["watch", "folder", "--every", "hour"],
    ],
)
def test_a_wrong_command_line_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert f"usage: {as_typed_here('python -m ingest')}" in capsys.readouterr().err


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--help"])
    assert capsys.readouterr().out == shown


def test_the_error_about_an_unknown_rule_lists_the_rules(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["sync", "a.csv", "--accept", "fewer"])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert f"argument --accept: fewer is not a rule. The rules are {', '.join(Rule)}" in said


class EnginePanicError(BaseException):
    """Rust panics of the engine are no `Exception`."""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("oh"), "error: This is a defect in vidsearch (RuntimeError: oh). Please report "),
        (EnginePanicError("oh"), "error: This is a defect in vidsearch (EnginePanicError: oh). "),
        (
            SystemExit(0),
            "error: This is a defect in vidsearch (RuntimeError: a library called sys.exit(0)). ",
        ),
        (MemoryError(), "error: Not enough memory. "),
    ],
)
def test_an_unexpected_exception_never_looks_like_a_successful_run(
    error: BaseException,
    message: str,
    catalogue: Path,
    use: Serve,
    index_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use(word_model(RaisingEncoder(error)))
    assert main(["sync", str(catalogue)]) == 4
    said = capsys.readouterr().err
    assert message in said
    assert ("Traceback" in said) is not isinstance(error, MemoryError)
    assert "The live index still answers searches." in said
    assert Generations(index_dir).pointer() is None
    assert [run.outcome for run in read_runs(index_dir)] == ["failed"]


def test_a_missing_package_never_looks_like_a_successful_run(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("raise ImportError('rich is not installed')", encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-m", "ingest", "status"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 4
    assert "rich is not installed" in finished.stderr


def test_a_circular_link_is_an_unreadable_source(run: Run, tmp_path: Path, catalogue: Path) -> None:
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    message = f"error: {loop}: is a circular link."
    assert message in run("sync", loop, code=3)
    run("sync", SAMPLE_CATALOGUE)
    assert message in run("sync", loop, code=3)
    assert f"--report {loop} is a circular link" in run("sync", catalogue, "--report", loop, code=4)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_file_name_that_is_not_utf_8_is_supported(
    run: Run, tmp_path: Path, index_dir: Path, ending: str
) -> None:
    source = tmp_path / os.fsdecode(b"caf\xe9." + ending.encode())
    if ending == "jsonl":
        write_jsonl(source, [*ROWS, {"video_id": "bad", "title": None}])
        assert "line 4, field title" in run("sync", source, code=1)
    else:
        pl.DataFrame(ROWS).write_parquet(tmp_path / "named.parquet")
        (tmp_path / "named.parquet").rename(source)
        assert "rename it" in run("sync", source, code=3)
    (noted,) = read_runs(index_dir)
    assert noted.sources == (f"{tmp_path}/caf\N{REPLACEMENT CHARACTER}.{ending}",)
    assert "caf\N{REPLACEMENT CHARACTER}" in run("status")


def test_an_invalid_setting_is_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCODER_THREADS", "none")
    assert "ENCODER_THREADS is 'none'" in run("status", code=4)


def test_without_a_model_a_sync_says_what_to_run(
    catalogue: Path,
    index_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "none"))
    assert main(["sync", str(catalogue)]) == 4
    assert "python -m ingest export-model" in capsys.readouterr().err
    assert Generations(index_dir).pointer() is None


@pytest.mark.parametrize("command", [["sync", "talks.jsonl"], ["status"], ["rollback"]])
def test_an_index_folder_that_is_a_file_is_an_error(
    run: Run, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"not an index")
    monkeypatch.setenv("INDEX_DIR", str(tmp_path / "file"))
    assert str(tmp_path / "file") in run(*command, code=4)
    assert (tmp_path / "file").read_bytes() == b"not an index"


def test_status_without_an_index_says_what_to_run(run: Run) -> None:
    assert "python -m ingest sync" in run("status")


def test_status_shows_the_last_runs_and_their_outcomes(
    run: Run, catalogue: Path, index_dir: Path, use: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(word_model())
    bad = [{"video_id": "d", "title": None}]
    run("sync", write_jsonl(catalogue, [*ROWS, *bad]), code=1)
    run("sync", catalogue, "--dry-run", code=1)
    run("sync", write_jsonl(catalogue, ROWS))
    monkeypatch.setenv("GATE_FEWER_VIDEOS", "0.1")
    run("sync", write_jsonl(catalogue, ROWS[:1]), "--prune", code=4)
    run("sync", catalogue.with_name("none.jsonl"), code=3)
    use(word_model(RaisingEncoder(KeyboardInterrupt())))
    run("sync", write_jsonl(catalogue, [*ROWS, {"video_id": "d", "title": "Painting walls"}]), code=4)
    lack, heading, *runs = run("status").splitlines()[2:]
    assert lack.startswith("note: 2 transcripts, none with times: moments open at the beginning. To get ")
    assert heading == "runs, newest first:"
    stopped, unreadable, refused, unchanged, published = runs  # A dry run is none.
    assert ": stopped; planned: 1 to add, 3 to keep (/" in stopped
    assert ": failed (/" in unreadable
    assert unreadable.endswith("none.jsonl: there is no such file or folder; check the path")
    assert ": refused; planned: 2 to remove, 1 to keep (/" in refused
    assert "fewer-videos: 1 of 3 videos would be left" in refused
    assert ": no changes; 3 unchanged (/" in unchanged
    assert f": published {live(index_dir).index_version}; 3 added, 1 rejected (/" in published


def test_an_unusable_log_of_runs_prevents_no_run(run: Run, catalogue: Path, index_dir: Path) -> None:
    index_dir.mkdir()
    (index_dir / RUNS_FILE).write_bytes(b"{torn")
    assert f"runs: {index_dir / RUNS_FILE} cannot be read: " in run("status")
    said = run("sync", catalogue)
    assert said.count("warning: Starting a new log of runs: ") == 1
    assert ": published " in run("status")
    (index_dir / RUNS_FILE).unlink()
    (index_dir / RUNS_FILE).mkdir()
    said = run("sync", catalogue)
    assert "warning: Cannot write this run to the log that ingest status shows: " in said
    assert "Nothing to do" in said


def test_the_log_keeps_the_last_runs(run: Run, catalogue: Path, index_dir: Path) -> None:
    for number in range(KEPT_RUNS + 2):
        run("sync", write_jsonl(catalogue.with_name(f"talks-{number % 2}.jsonl"), ROWS))
    runs = read_runs(index_dir)
    assert len(runs) == KEPT_RUNS
    assert [run.began_at for run in runs] == sorted((run.began_at for run in runs), reverse=True)
    assert {run.outcome for run in runs} == {"unchanged"}


def test_a_sync_after_a_rollback_starts_from_the_live_version(
    run: Run, catalogue: Path, index_dir: Path, encoder: WordEncoder
) -> None:
    run("sync", catalogue)
    first = contents_of(index_dir)
    write_jsonl(catalogue, [{**ROWS[0], "title": "Growing beans"}, *ROWS[1:]])
    run("sync", catalogue)
    run("rollback")
    write_jsonl(catalogue, ROWS)
    encoder.calls.clear()
    assert "Nothing to do" in run("sync", catalogue)
    assert encoder.calls == []
    assert contents_of(index_dir).version == first.version


def test_the_first_own_catalogue_replaces_the_sample(
    run: Run, catalogue: Path, index_dir: Path, encoder: WordEncoder
) -> None:
    run("sync", SAMPLE_CATALOGUE)
    assert live(index_dir).is_sample is True
    assert live(index_dir).counts.videos >= 60
    encoder.calls.clear()
    assert "Nothing to do" in run("sync", SAMPLE_CATALOGUE)
    assert encoder.calls == []
    assert "Replacing the sample catalogue." in run("sync", catalogue)
    assert live(index_dir).is_sample is False
    assert contents_of(index_dir).vectors.keys() == {"a", "b", "c"}
    # A catalogue of the user's own is never replaced.
    run(
        "sync", write_jsonl(catalogue.with_name("more.jsonl"), [{"video_id": "d", "title": "Painting walls"}])
    )
    assert contents_of(index_dir).vectors.keys() == {"a", "b", "c", "d"}
    assert live(index_dir).is_sample is False


def test_a_sync_ends_with_what_to_do_next_and_what_is_missing(
    run: Run, catalogue: Path, encoder: WordEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert encoder
    assert "Next: " not in run("sync", SAMPLE_CATALOGUE)
    *_, following, lack = run("sync", catalogue).splitlines()
    assert following.startswith("Next: a running API loads this version within two seconds.")
    assert following.endswith(f": {as_typed_here('python -m api')}")
    assert lack.startswith("note: 2 transcripts, none with times: moments open at the beginning. ")
    # The image of ingest does not contain the API.
    monkeypatch.setattr("ingest.commands.sync.find_spec", lambda _: None)
    said = run("sync", write_jsonl(catalogue, ROWS[:2]), "--prune")
    assert said.splitlines()[-2].endswith(f"To undo this run: {as_typed_here('python -m ingest rollback')}")
    assert run("sync", catalogue).splitlines()[-1] == lack


def test_transcripts_with_times_are_counted_over_all_runs(
    run: Run, catalogue: Path, index_dir: Path, encoder: WordEncoder
) -> None:
    assert encoder
    cues = [{"start": 0, "end": 2, "text": "white paint"}]
    more = catalogue.with_name("more.jsonl")
    run("sync", catalogue)
    assert live(index_dir).timed_transcripts == 0
    run("sync", write_jsonl(more, [{"video_id": "d", "title": "Painting walls", "cues": cues}]))
    assert live(index_dir).timed_transcripts == 1
    assert "note: 3 transcripts, 1 with times: moments of the others open at the beginning." in run("status")

    # An older release did not store whether a transcript has times.
    pointer = Generations(index_dir).pointer()
    assert pointer
    (stored,) = (path for path in index_dir.rglob("stored.msgpack") if pointer.live in str(path))
    videos = msgspec.msgpack.decode(stored.read_bytes())
    for video in videos.values():
        del video["timed"]
    stored.write_bytes(msgspec.msgpack.encode(videos))
    run("sync", write_jsonl(more, [{"video_id": "e", "title": "Painting doors", "cues": cues}]))
    assert live(index_dir).timed_transcripts is None
    assert "with times" not in run("status")
    # A run that reads all sources knows it again.
    run("sync", catalogue, write_jsonl(more, [{"video_id": "f", "title": "Fences", "cues": cues}]), "--prune")
    assert live(index_dir).timed_transcripts == 1


def test_another_model_needs_all_sources_and_prune(
    run: Run, catalogue: Path, index_dir: Path, encoder: WordEncoder, use: Serve
) -> None:
    run("sync", catalogue)
    before = files_of(index_dir)
    another = msgspec.structs.replace(IDENTITY, weights_sha256="1" * 64)
    encoder.calls.clear()
    use(Model(encoder, another, 256))
    said = run("sync", catalogue, code=4)
    assert "was built with words" in said
    assert "name all sources and add --prune. The live index is unchanged." in said
    assert files_of(index_dir) == before
    said = run("sync", catalogue, "--prune", code=4)
    assert "other-model: The index" in said
    assert "--accept other-model. Nothing was changed." in said
    assert files_of(index_dir) == before
    said = run("sync", catalogue, "--prune", "--accept", "other-model")
    assert "All videos will be embedded again." in said
    assert live(index_dir).accepted == ("other-model",)
    assert "add: 3" in said
    assert live(index_dir).model == another
    assert "Growing tomatoes" in encoder.texts


def test_a_source_that_breaks_after_it_was_planned_changes_nothing(
    run: Run, catalogue: Path, index_dir: Path, use: Serve
) -> None:
    class Meddling(WordEncoder):
        """Removes rows while they are read for the second time."""

        def encode_documents(self, texts: list[str]) -> object:  # type: ignore[override]
            write_jsonl(catalogue, ROWS[:1])
            return super().encode_documents(texts)

        def count_pieces(self, text: str) -> int:
            write_jsonl(catalogue, ROWS[:1])
            return super().count_pieces(text)

    use(word_model())
    run("sync", catalogue)
    before = files_of(index_dir)
    padded = [{"video_id": f"v{n}", "title": f"Title {n}", "transcript": "long " * 5000} for n in range(60)]
    write_jsonl(catalogue, [*ROWS, *padded])
    use(word_model(Meddling()))
    said = run("sync", catalogue, code=4)
    assert "instead of 63" in said
    assert files_of(index_dir) == before


def test_the_lock_of_a_run_keeps_other_runs_out(
    run: Run, catalogue: Path, index_dir: Path, encoder: WordEncoder
) -> None:
    run("sync", catalogue)
    encoder.calls.clear()
    write_jsonl(catalogue, ROWS[:1])
    before = files_of(index_dir)
    with file_lock(index_dir):
        for command in (["sync", str(catalogue), "--prune"], ["rollback"]):
            said = run(*command, code=4)
            assert "Another ingest run is working on" in said
            assert "Nothing was changed." in said
        assert "live: " in run("status")
    assert files_of(index_dir) == before
    assert encoder.calls == []


def test_a_long_list_of_problems_is_shortened(run: Run, tmp_path: Path) -> None:
    bad = [{"video_id": f"bad{n}", "title": None} for n in range(12)]
    said = run("sync", write_jsonl(tmp_path / "talks.jsonl", [*ROWS, *bad]), code=1)
    told = [line for line in said.splitlines() if line.startswith("rejected: /")]
    assert len(told) == 10
    assert told[0].endswith("talks.jsonl, line 4, field title: is empty; give every video a title")
    assert "--report FILE.json lists all of them." in said
    assert "15 rows read: 3 to add, 12 rejected: 12 without a title.\n" in said
    assert "Notes: 1 with a placeholder instead of a transcript.\n" in said
    assert "Live: version " in said


def test_no_good_row_changes_nothing(
    run: Run, catalogue: Path, index_dir: Path, encoder: WordEncoder
) -> None:
    run("sync", catalogue)
    before = files_of(index_dir)
    encoder.calls.clear()
    write_jsonl(catalogue, [{"video_id": "a", "title": None}, {"video_id": None, "title": "B"}])
    said = run("sync", catalogue, "--prune", code=4)
    assert "None of the 2 rows gives a video. Nothing was changed" in said
    assert "line 1, field title" in said
    assert "line 2, field video_id" in said
    assert "The only row gives no video." in run(
        "sync", write_jsonl(catalogue, [{"video_id": "", "title": "A"}]), code=4
    )
    run("sync", write_jsonl(catalogue, [{"video_id": "a", "title": ""}] * 2), code=4)
    quarantine = index_dir / "quarantine.jsonl"
    assert f"Rejected rows and the reasons: {quarantine}" in said
    assert quarantine.read_text(encoding="utf-8").count("\n") == 2
    quarantine.unlink()
    assert files_of(index_dir) == before
    assert encoder.calls == []


def test_a_passage_longer_than_the_models_input_is_reported(run: Run, tmp_path: Path, use: Serve) -> None:
    class Splitting(WordEncoder):
        def count_pieces(self, text: str) -> int:
            return len(text) + 2

    use(word_model(Splitting()))
    report = tmp_path / "report.json"
    catalogue = write_jsonl(
        tmp_path / "talks.jsonl", [*ROWS, {"video_id": "long", "title": "Long", "transcript": "w" * 900}]
    )
    said = run("sync", catalogue, "--report", report)
    assert "1 video has a passage longer than the model's input: long" in said
    document = json.loads(report.read_bytes())
    outcomes = [(row["video_id"], row["outcome"]) for row in document["rows"]]
    assert ("long", "truncated-passage") in outcomes
    assert document["summary"]["truncated"] == 1


def test_the_sample_added_to_own_videos_does_not_make_them_a_sample(
    run: Run, catalogue: Path, index_dir: Path
) -> None:
    run("sync", catalogue)
    run("sync", SAMPLE_CATALOGUE)
    said = run("sync", catalogue)
    assert "Replacing" not in said
    assert "Nothing to do" in said
    assert {"a", "b", "c"} < contents_of(index_dir).vectors.keys()


def test_a_rejected_row_does_not_remove_its_video(run: Run, catalogue: Path, index_dir: Path) -> None:
    run("sync", catalogue)
    nameless = {**ROWS[1], "video_id": None}
    said = run("sync", write_jsonl(catalogue, [ROWS[0], nameless]), "--prune", code=1)
    assert "No video is removed: 1 rejected row has no video id" in said
    assert contents_of(index_dir).vectors.keys() == {"a", "b", "c"}
    # A rejected row with an id spares its video; other missing videos are removed.
    run("sync", write_jsonl(catalogue, [ROWS[0], {**ROWS[1], "title": None}]), "--prune", code=1)
    assert contents_of(index_dir).vectors.keys() == {"a", "b"}


def test_a_report_never_overwrites_a_source(run: Run, catalogue: Path) -> None:
    before = catalogue.read_bytes()
    link = catalogue.with_name("link.html")
    link.symlink_to(catalogue)
    for report in (catalogue, link):
        said = run("sync", catalogue, "--report", "report.html", "--report", report, code=4)
        assert f"--report {report} would overwrite a source" in said
    assert catalogue.read_bytes() == before


def test_a_refused_run_reports_the_broken_rules(
    run: Run, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("sync", catalogue)
    monkeypatch.setenv("GATE_FEWER_VIDEOS", "0.1")
    write_jsonl(catalogue, ROWS[:1])
    report, page = tmp_path / "report.json", tmp_path / "report.html"
    for options in (["--dry-run"], []):
        run("sync", catalogue, "--prune", "--report", report, "--report", page, *options, code=4)
        summary = json.loads(report.read_bytes())["summary"]
        assert (summary["outcome"], summary["dry_run"]) == ("refused", bool(options))
        assert summary["why"].startswith("The run was refused.\nfewer-videos: 1 of 3 videos would be left")
        (finding,) = summary["findings"]
        assert (finding["rule"], finding["accepted"]) == ("fewer-videos", False)
        assert summary["before"]["videos"] == 3
        assert summary["actions"]["remove"] == 2
        assert "Refused" in page.read_text(encoding="utf-8")
