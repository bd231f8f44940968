"""An encoder that embeds only what no earlier run has embedded."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console

from ingest.embedding.encoders import Model
from ingest.embedding.kept_embeddings import KeptEmbeddings
from retrieval.text.vectors import DocumentEncoder, Embedding, Embeddings

_MOST_OFF_UNIT = 1e-3


class KeepingEncoder:
    """A DocumentEncoder over another one, and what is kept of it.

    `asked` counts the texts asked for, once a call; `found` those of them that were kept before the store
    was opened; `embedded` those that the other encoder embedded.
    """

    def __init__(self, encoder: DocumentEncoder, kept: KeptEmbeddings, made_by: bytes) -> None:
        """Keep what `encoder` embeds under `made_by`: no other way of embedding may have that name."""
        self._encoder = encoder
        self._kept = kept
        self._made_by = made_by
        self.asked = self.found = self.embedded = 0

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts, one row a text, in their order; what is new is on disk when this returns."""
        keys = [self._key(text) for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        kept = self._kept.find(list(wanted))
        rows = {key: found.embedding for key, found in kept.items()}
        # In one call, since the encoder makes its batches of texts of equal length.
        missing = {key: text for key, text in wanted.items() if key not in kept}
        self.asked += len(wanted)
        self.found += sum(found.is_earlier for found in kept.values())
        self.embedded += len(missing)
        if missing or not texts:
            embedded = self._encoder.encode_documents(list(missing.values()))
            if not texts:
                return embedded
            rows |= zip(missing, embedded, strict=True)
            self._kept.keep({key: rows[key] for key in missing if _is_unit(rows[key])})
        return np.stack([rows[key] for key in keys])

    def count_pieces(self, text: str) -> int:
        """Count the word pieces of a text before any cut, the two marks around it included."""
        return self._encoder.count_pieces(text)

    def _key(self, text: str) -> bytes:
        text_hash = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        return hashlib.sha256(self._made_by + text_hash).digest()


@contextmanager
def keeping(model: Model, folder: Path | None, console: Console) -> Iterator[Model]:
    """Give the model with a catalogue encoder that keeps what it embeds in a folder; None keeps nothing.

    Where the folder cannot be used, that is told, and the model is given as it is.
    """
    tell = partial(console.print, markup=False)
    kept = _open(folder, tell) if folder else None
    if kept is None:
        yield model
        return
    with closing(kept):
        encoder = KeepingEncoder(model.encoder, kept, made_by(model))
        try:
            yield msgspec.structs.replace(model, keeping=encoder)
        finally:
            if encoder.found:
                tell(f"Found {encoder.found:,} of {encoder.asked:,} texts embedded by an earlier run.")


def made_by(model: Model) -> bytes:
    """Name all that decides an embedding beside its text."""
    identity = model.identity
    decisive = (identity.weights_sha256, identity.dimension, model.max_pieces, model.variant)
    return hashlib.sha256(msgspec.json.encode(decisive)).digest()


def _open(folder: Path, tell: Callable[[str], None]) -> KeptEmbeddings | None:
    try:
        return KeptEmbeddings(folder, tell=tell)
    except (OSError, sqlite3.Error) as e:
        tell(
            f"warning: Embeddings cannot be kept in {folder} ({e}), so a run after this one embeds anew what "
            "this one does not bring to its end. Set EMBEDDINGS_DIR to another folder, or to off."
        )
        return None


def _is_unit(embedding: Embedding) -> bool:
    """Say whether this is an embedding at all: what went wrong once must not be found for ever."""
    # Not a number fails the comparison too.
    return bool(abs(float(np.linalg.norm(embedding)) - 1.0) <= _MOST_OFF_UNIT)
