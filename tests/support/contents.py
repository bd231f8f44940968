"""The content of the live version of an embedded index, read without the product's own reader."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from qdrant_edge import EdgeShard, ScrollRequest

from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.runs import RUNS_FILE
from retrieval.edge.generations import Generations
from retrieval.index.stored_records import PAIR, PASSAGES, VIDEOS
from retrieval.text.vectors import PairVector


class Contents(msgspec.Struct):
    """Payloads without null values, and vectors, by point id; `vectors` by video id."""

    manifest: Manifest
    videos: dict[str, dict[str, Any]]
    passages: dict[str, dict[str, Any]]
    vectors: dict[str, PairVector]
    passage_vectors: dict[str, PairVector]

    @property
    def version(self) -> str:
        return self.manifest.index_version

    def record(self, video_id: str) -> dict[str, Any]:
        return next(payload for payload in self.videos.values() if payload["video_id"] == video_id)

    def said(self, video_id: str) -> list[str | None]:
        """Return the texts of a video's passages, sorted."""
        own = [payload for payload in self.passages.values() if payload["video_id"] == video_id]
        return sorted((payload.get("text") for payload in own), key=str)


def contents_of(index_dir: Path) -> Contents:
    """Read the live version."""
    generations = Generations(index_dir)
    pointer = generations.pointer()
    assert pointer is not None, f"{index_dir} has no live version"
    folder = generations.folder(pointer.live)
    videos, passages = list(_points(folder / VIDEOS)), list(_points(folder / PASSAGES))
    return Contents(
        manifest=generations.manifest(pointer.live),
        videos={point_id: payload for point_id, payload, _ in videos},
        passages={point_id: payload for point_id, payload, _ in passages},
        vectors={payload["video_id"]: vector for _, payload, vector in videos},
        passage_vectors={point_id: vector for point_id, _, vector in passages},
    )


def assert_same_contents(found: Contents, expected: Contents) -> None:
    """Compare everything except the version's id and time."""
    assert found.manifest.counts == expected.manifest.counts
    assert found.videos == expected.videos
    assert found.passages == expected.passages
    _assert_same_vectors(found.vectors, expected.vectors)
    _assert_same_vectors(found.passage_vectors, expected.passage_vectors)


def assert_same_bits(found: Contents, expected: Contents) -> None:
    """Compare everything except the version's id and time, with vectors bit by bit."""
    assert_same_contents(found, expected)
    for one, other in (
        (found.vectors, expected.vectors),
        (found.passage_vectors, expected.passage_vectors),
    ):
        assert {name: row.tobytes() for name, row in one.items()} == {
            name: row.tobytes() for name, row in other.items()
        }


def files_of(index_dir: Path) -> dict[str, bytes | None]:
    """Return the names of the versions and of the pointer file, without the log of runs."""
    names: dict[str, bytes | None] = {f"generations/{p.name}": None for p in index_dir.glob("generations/*")}
    names |= {f"building/{p.name}": None for p in index_dir.glob("building/*")}
    files = (p for p in index_dir.iterdir() if p.is_file() and p.name != RUNS_FILE)
    return names | {p.name: p.read_bytes() for p in files}


def left_over(index_dir: Path) -> list[Path]:
    """List files that a finished run should not have left."""
    pointer = Generations(index_dir).pointer()
    assert pointer is not None
    found = [*index_dir.glob(".*"), *index_dir.glob("building/*"), *index_dir.glob("generations/*")]
    return [path for path in found if path.name not in (pointer.live, pointer.previous)]


def _assert_same_vectors(found: dict[str, PairVector], expected: dict[str, PairVector]) -> None:
    assert found.keys() == expected.keys()
    for name, vector in expected.items():
        np.testing.assert_allclose(found[name], vector, rtol=0, atol=1e-6, err_msg=name)


def _points(folder: Path) -> Iterator[tuple[str, dict[str, Any], NDArray[np.float32]]]:
    shard = EdgeShard.load(str(folder))
    try:
        following = None
        while True:
            points, following = shard.scroll(
                ScrollRequest(offset=following, limit=1000, with_payload=True, with_vector=[PAIR])
            )
            for point in points:
                # The engine drops null values in some writes and stores them in others.
                payload = {name: value for name, value in point.payload.items() if value is not None}
                yield str(point.id), payload, np.asarray(point.vector[PAIR], np.float32)
            if following is None:
                return
    finally:
        shard.close()
