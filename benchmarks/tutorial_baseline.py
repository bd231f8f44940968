"""The tutorial's rule on FastAPI, like the tutorial: the baseline of `load` and `startup`.

Everything is loaded at the start, and the endpoints are plain functions. Each search embeds its query,
computes the Manhattan distance to every title and every transcript with scikit-learn, and takes the rows from
a polars frame.
"""

import os

import numpy as np
import polars as pl
import uvicorn
from fastapi import FastAPI
from sentence_transformers import SentenceTransformer
from sklearn.metrics import DistanceMetric

from benchmarks.datasets import shared_file
from ingest.model.weights import pinned_weights

_THRESHOLD = 40
_MOST = 5
_DIMENSION = 384


def create_baseline() -> FastAPI:
    """Load the model and the index, and define the three routes."""
    model = SentenceTransformer(str(pinned_weights()), device="cpu", local_files_only=True)
    index = pl.scan_parquet(shared_file("tutorial/video-index.parquet"))
    columns = index.collect_schema().names()
    titles, transcripts = columns[4 : 4 + _DIMENSION], columns[4 + _DIMENSION :]
    metric = DistanceMetric.get_metric("manhattan")
    app = FastAPI()

    @app.get("/")
    def health_check() -> dict[str, str]:
        return {"health_check": "OK"}

    @app.get("/info")
    def info() -> dict[str, str]:
        return {"name": "yt-search", "description": "Search API for YouTube videos."}

    @app.get("/search")
    def search(query: str) -> dict[str, list[str]]:
        embedding = model.encode(query, show_progress_bar=False).reshape(1, -1)
        distances = (
            metric.pairwise(index.select(titles).collect(), embedding)
            + metric.pairwise(index.select(transcripts).collect(), embedding)
        ).flatten()
        near = np.flatnonzero(distances < _THRESHOLD)
        chosen = near[np.argsort(distances[near])][:_MOST]
        return index.select(["title", "video_id"]).collect()[chosen.tolist()].to_dict(as_series=False)

    return app


if __name__ == "__main__":
    uvicorn.run(create_baseline(), host=os.environ["HOST"], port=int(os.environ["PORT"]), log_level="warning")
