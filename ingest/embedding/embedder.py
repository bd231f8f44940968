"""From checked videos to points ready to be written: passages cut, texts embedded, words weighed."""

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

_TEXTS_A_BATCH = 512
"""How many texts are sorted by length and embedded together: enough to fill rows evenly, few enough that
progress moves every few seconds and memory stays small."""


_UNIT_TOLERANCE = 1e-3

_COUNTED_WORDS = 1 << 17


class CutVideo(msgspec.Struct, frozen=True):
    """A video and its passages, not embedded yet."""

    video: Video
    passages: tuple[Passage, ...]

    @property
    def texts(self) -> list[str]:
        """The texts to embed: title, transcript, then each passage."""
        video = self.video
        return [video.title, embedded_transcript(video), *(passage.text for passage in self.passages)]


class Embedder:
    """Turns videos into points, with one model and one way of cutting."""

    def __init__(
        self, encoder: DocumentEncoder, *, model: ModelIdentity, settings: PassageSettings, max_pieces: int
    ) -> None:
        """Embed with `encoder`, which is `model` and reads `max_pieces` word pieces of a text."""
        self._encoder = encoder
        # The same words come back in every video; counting is most of what cutting costs.
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
        """Embed videos, yielding them in batches, in their order."""
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
    """Raise IngestError unless every embedding is a direction: what else goes in is found by no query."""
    if not are_directions(np.stack(embeddings)):
        raise IngestError(
            f"bad-vectors: the model gave an embedding that is not of length 1 for a text of the video "
            f"{cut.video.video_id}. Export the model again: python -m ingest export-model"
        )
    return embeddings


def are_directions(embeddings: Embeddings) -> bool:
    """Whether every row is of length 1, as those of a model are."""
    lengths = np.linalg.norm(embeddings, axis=1)
    return bool(np.all(np.abs(lengths - 1.0) < _UNIT_TOLERANCE))  # Not so for NaN either.


def _title_alone(video: Video, title: Embedding) -> EmbeddedPassage:
    """Stand in for the passages of a video without a transcript: it is found by its title, at no moment."""
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
        if texts >= _TEXTS_A_BATCH:
            yield batch
            batch, texts = [], 0
    if batch:
        yield batch
