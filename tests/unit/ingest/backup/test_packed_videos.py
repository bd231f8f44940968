import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.backup.packed_videos import pack, unpack
from retrieval.index.writing import EmbeddedPassage, EmbeddedVideo
from retrieval.text.vectors import SparseVector
from tests.support.embedded_videos import assert_same_videos, embedded, passage, unit_vectors

DIMENSION = 3

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
vectors = st.lists(floats, min_size=2 * DIMENSION, max_size=2 * DIMENSION).map(
    lambda numbers: np.asarray(numbers, np.float32)
)
words = st.dictionaries(st.integers(0, 2**32 - 1), floats, max_size=5).map(
    lambda weights: SparseVector(tuple(weights), tuple(weights.values()))
)
passages = st.builds(
    EmbeddedPassage,
    text=st.none() | st.text(),
    start=st.none() | st.floats(allow_nan=False),
    end=st.none() | st.floats(allow_nan=False),
    vector=vectors,
    words=words,
)


def packed(videos: list[EmbeddedVideo]) -> bytes:
    return msgspec.msgpack.encode([pack(video) for video in videos])


@settings(max_examples=60, deadline=None)
@given(own=vectors, weights=words, parts=st.lists(passages, max_size=4))
def test_a_video_is_unpacked_bit_by_bit(
    own: np.ndarray, weights: SparseVector, parts: list[EmbeddedPassage]
) -> None:
    # Some passages share the title with the video, as in any index; others do not.
    alike = [
        msgspec.structs.replace(part, vector=np.concatenate([own[:DIMENSION], part.vector[DIMENSION:]]))
        for part in parts
    ]
    video = msgspec.structs.replace(
        embedded("猫", own, passages=[*parts, *alike], tags=("a",), title="\0 é"), words=weights
    )
    assert_same_videos(list(unpack(packed([video]), DIMENSION)), [video])


def test_a_title_is_stored_once() -> None:
    title, *rest = unit_vectors(11, 384, seed=1)
    parts = [passage(np.concatenate([title, row]), "") for row in rest]
    video = embedded("a", np.concatenate([title, rest[0]]), passages=parts)
    assert len(packed([video])) < 4 * 384 * (2 + 10) + 1000


def test_other_bytes_are_refused() -> None:
    content = packed([embedded("a", (1, 2, 3, 4, 5, 6))])
    for damaged in (content[:-1], content + b"x", b"", b"\x90\x90", msgspec.msgpack.encode([{}])):
        with pytest.raises((msgspec.DecodeError, ValueError)):
            assert not list(unpack(damaged, DIMENSION))
    with pytest.raises(ValueError, match="has 6 numbers instead of 8"):
        list(unpack(content, 4))
