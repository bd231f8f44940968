"""The format of videos in a snapshot: records as they are, vectors as little-endian bytes. Pure."""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from retrieval.catalogue.video import VideoRecord
from retrieval.index.writing import EmbeddedPassage, EmbeddedVideo, StoredVideo
from retrieval.text.vectors import PairVector, SparseVector

_FLOAT = np.dtype("<f4")
_WORD = np.dtype("<u4")


class PackedPassage(msgspec.Struct, frozen=True, array_like=True):
    """A passage. `vector` omits its first half, the title's, if it equals the first half of the video's."""

    text: str | None
    start: float | None
    end: float | None
    vector: bytes
    words: bytes
    weights: bytes


class PackedVideo(msgspec.Struct, frozen=True, array_like=True):
    """A video with all its passages."""

    record: VideoRecord
    stored: StoredVideo
    vector: bytes
    words: bytes
    weights: bytes
    passages: tuple[PackedPassage, ...]


def pack(video: EmbeddedVideo) -> msgspec.Raw:
    """Encode a video."""
    own = _floats(video.vector)
    title = own[: len(own) // 2]
    packed = PackedVideo(
        video.record,
        video.stored,
        own,
        *_packed_words(video.words),
        tuple(
            PackedPassage(
                passage.text,
                passage.start,
                passage.end,
                _floats(passage.vector).removeprefix(title),
                *_packed_words(passage.words),
            )
            for passage in video.passages
        ),
    )
    return msgspec.Raw(msgspec.msgpack.encode(packed))


def unpack(content: bytes, dimension: int) -> Iterator[EmbeddedVideo]:
    """Decode a list of packed videos with embeddings of this dimension.

    Raises msgspec.DecodeError or ValueError if the bytes are not such a list.
    """
    for packed in msgspec.msgpack.decode(content, type=list[PackedVideo]):
        own = _vector(packed.vector, dimension)
        title = packed.vector[: len(packed.vector) // 2]
        yield EmbeddedVideo(
            packed.record,
            packed.stored,
            own,
            _words(packed.words, packed.weights),
            tuple(
                EmbeddedPassage(
                    passage.text,
                    passage.start,
                    passage.end,
                    _vector(
                        title + passage.vector if len(passage.vector) == len(title) else passage.vector,
                        dimension,
                    ),
                    _words(passage.words, passage.weights),
                )
                for passage in packed.passages
            ),
        )


def _floats(vector: PairVector) -> bytes:
    return vector.astype(_FLOAT).tobytes()


def _packed_words(words: SparseVector) -> tuple[bytes, bytes]:
    return np.asarray(words.indices, _WORD).tobytes(), np.asarray(words.values, _FLOAT).tobytes()


def _vector(content: bytes, dimension: int) -> PairVector:
    vector: NDArray[np.float32] = np.frombuffer(content, _FLOAT)
    if len(vector) != 2 * dimension:
        raise ValueError(f"a vector has {len(vector)} numbers instead of {2 * dimension}")
    return vector


def _words(indices: bytes, weights: bytes) -> SparseVector:
    words, values = np.frombuffer(indices, _WORD), np.frombuffer(weights, _FLOAT)
    if len(words) != len(values):
        raise ValueError(f"{len(words)} words have {len(values)} weights")
    return SparseVector(tuple(words.tolist()), tuple(values.tolist()))
