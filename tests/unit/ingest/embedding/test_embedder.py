from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from ingest.embedding.embedder import CutVideo, Embedder
from retrieval.catalogue.manifest import PassageSettings
from retrieval.catalogue.video import Cue, Video
from retrieval.index.writing import EmbeddedVideo
from tests.support.documents import DIMENSION, IDENTITY, WordEncoder, embedding_of

SETTINGS = PassageSettings(size=8, overlap=2)


@pytest.fixture
def encoder() -> WordEncoder:
    return WordEncoder()


@pytest.fixture
def embedder(encoder: WordEncoder) -> Embedder:
    return Embedder(encoder, model=IDENTITY, settings=SETTINGS, max_pieces=256)


def embed(embedder: Embedder, *videos: Video) -> list[EmbeddedVideo]:
    return [video for batch in embedder.embed(map(embedder.cut, videos)) for video in batch]


def pair(first: str, second: str) -> list[float]:
    return np.concatenate([embedding_of(first), embedding_of(second)]).tolist()


def test_the_vector_of_a_video_is_its_title_and_its_transcript(embedder: Embedder) -> None:
    # As given: the classic route must equal the tutorial's, which cleans nothing.
    video = Video(video_id="v", title="Bread &amp; salt", transcript="mix  the flour\nand water")
    (embedded,) = embed(embedder, video)
    assert embedded.vector.tolist() == pair("Bread &amp; salt", "mix  the flour\nand water")
    assert embedded.vector.shape == (2 * DIMENSION,)
    assert embedded.vector.dtype == np.float32


def test_the_vector_of_a_passage_is_the_title_and_its_text(embedder: Embedder) -> None:
    transcript = " ".join(f"word{n}" for n in range(20))
    (embedded,) = embed(embedder, Video(video_id="v", title="Bread", transcript=transcript))
    texts = [passage.text or "" for passage in embedded.passages]
    assert len(texts) > 1
    assert {word for text in texts for word in text.split()} == set(transcript.split())
    for passage, text in zip(embedded.passages, texts, strict=True):
        assert passage.vector.tolist() == pair("Bread", text)
        assert passage.start is None
        assert passage.end is None
    assert embedded.record.passages == len(texts)


def test_passages_of_cues_have_times(embedder: Embedder) -> None:
    cues = tuple(Cue(n * 4.0, n * 4.0 + 3, f"one{n} two{n} three{n} four{n}") for n in range(5))
    video = Video(video_id="v", title="Bread", transcript=" ".join(cue.text for cue in cues), cues=cues)
    (embedded,) = embed(embedder, video)
    times = [(passage.start, passage.end) for passage in embedded.passages]
    assert times[0][0] == 0.0
    assert times[-1][1] == 19.0
    assert all(before < after for before, after in pairwise(times))


def test_without_a_transcript_the_only_passage_is_the_title(embedder: Embedder) -> None:
    (embedded,) = embed(embedder, Video(video_id="v", title="Bread"))
    assert embedded.vector.tolist() == pair("Bread", "n/a")
    (passage,) = embedded.passages
    assert passage.vector.tolist() == pair("Bread", "Bread")
    assert (passage.text, passage.start, passage.end) == (None, None, None)
    assert embedded.record.passages == 0
    assert embedded.record.has_transcript is False


def test_term_weights_come_from_title_and_text(embedder: Embedder) -> None:
    spoken, silent = embed(
        embedder,
        Video(video_id="a", title="Bread", transcript="oven"),
        Video(video_id="b", title="Bread"),
    )
    assert len(spoken.words.indices) == 2
    assert set(silent.words.indices) < set(spoken.words.indices)
    assert set(silent.passages[0].words.indices) == set(silent.words.indices)
    assert set(spoken.passages[0].words.indices) == set(spoken.words.indices)


def test_batches_keep_the_order_of_videos_and_embeddings(embedder: Embedder, encoder: WordEncoder) -> None:
    rng = np.random.default_rng(7)
    videos = [
        Video(
            video_id=f"v{n}",
            title=f"title{n}",
            transcript=" ".join(f"w{n}x{i}" for i in range(rng.integers(1, 60))) if n % 7 else None,
        )
        for n in range(260)
    ]
    batches = list(embedder.embed(map(embedder.cut, videos)))
    assert len(batches) == len(encoder.calls) > 1
    embedded = [video for batch in batches for video in batch]
    assert [video.record.video_id for video in embedded] == [video.video_id for video in videos]
    for video, found in zip(videos, embedded, strict=True):
        assert found.vector.tolist() == pair(video.title, video.transcript or "n/a")
        for passage in found.passages:
            assert passage.vector.tolist() == pair(video.title, passage.text or video.title)


def test_videos_are_read_while_they_are_embedded(embedder: Embedder) -> None:
    read: list[str] = []

    def endless() -> Iterator[CutVideo]:
        for n in range(1_000_000):
            read.append(f"v{n}")
            yield embedder.cut(Video(video_id=f"v{n}", title="Bread", transcript="flour"))

    first = next(embedder.embed(endless()))
    assert [video.record.video_id for video in first] == read
    assert len(read) < 1000


def test_every_text_is_embedded_once(embedder: Embedder, encoder: WordEncoder) -> None:
    cut = embedder.cut(Video(video_id="v", title="Bread", transcript="flour water salt"))
    assert cut.texts == ["Bread", "flour water salt", "flour water salt"]
    list(embedder.embed([cut]))
    assert encoder.texts == cut.texts


def test_without_videos_the_encoder_is_not_called(embedder: Embedder, encoder: WordEncoder) -> None:
    assert list(embedder.embed([])) == []
    assert encoder.calls == []
