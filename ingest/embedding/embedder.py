"""Conversion of checked videos to points: passages, embeddings and term weights."""

import functools
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from ingest.embedding.content_hashes import embedded_transcript, record_of, stored_form
from ingest.embedding.passages import cut_passages
from ingest.errors import IngestError
from retrieval.catalogue.manifest import ModelIdentity, PassageSettings
from retrieval.catalogue.video import Passage, Video
from retrieval.index.writing import EmbeddedPassage, EmbeddedVideo
from retrieval.text.lexical import weigh_passage, weigh_video
from retrieval.text.vectors import DocumentEncoder, Embedding, Embeddings

_TEXTS_PER_BATCH = 512
"""Texts that are sorted by length and embedded together: enough for evenly filled rows, few enough for little
memory and progress every few seconds."""


_UNIT_TOLERANCE = 1e-3

_COUNTED_WORDS = 1 << 17


class CutVideo(msgspec.Struct, frozen=True):
    """A video and its passages, before embedding."""

    video: Video
    passages: tuple[Passage, ...]

    @property
    def texts(self) -> list[str]:
        """The texts to embed: the title, the transcript, then each passage."""
        video = self.video
        return [video.title, embedded_transcript(video), *(passage.text for passage in self.passages)]


class Embedder:
    """Converts videos to points, with one model and one setting of passages."""

    def __init__(
        self, encoder: DocumentEncoder, *, model: ModelIdentity, settings: PassageSettings, max_pieces: int
    ) -> None:
        """Embed with `encoder`, whose identity is `model`; it reads `max_pieces` word pieces of a text."""
        self._encoder = encoder
        # The same words occur in many videos; counting takes most of the time of cutting.
        self._count_pieces = functools.lru_cache(_COUNTED_WORDS)(encoder.count_pieces)
        self._model = model
        self._settings = settings
        self._max_pieces = max_pieces

    def cut(self, video: Video) -> CutVideo:
        """Cut a video's transcript into passages."""
        passages = cut_passages(
            video, self._settings, count_pieces=self._count_pieces, max_pieces=self._max_pieces
        )
        return CutVideo(video, tuple(passages))

    def embed(self, videos: Iterable[CutVideo]) -> Iterator[list[EmbeddedVideo]]:
        """Embed videos and yield them in batches, in their order."""
        for batch in _batches(videos):
            embeddings = iter(
                self._encoder.encode_documents([text for video in batch for text in video.texts])
            )
            yield [
                self._assemble(video, _checked(video, [next(embeddings) for _ in video.texts]))
                for video in batch
            ]

    def _assemble(self, cut: CutVideo, embeddings: list[Embedding]) -> EmbeddedVideo:
        video, (title, transcript, *texts) = cut.video, embeddings
        return EmbeddedVideo(
            record=msgspec.structs.replace(record_of(video), passages=len(cut.passages)),
            stored=stored_form(video, self._model, self._settings),
            vector=np.concatenate([title, transcript]),
            words=weigh_video(video.title, video.transcript),
            passages=tuple(
                EmbeddedPassage(
                    text=passage.text,
                    start=passage.start,
                    end=passage.end,
                    vector=np.concatenate([title, text]),
                    words=weigh_passage(video.title, passage.text),
                )
                for passage, text in zip(cut.passages, texts, strict=True)
            )
            or (_title_alone(video, title),),
        )


def _checked(cut: CutVideo, embeddings: list[Embedding]) -> list[Embedding]:
    """Raise IngestError unless each embedding has length 1; no query would find others."""
    if not are_unit_vectors(np.stack(embeddings)):
        raise IngestError(
            f"bad-vectors: the model returned an embedding whose length is not 1 for a text of the video "
            f"{cut.video.video_id}. Export the model again: python -m ingest export-model"
        )
    return embeddings


def are_unit_vectors(embeddings: Embeddings) -> bool:
    """Whether every row has length 1, as the embeddings of a model have."""
    lengths = np.linalg.norm(embeddings, axis=1)
    return bool(np.all(np.abs(lengths - 1.0) < _UNIT_TOLERANCE))  # False for NaN too.


def _title_alone(video: Video, title: Embedding) -> EmbeddedPassage:
    """Return the only passage of a video without a transcript: its title, without a moment."""
    return EmbeddedPassage(
        text=None,
        start=None,
        end=None,
        vector=np.concatenate([title, title]),
        words=weigh_passage(video.title, ""),
    )


def _batches(videos: Iterable[CutVideo]) -> Iterator[list[CutVideo]]:
    batch: list[CutVideo] = []
    texts = 0
    for video in videos:
        batch.append(video)
        texts += len(video.texts)
        if texts >= _TEXTS_PER_BATCH:
            yield batch
            batch, texts = [], 0
    if batch:
        yield batch
