"""A cache of embeddings on disk.

Embedding the bitcoin catalogue takes twenty minutes and indexing it one or two. With the cache, an index can
be rebuilt after each change of the code that builds it. Benchmarks of embedding do not use it.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from retrieval.text.onnx_encoder import OnnxEncoder
from retrieval.text.vectors import Embeddings

_KEY_BYTES = 16


class KeptEmbeddings:
    """A DocumentEncoder with a cache in two append-only files: hashes of texts, and their embeddings."""

    def __init__(self, encoder: OnnxEncoder, cache: Path) -> None:
        """Embed with `encoder` the texts that `cache` does not contain."""
        model = encoder.exported.identity
        folder = cache / f"embeddings-{model.weights_sha256[:12]}-{encoder.exported.max_pieces}"
        folder.mkdir(parents=True, exist_ok=True)
        self._encoder = encoder
        self._dimension = model.dimension
        self._keys, self._vectors = folder / "keys.bin", folder / "vectors.bin"
        self._kept: dict[bytes, np.ndarray] = {}
        self._read()
        self.count_pieces = lru_cache(maxsize=1 << 18)(encoder.count_pieces)

    def __len__(self) -> int:
        return len(self._kept)

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts: one row per text, in the same order."""
        keys = [hashlib.sha256(text.encode()).digest()[:_KEY_BYTES] for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._kept}
        if new:
            self._keep(list(new), self._encoder.encode_documents(list(new.values())))
        return np.stack([self._kept[key] for key in keys])

    def _keep(self, keys: list[bytes], embeddings: Embeddings) -> None:
        # A key is written after its embedding, so that an interrupted run leaves no key without one.
        with self._vectors.open("ab") as file:
            file.write(embeddings.tobytes())
        with self._keys.open("ab") as file:
            file.write(b"".join(keys))
        self._kept.update(zip(keys, embeddings, strict=True))

    def _read(self) -> None:
        row = self._dimension * np.dtype(np.float32).itemsize
        for path in (self._keys, self._vectors):
            path.touch()
        count = min(self._keys.stat().st_size // _KEY_BYTES, self._vectors.stat().st_size // row)
        with self._keys.open("r+b") as keys, self._vectors.open("r+b") as vectors:
            keys.truncate(count * _KEY_BYTES)
            vectors.truncate(count * row)
        names = self._keys.read_bytes()
        embeddings = np.fromfile(self._vectors, np.float32).reshape(count, self._dimension)
        self._kept = {
            names[place * _KEY_BYTES : (place + 1) * _KEY_BYTES]: embeddings[place] for place in range(count)
        }
