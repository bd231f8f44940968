"""Our embeddings of the tutorial's titles and transcripts, compared with its stored embeddings."""

import numpy as np

from benchmarks.built_indexes import load_encoder
from benchmarks.conditions import Options, cores
from benchmarks.datasets import tutorial_index
from benchmarks.figures import Figure, at_most

LIMIT = 1e-5


def measure(_: Options) -> list[Figure]:
    index = tutorial_index()
    encoder = load_encoder(threads=cores())
    figures = []
    for label, texts, stored in (
        ("titles", index.titles, index.title_embeddings),
        ("transcripts", index.transcripts, index.transcript_embeddings),
    ):
        as_documents = float(np.abs(encoder.encode_documents(texts) - stored).max())
        as_queries = float(np.abs(encoder.encode_queries(texts) - stored).max())
        print(f"  {label}: as documents {as_documents:.1e}, as packed queries {as_queries:.1e}")
        figures.append(
            at_most(
                f"embeddings of {len(texts)} {label} compared with the stored ones",
                max(as_documents, as_queries),
                LIMIT,
                shown=f"max abs difference {max(as_documents, as_queries):.1e}",
                conditions="the exported graph, encoded as documents and as packed queries; deterministic",
            )
        )
    return figures
