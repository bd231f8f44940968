"""Embedded videos made by hand, and the distances that numpy gives for them."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from retrieval.catalogue.manifest import IndexCounts, Manifest, ModelIdentity, PassageSettings
from retrieval.catalogue.video import VideoRecord
from retrieval.index.writing import EmbeddedPassage, EmbeddedVideo, StoredVideo
from retrieval.text.lexical import weigh_query, weigh_video
from retrieval.text.vectors import Embeddings, PairVector, SparseVector

NO_WORDS = SparseVector((), ())


def vector(*coordinates: float) -> NDArray[np.float32]:
    return np.asarray(coordinates, np.float32)


def unit_vectors(count: int, dimension: int, *, seed: int) -> Embeddings:
    rows = np.random.default_rng(seed).standard_normal((count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def twice(query: NDArray[np.float32]) -> PairVector:
    return np.concatenate([query, query])


def words_of(text: str) -> SparseVector:
    """Weigh a document's words; an empty text has none."""
    return weigh_video(text, None) if text else NO_WORDS


def asking(text: str) -> SparseVector:
    return weigh_query(text)


def passage(
    pair: Sequence[float] | PairVector,
    text: str | None = "some words",
    *,
    start: float | None = None,
    end: float | None = None,
) -> EmbeddedPassage:
    return EmbeddedPassage(
        text=text, start=start, end=end, vector=np.asarray(pair, np.float32), words=words_of(text or "")
    )


def embedded(
    video_id: str,
    pair: Sequence[float] | PairVector,
    *,
    text: str = "",
    passages: Sequence[EmbeddedPassage] | None = None,
    content_hash: str = "content",
    record_hash: str = "record",
    **shown: object,
) -> EmbeddedVideo:
    """Build an embedded video; without `passages` it has one at its own vector, with `text`."""
    own = np.asarray(pair, np.float32)
    parts = tuple(passages) if passages is not None else (passage(own, text or "nothing"),)
    record = VideoRecord(
        video_id=video_id,
        title=f"Title of {video_id}",
        title_as_given=f"Title of {video_id}",
        passages=sum(part.text is not None for part in parts),
        has_transcript=any(part.text is not None for part in parts),
    )
    return EmbeddedVideo(
        record=msgspec.structs.replace(record, **shown),
        stored=StoredVideo(content_hash, record_hash),
        vector=own,
        words=words_of(text),
        passages=parts,
    )


def manifest_of(
    videos: Sequence[EmbeddedVideo],
    *,
    version: str = "v-test",
    dimension: int = 2,
    canaries: tuple[str, ...] = (),
) -> Manifest:
    return Manifest(
        index_version=version,
        model=ModelIdentity(name="by-hand", weights_sha256="0" * 64, dimension=dimension),
        passage_settings=PassageSettings(),
        counts=IndexCounts(
            videos=len(videos),
            passages=sum(len(video.passages) for video in videos),
            videos_with_transcript=sum(video.record.has_transcript for video in videos),
        ),
        built_at=datetime(2024, 5, 31, 12, tzinfo=UTC),
        canaries=canaries,
    )


def manhattan(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).sum())


def nearest_passage_distance(video: EmbeddedVideo, query: NDArray[np.float32]) -> float:
    return min(manhattan(part.vector, twice(query)) for part in video.passages)


def assert_same_videos(found: Sequence[EmbeddedVideo], expected: Sequence[EmbeddedVideo]) -> None:
    """Compare everything written; weights as 32-bit numbers, as engines store them, and in any order."""
    by_id = {video.record.video_id: video for video in found}
    assert len(by_id) == len(found)
    assert by_id.keys() == {video.record.video_id for video in expected}
    for video in expected:
        other = by_id[video.record.video_id]
        assert (other.record, other.stored) == (video.record, video.stored)
        for a, b in zip([other, *other.passages], [video, *video.passages], strict=True):
            assert a.vector.tobytes() == b.vector.tobytes()
            assert _weights(a.words) == _weights(b.words)
        told = [[(p.text, p.start, p.end) for p in one.passages] for one in (other, video)]
        assert told[0] == told[1]


def _weights(words: SparseVector) -> dict[int, float]:
    return dict(zip(words.indices, np.asarray(words.values, np.float32).tolist(), strict=True))
