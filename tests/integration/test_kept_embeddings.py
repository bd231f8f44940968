"""A sync that is killed while it embeds: the next one embeds only the rest, and ends at the same index."""

import re
from pathlib import Path

from tests.support.contents import assert_same_bits, contents_of
from tests.support.documents import alike_videos, write_jsonl
from tests.support.kept import kept
from tests.support.processes import Ingest, copied, eventually


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


def test_a_killed_first_build_is_resumed(folder: Path, model_dir: Path) -> None:
    source = write_jsonl(folder / "talks.jsonl", alike_videos(600))
    whole = Ingest(folder / "whole", model_dir.resolve(), folder / "whole-embeddings")
    assert "by an earlier run" not in whole.done("sync", source)
    ingest = Ingest(folder / "index", model_dir.resolve(), folder / "embeddings")
    first = killed_while_embedding(ingest, source)
    second = killed_while_embedding(ingest, source)
    assert first.items() < second.items()
    resumed(ingest, source, second)
    assert kept(folder / "embeddings") == kept(folder / "whole-embeddings")
    assert_same_bits(contents_of(ingest.index_dir), contents_of(whole.index_dir))


def test_a_killed_update_is_resumed(small_index: tuple[Path, str], folder: Path, model_dir: Path) -> None:
    source = write_jsonl(folder / "talks.jsonl", alike_videos(400))
    ingest, whole = (
        Ingest(copied(small_index[0], folder / name), model_dir.resolve(), folder / f"{name}-embeddings")
        for name in ("index", "whole")
    )
    earlier = killed_while_embedding(ingest, source)
    resumed(ingest, source, earlier)
    whole.done("sync", source)
    assert_same_bits(contents_of(ingest.index_dir), contents_of(whole.index_dir))
