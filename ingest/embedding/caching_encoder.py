"""An encoder that embeds only the texts that no earlier run has embedded."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import numpy as np

from ingest.embedding.embedder import are_unit_vectors
from ingest.embedding.embedding_cache import EmbeddingCache
from ingest.embedding.encoders import Model
from ingest.terminal import Terminal
from retrieval.text.vectors import DocumentEncoder, Embeddings


class CachingEncoder:
    """A DocumentEncoder that combines another encoder with a cache.

    `requested` counts the texts, without repetitions in one call; `found` those of them that were cached
    before the cache was opened; `embedded` those that the other encoder embedded.
    """

    def __init__(self, encoder: DocumentEncoder, cache: EmbeddingCache, fingerprint: bytes) -> None:
        """Cache the embeddings of `encoder` under `fingerprint`, which must be unique to its parameters."""
        self._encoder = encoder
        self._cache = cache
        self._fingerprint = fingerprint
        self.requested = self.found = self.embedded = 0

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts, one row for each, in their order. New embeddings are on disk when this returns."""
        keys = [self._key(text) for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        cached = {
            key: found
            for key, found in self._cache.find(list(wanted)).items()
            if are_unit_vectors(found.embedding[np.newaxis])  # Anything else is damage.
        }
        rows = {key: found.embedding for key, found in cached.items()}
        # In one call, since the encoder makes batches of texts of equal length.
        missing = {key: text for key, text in wanted.items() if key not in cached}
        self.requested += len(wanted)
        self.found += sum(found.is_earlier for found in cached.values())
        self.embedded += len(missing)
        if missing or not texts:
            embedded = self._encoder.encode_documents(list(missing.values()))
            if not texts:
                return embedded
            rows |= zip(missing, embedded, strict=True)
            # An invalid embedding must not be found again in every run.
            self._cache.store({key: rows[key] for key in missing if are_unit_vectors(rows[key][np.newaxis])})
        return np.stack([rows[key] for key in keys])

    def count_pieces(self, text: str) -> int:
        """Return the number of word pieces of a text before truncation, with the two marks around it."""
        return self._encoder.count_pieces(text)

    def _key(self, text: str) -> bytes:
        text_hash = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        return hashlib.sha256(self._fingerprint + text_hash).digest()


@contextmanager
def caching(model: Model, folder: Path | None, console: Terminal) -> Iterator[Model]:
    """Yield the model with a catalogue encoder that caches its embeddings in a folder; None is no cache.

    If the folder cannot be used, print a warning and yield the model unchanged.
    """
    report = console.print
    cache = _open(folder, model.identity.dimension, report) if folder else None
    if cache is None:
        yield model
        return
    with closing(cache):
        encoder = CachingEncoder(model.encoder, cache, fingerprint_of(model))
        try:
            yield msgspec.structs.replace(model, caching=encoder)
        finally:
            if encoder.found:
                report(f"Found {encoder.found:,} of {encoder.requested:,} texts embedded by an earlier run.")


def fingerprint_of(model: Model) -> bytes:
    """Return a hash of everything apart from the text that an embedding depends on."""
    identity = model.identity
    parameters = (identity.weights_sha256, identity.dimension, model.max_pieces, model.variant)
    return hashlib.sha256(msgspec.json.encode(parameters)).digest()


def _open(folder: Path, dimension: int, report: Callable[[str], None]) -> EmbeddingCache | None:
    try:
        return EmbeddingCache(folder, dimension, warn=report)
    except (OSError, sqlite3.Error) as e:
        report(
            f"warning: Cannot cache embeddings in {folder}: {e}. If this run is interrupted, the next one "
            "starts over. Set EMBEDDINGS_DIR to a writable folder, or to off to disable the cache."
        )
        return None
