"""The catalogues and query sets of the benchmarks: `../shared/data`, and `benchmarks/queries`."""

import csv
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.conditions import ROOT
from benchmarks.figures import MissingDataError

SHARED = ROOT.parent / "shared" / "data"
SAMPLE_CATALOGUE = ROOT / "ingest" / "sample" / "catalogue.jsonl"

_QUERIES = Path(__file__).parent / "queries"


class Labelled(msgspec.Struct, frozen=True):
    """A query and the one video that answers it. `kind` is the kind of query, if the set has kinds."""

    text: str
    video_id: str
    kind: str = ""


class TutorialIndex(msgspec.Struct, frozen=True):
    """The tutorial's index: texts, and stored embeddings of shape (videos, 384) as float64."""

    ids: list[str]
    titles: list[str]
    transcripts: list[str]
    title_embeddings: NDArray[np.float64]
    transcript_embeddings: NDArray[np.float64]


def shared_file(name: str) -> Path:
    """Find a file of the shared data. Raises MissingDataError."""
    path = SHARED / name
    if not path.is_file():
        raise MissingDataError(f"{path} does not exist")
    return path


def catalogue_file(name: str) -> Path:
    """Find the catalogue "tutorial", "bitcoin", "pyvideo" or "sample". Raises MissingDataError."""
    if name == "sample":
        return SAMPLE_CATALOGUE
    return shared_file(
        "tutorial/video-transcripts.parquet" if name == "tutorial" else f"catalogues/{name}.parquet"
    )


def tutorial_index() -> TutorialIndex:
    """Read the tutorial's index. Raises MissingDataError."""
    frame = pl.read_parquet(shared_file("tutorial/video-index.parquet"))
    return TutorialIndex(
        ids=frame["video_id"].to_list(),
        titles=frame["title"].to_list(),
        transcripts=frame["transcript"].to_list(),
        title_embeddings=frame.select(pl.col("^title_embedding-.*$")).to_numpy().astype(np.float64),
        transcript_embeddings=frame.select(pl.col("^transcript_embedding-.*$")).to_numpy().astype(np.float64),
    )


def labelled_queries(name: str) -> list[Labelled]:
    """Read the labelled queries of "tutorial", "sample" or "bitcoin". Raises MissingDataError."""
    path = shared_file("tutorial/eval-raw.csv") if name == "tutorial" else _QUERIES / f"{name}.csv"
    return [Labelled(row["query"], row["video_id"], row.get("kind", "")) for row in _rows(path)]


def classic_queries() -> list[str]:
    """Read our queries for the classic route."""
    return [row["query"] for row in _rows(_QUERIES / "classic.csv")]


def every_query() -> list[str]:
    """Read the texts of all available query sets without duplicates."""
    texts = classic_queries()
    for name in ("tutorial", "sample", "bitcoin"):
        try:
            texts += [query.text for query in labelled_queries(name)]
        except MissingDataError as e:
            print(f"  without the queries of {name}: {e}")
    return list(dict.fromkeys(texts))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
