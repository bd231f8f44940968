"""`python -m tests.support.embedding_keeper FOLDER FIRST BATCHES`: keeps 20 at a time, names each batch."""

import hashlib
import sys
from pathlib import Path

import numpy as np

from ingest.embedding.kept_embeddings import KeptEmbeddings

_A_BATCH = 20


def _tell(line: str) -> None:
    raise AssertionError(line)


if __name__ == "__main__":
    kept = KeptEmbeddings(Path(sys.argv[1]), tell=_tell)
    first, batches = int(sys.argv[2]), int(sys.argv[3])
    for batch in range(first, first + batches):
        kept.keep(
            {
                hashlib.sha256(str(number).encode()).digest(): np.random.default_rng(number)
                .standard_normal(16)
                .astype(np.float32)
                for number in range(batch * _A_BATCH, (batch + 1) * _A_BATCH)
            }
        )
        print(batch, flush=True)  # noqa: T201 - who started it waits for this.
    kept.close()
