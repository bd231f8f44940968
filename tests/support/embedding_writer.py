"""`python -m tests.support.embedding_writer FOLDER FIRST BATCHES`: stores batches of 20 embeddings."""

import hashlib
import sys
from pathlib import Path

import numpy as np

from ingest.embedding.embedding_cache import EmbeddingCache

_BATCH_SIZE = 20
_DIMENSION = 16


def _fail(line: str) -> None:
    raise AssertionError(line)


if __name__ == "__main__":
    cache = EmbeddingCache(Path(sys.argv[1]), _DIMENSION, warn=_fail)
    first, batches = int(sys.argv[2]), int(sys.argv[3])
    for batch in range(first, first + batches):
        cache.store(
            {
                hashlib.sha256(str(number).encode()).digest(): np.random.default_rng(number)
                .standard_normal(_DIMENSION)
                .astype(np.float32)
                for number in range(batch * _BATCH_SIZE, (batch + 1) * _BATCH_SIZE)
            }
        )
        print(batch, flush=True)  # noqa: T201 - the test waits for this line.
    cache.close()
