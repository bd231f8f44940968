"""Indexes for the benchmarks, built by the real pipeline and cached under `.data/benchmarks`.

A cached index is used while its inputs are the same: the catalogue, the model, the passage settings, and the
source code of the packages that build it.
"""

import asyncio
import hashlib
import shutil
from pathlib import Path
from time import perf_counter

import msgspec

from benchmarks.conditions import CACHE, ROOT, Options, cores, model_dir
from benchmarks.datasets import catalogue_file
from benchmarks.figures import MissingDataError
from benchmarks.kept_embeddings import KeptEmbeddings
from ingest.embedding.encoders import Model
from ingest.reports.account import RunAccount
from ingest.sync.build import run_sync
from ingest.sync.job import SyncJob
from ingest.sync.planning import plan_sync
from ingest.terminal import Terminal
from retrieval.catalogue.manifest import PassageSettings
from retrieval.edge.generations import POINTER_FILE, Generations
from retrieval.edge.store import EdgeStore
from retrieval.errors import ModelUnavailableError
from retrieval.text.onnx_encoder import OnnxEncoder

_SLOW_TO_EMBED = frozenset({"bitcoin"})

_BUILT_BY = (
    *("ingest/embedding", "ingest/rows", "ingest/sources", "ingest/planning"),
    *("retrieval/catalogue", "retrieval/edge", "retrieval/index", "retrieval/text"),
)
"""The packages that determine the content of an index. Their source code is part of the cache key."""


def load_encoder(*, threads: int) -> OnnxEncoder:
    """Load the exported model. Raises MissingDataError if there is none."""
    try:
        return OnnxEncoder(model_dir(), document_threads=threads)
    except ModelUnavailableError as e:
        raise MissingDataError(f"{e} (or: make setup)") from e


def built_index(name: str, *, everything: bool) -> Path:
    """Return the INDEX_DIR of a catalogue. Builds the index if it is not cached.

    Raises MissingDataError if the catalogue is absent. Also if it takes long to embed, has never been
    embedded, and `everything` is False.
    """
    source = catalogue_file(name)
    encoder = load_encoder(threads=cores())
    folder = CACHE / f"{name}-{_key(source, encoder)}"
    if (folder / POINTER_FILE).is_file():
        return folder
    older = [other for other in CACHE.glob(f"{name}-*") if other != folder]
    if name in _SLOW_TO_EMBED and not older and not everything:
        raise MissingDataError(f"the {name} catalogue is not embedded yet (about 20 minutes): add --all")
    print(f"  building the index of {source.name} in {folder}", flush=True)
    began = perf_counter()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    asyncio.run(_build(source, folder, encoder))
    print(f"  built in {perf_counter() - began:.0f} s, with the embeddings of earlier runs")
    for other in older:
        shutil.rmtree(other)
    return folder


def source_of_passages(options: Options) -> str:
    """Return the name of the largest catalogue of real passages that is embedded."""
    try:
        built_index("bitcoin", everything=options.everything)
    except MissingDataError as e:
        print(f"  using the passages of the tutorial: {e}")
        return "tutorial"
    return "bitcoin"


async def _build(source: Path, folder: Path, encoder: OnnxEncoder) -> None:
    kept = KeptEmbeddings(encoder, CACHE)
    model = Model(kept, encoder.exported.identity, encoder.exported.max_pieces)
    job = SyncJob(sources=(source,), prune=False)
    store = EdgeStore(Generations(folder))
    account = RunAccount()
    console = Terminal()
    planned = await plan_sync(job, store, model, account, console)
    await run_sync(job, store, model, planned, account, console)


def _key(source: Path, encoder: OnnxEncoder) -> str:
    digest = hashlib.sha256(source.read_bytes())
    digest.update(msgspec.json.encode((encoder.exported.identity, PassageSettings())))
    for package in _BUILT_BY:
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
