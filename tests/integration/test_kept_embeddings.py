"""A sync that is killed while it embeds: the next one embeds only the rest, and ends at the same index."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from ingest.kept_embeddings import FILE
from tests.support.contents import Contents, assert_same_contents, contents_of
from tests.support.documents import write_jsonl
from tests.support.processes import Ingest, copied, eventually

WORDS = ["bread", "salt", "oven", "flour", "water", "wheel", "chain", "brake", "saddle", "tyre", "moon"]


def catalogue(folder: Path, videos: int) -> Path:
    """Write short videos, a few of them alike, in batches enough to be stopped between two."""
    chance = np.random.default_rng(11)
    rows = []
    for number in range(videos):
        said = " ".join(chance.choice(WORDS, 12))
        transcript = None if number % 9 == 0 else f"{said} {number if number % 5 else ''}"
        rows.append({"video_id": f"v{number}", "title": f"{said[:14]} {number}", "transcript": transcript})
    return write_jsonl(folder / "talks.jsonl", rows)


def kept(embeddings_dir: Path) -> dict[bytes, tuple[int, bytes]]:
    """Number and entry by key, read past the product; a kill may have left a journal to play back."""
    if not (embeddings_dir / FILE).exists():
        return {}
    with closing(sqlite3.connect(embeddings_dir / FILE, timeout=10)) as database:
        if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return {}
        rows = database.execute("SELECT key, number, entry FROM embeddings")
        return {key: (number, entry) for key, number, entry in rows}


def killed_while_embedding(ingest: Ingest, source: Path) -> dict[bytes, tuple[int, bytes]]:
    """Kill a sync as soon as it has kept another batch, and return all that is kept then."""
    assert ingest.embeddings_dir
    folder = ingest.embeddings_dir
    before = len(kept(folder))
    with ingest.start("sync", source) as process:
        eventually(lambda: process.poll() is not None or len(kept(folder)) > before or None)
        process.kill()
    assert process.returncode == -9, process.stderr
    left = kept(folder)
    assert len(left) > before
    return left


def resumed(ingest: Ingest, source: Path, earlier: dict[bytes, tuple[int, bytes]]) -> None:
    """Run to the end: all that was kept is found, and nothing of it is embedded and kept again."""
    assert ingest.embeddings_dir
    said = ingest.done("sync", source)
    told = re.search(r"Found ([\d,]+) of ([\d,]+) texts embedded by an earlier run\.", said)
    assert told, said
    found, asked = (int(number.replace(",", "")) for number in told.groups())
    assert 0 < len(earlier) <= found < asked
    after = kept(ingest.embeddings_dir)
    assert earlier.items() <= after.items()
    assert len(after) > len(earlier)


def assert_same_bits(found: Contents, expected: Contents) -> None:
    assert_same_contents(found, expected)
    for one, other in (
        (found.vectors, expected.vectors),
        (found.passage_vectors, expected.passage_vectors),
    ):
        assert {name: row.tobytes() for name, row in one.items()} == {
            name: row.tobytes() for name, row in other.items()
        }


def test_a_first_build_goes_on_where_it_was_killed(folder: Path, model_dir: Path) -> None:
    source = catalogue(folder, 600)
    whole = Ingest(folder / "whole", model_dir.resolve(), folder / "whole-embeddings")
    assert "by an earlier run" not in whole.done("sync", source)
    ingest = Ingest(folder / "index", model_dir.resolve(), folder / "embeddings")
    first = killed_while_embedding(ingest, source)
    second = killed_while_embedding(ingest, source)
    assert first.items() < second.items()
    resumed(ingest, source, second)
    assert kept(folder / "embeddings") == kept(folder / "whole-embeddings")
    assert_same_bits(contents_of(ingest.index_dir), contents_of(whole.index_dir))


def test_an_update_goes_on_where_it_was_killed(
    small_index: tuple[Path, str], folder: Path, model_dir: Path
) -> None:
    source = catalogue(folder, 400)
    ingest, whole = (
        Ingest(copied(small_index[0], folder / name), model_dir.resolve(), folder / f"{name}-embeddings")
        for name in ("index", "whole")
    )
    earlier = killed_while_embedding(ingest, source)
    resumed(ingest, source, earlier)
    whole.done("sync", source)
    assert_same_bits(contents_of(ingest.index_dir), contents_of(whole.index_dir))
