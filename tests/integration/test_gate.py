"""The gate in the whole batch job: decayed catalogues are refused, and the live index keeps every byte."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.__main__ import main
from ingest.embedding.encoders import Model
from retrieval.catalogue.runs import RUNS_FILE
from tests.support.documents import IDENTITY, WordEncoder, use_model, word_model, write_jsonl
from tests.support.folders import passing_folder

Rows = list[dict[str, object]]
Sync = Callable[..., int]

THINGS = (
    "tomato", "bread", "engine", "bicycle", "star", "piano",
    "river", "bridge", "clock", "candle", "ladder", "mirror",
)  # fmt: skip
SOUND_VERSIONS = 20
DAMAGED_VERSIONS = 40


def video(number: int) -> dict[str, object]:
    chance = random.Random(number)
    words = " ".join(chance.choice(THINGS) for _ in range(30))
    return {
        "video_id": f"v{number}",
        "title": f"{THINGS[number % 12]} {THINGS[number // 12 % 12]} number{number}",
        "transcript": f"talk number{number} on {words}",
        "published_at": "2024-05-30",
    }


def catalogue(count: int = 60) -> Rows:
    return [video(number) for number in range(count)]


def changed(rows: Rows, which: range, **columns: object) -> Rows:
    return [row | columns if number in which else row for number, row in enumerate(rows)]


class Broken(WordEncoder):
    """A model whose embeddings have the wrong length, or are not numbers."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self._factor = factor

    def encode_documents(self, texts):  # noqa: ANN001, ANN201
        return super().encode_documents(texts) * self._factor


ROWS = catalogue()
NEW = [video(number) for number in range(60, 64)]
TITLES = [str(row["title"]) for row in ROWS]
ANOTHER = Model(WordEncoder(), IDENTITY.__class__("other", "1" * 64, IDENTITY.dimension), 256)
# Videos with the same titles and few other words: searches for the titles no longer find the originals.
IMPOSTORS = [
    {"video_id": f"a{n}-{thing}", "title": title, "transcript": f"{title} {thing}"}
    for n, title in enumerate(TITLES)
    for thing in THINGS[:6]
]


def shifted(rows: Rows, column: str) -> Rows:
    """The rows after a join that is off by one."""
    return [row | {column: other[column]} for row, other in zip(rows, [*rows[1:], rows[0]], strict=True)]


def renamed(rows: Rows) -> Rows:
    return [row | {"video_id": f"yt-{row['video_id']}"} for row in rows]


def failing(rows: Rows, text: str) -> Rows:
    return [row | {"transcript": text.format(row["video_id"])} for row in rows]


POISON: dict[str, tuple[Rows, str]] = {
    "a listing cut off": (ROWS[:50], "fewer-videos"),
    "no transcripts any more": (changed(ROWS, range(10), transcript=None), "less-coverage"),
    "a few fetches failed": (changed(ROWS, range(2), transcript="n/a"), "lost-transcripts"),
    "doubled rows": ([*ROWS, *ROWS[:5]], "repeated-ids"),
    "one text for all": (changed(ROWS, range(4), transcript="Enable scripts"), "shared-transcripts"),
    "null": ([*ROWS, *changed(NEW, range(4), transcript="null")], "placeholders"),
    "music": ([*ROWS, *changed(NEW, range(4), transcript="[Music]")], "placeholders"),
    "tomorrow's news": (changed(ROWS, range(1), published_at="2999-01-01"), "future-dates"),
    "another model": (ROWS, "other-model"),
    "vectors too long": ([*ROWS, NEW[0]], "bad-vectors"),
    "no vectors": ([*ROWS, NEW[0]], "bad-vectors"),
    "titles find others": ([*ROWS, *IMPOSTORS], "lost-canaries"),
    "why there is no transcript": (
        failing(ROWS, "Could not retrieve a transcript for the video {}!"),
        "placeholders",
    ),
    "one text for all but for its id": (
        failing(ROWS, "Watch {0} at https://example.org/{0}"),
        "shared-transcripts",
    ),
    "cut off": ([row | {"transcript": str(row["transcript"])[:40]} for row in ROWS], "shorter-transcripts"),
    "titles off by one": (shifted(ROWS, "title"), "moved-texts"),
    "transcripts off by one": (shifted(ROWS, "transcript"), "changed-texts"),
    "other ids": (renamed(ROWS), "renamed-videos"),
    "other ids beside": ([*ROWS, *renamed(ROWS)], "renamed-videos"),
    "one title for all": (changed(ROWS, range(60), title="Just a moment..."), "shared-titles"),
    "a column gone": (changed(ROWS, range(1, 60), title=None), "rejected-rows"),
    "another catalogue": ([video(n) for n in range(100, 160)], "replaced-videos"),
    "much at once": ([*changed(ROWS[:45], range(20), transcript="n/a"), *ROWS[:20]], "repeated-ids"),
}
POISONED_MODELS = {
    "another model": ANOTHER,
    "vectors too long": word_model(Broken(2.0)),
    "no vectors": word_model(Broken(float("nan"))),
}


@pytest.fixture
def index_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with passing_folder() as folder:
        monkeypatch.setenv("INDEX_DIR", str(folder / "index"))
        monkeypatch.delenv("QDRANT_URL", raising=False)
        yield folder / "index"


@pytest.fixture
def sync(index_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sync:
    """Sync a catalogue into the index, and return the exit code."""
    assert not index_dir.exists()

    def sync(rows: Rows, *options: str, model: Model | None = None) -> int:
        use_model(monkeypatch, model or word_model())
        return main(["sync", str(write_jsonl(tmp_path / "talks.jsonl", rows)), *options])

    return sync


def bytes_of(folder: Path) -> dict[Path, bytes]:
    """All files except the records of runs, by path."""
    records = {RUNS_FILE, "quarantine.jsonl"}
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in records)
    return {path: path.read_bytes() for path in files}


@pytest.mark.parametrize("poison", POISON)
def test_a_poisoned_catalogue_is_refused_and_the_index_stays(
    poison: str, index_dir: Path, sync: Sync, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sync(ROWS) == 0
    before = bytes_of(index_dir)
    rows, rule = POISON[poison]
    capsys.readouterr()
    assert sync(rows, "--prune", model=POISONED_MODELS.get(poison)) == 4
    assert rule in capsys.readouterr().err
    assert bytes_of(index_dir) == before


def test_an_accepted_run_is_published_and_recorded(sync: Sync, capsys: pytest.CaptureFixture[str]) -> None:
    assert sync(ROWS) == 0
    assert sync(ROWS[:30], "--prune", "--dry-run") == 4
    assert "fewer-videos: 30 of 60 videos would be left" in capsys.readouterr().err
    assert sync(ROWS[:30], "--prune", "--accept", "fewer-videos") == 0
    assert main(["status"]) == 0
    assert "accepted: fewer-videos" in capsys.readouterr().out


def test_a_level_accepted_once_is_accepted_again(sync: Sync) -> None:
    odd = [*ROWS, *ROWS[:5]]
    assert sync(ROWS) == 0
    assert sync(odd) == 4
    assert sync(odd, "--accept", "repeated-ids") == 1  # There is nothing else to do.
    assert sync(odd) == 1
    assert sync(ROWS) == 0
    assert sync(odd) == 1
    assert sync([*ROWS, *ROWS[:6]]) == 4


def test_a_catalogue_that_loses_a_little_every_night_is_refused(
    sync: Sync, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = catalogue(100)
    assert sync(rows) == 0
    while True:
        rows = rows[3:]
        if code := sync(rows, "--prune"):
            break
    assert code == 4
    assert len(rows) == 88
    assert "fewer-videos: 88 of 100 videos would be left" in capsys.readouterr().err


def test_a_source_that_changes_while_it_is_read_is_not_published(
    index_dir: Path, tmp_path: Path, sync: Sync, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gate checked only the first reading."""
    talks = tmp_path / "talks.jsonl"

    class Rewriting(WordEncoder):
        def count_pieces(self, text: str) -> int:
            write_jsonl(talks, failing(more, "n/a"))
            return super().count_pieces(text)

    assert sync(ROWS) == 0
    before = bytes_of(index_dir)
    more = [video(number) for number in range(700)]  # More than are read at a time.
    assert sync(more, model=word_model(Rewriting())) == 4
    assert "changed while the sources were read. Run the same command again" in capsys.readouterr().err
    assert bytes_of(index_dir) == before


def damaged(rows: Rows, chance: random.Random) -> Rows:
    """Damage a good catalogue as a failing pipeline does."""
    kind = chance.randrange(3)
    if kind == 0:  # Fetches fail, and a placeholder is stored as the transcript.
        failed = set(chance.sample(range(len(rows)), chance.randint(len(rows) // 20 + 1, len(rows))))
        return [row | {"transcript": "n/a"} if n in failed else row for n, row in enumerate(rows)]
    if kind == 1:  # The listing stops after a page.
        return rows[: chance.randint(1, len(rows) * 85 // 100)]
    doubled = chance.sample(rows, chance.randint(len(rows) // 10, len(rows)))
    return [*rows, *doubled]


def test_every_damaged_version_of_a_history_is_refused_and_no_sound_one(sync: Sync) -> None:
    chance = random.Random(133)
    days = [True] * SOUND_VERSIONS + [False] * DAMAGED_VERSIONS
    chance.shuffle(days)
    good = catalogue(40)
    assert sync(good, "--prune") == 0
    outcomes = []
    for day, is_sound in enumerate(days):
        if is_sound:  # New uploads, a corrected title, sometimes a deleted video.
            good = [*good, *(video(1000 + 10 * day + n) for n in range(chance.randint(0, 4)))]
            good[chance.randrange(len(good))]["title"] = f"corrected on day{day}"
            if chance.random() < 0.3:
                good = good[1:]
            rows = good
        else:
            rows = damaged(good, chance)
        code = sync(rows, "--prune")
        outcomes.append((is_sound, code))
    assert {code for is_sound, code in outcomes if is_sound} == {0}
    assert {code for is_sound, code in outcomes if not is_sound} == {4}
