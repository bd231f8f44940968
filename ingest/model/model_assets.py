"""`make model-assets`: write the files of the default model that ship with the package.

It needs the extra `reference`.
"""

import numpy as np
from sentence_transformers import SentenceTransformer

from ingest.model.golden_set import EMBEDDINGS_FILE, golden_texts
from ingest.model.graph import build_graph
from ingest.model.weights import GRAPH_FILE, WEIGHTS_FILE, pinned_weights
from retrieval.text.vectors import Embeddings


def reference_embeddings() -> Embeddings:
    """Return the embeddings of the golden texts by sentence-transformers, float32 of shape (texts, 384)."""
    reference = SentenceTransformer(str(pinned_weights()), device="cpu", local_files_only=True)
    embeddings: Embeddings = reference.encode(
        golden_texts(), normalize_embeddings=True, show_progress_bar=False
    )
    return embeddings


if __name__ == "__main__":
    GRAPH_FILE.write_bytes(build_graph(pinned_weights() / WEIGHTS_FILE))
    np.save(EMBEDDINGS_FILE, reference_embeddings())
