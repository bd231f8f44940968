"""Ingest: its rate compared with sentence-transformers, its memory, and the work of a second run."""

import asyncio
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

import polars as pl
import torch
from sentence_transformers import SentenceTransformer

from benchmarks.command_line import Run, ingest, versions_of
from benchmarks.conditions import CACHE, Options, cores, model_dir
from benchmarks.datasets import catalogue_file
from benchmarks.figures import Figure, at_least, at_most, without_target
from benchmarks.tutorial_rule import load_reference
from ingest.embedding.embedder import CutVideo, Embedder
from ingest.embedding.encoders import Model, load_model
from ingest.planning.plan import EMBEDDED
from ingest.reports.account import RunAccount
from ingest.sync.build import changed_videos
from ingest.sync.job import SyncJob
from ingest.sync.planning import plan_sync
from ingest.sync.publish import publish
from ingest.terminal import Terminal
from retrieval.edge.generations import Generations
from retrieval.edge.store import EdgeStore

LEAST_RATIO = 1.3
MOST_MEMORY = 2_000.0
SEED = 20


def measure(options: Options) -> list[Figure]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="ingest-") as folder:
        everything = catalogue_file("bitcoin")
        some = _subset(everything, Path(folder) / "talks.parquet", options.talks)
        figures = asyncio.run(_measure_rates(some, Path(folder) / "rates", options))
        source = everything if options.everything else some
        return [*figures, *_measure_command(source, Path(folder) / "index")]


def _subset(source: Path, target: Path, talks: int) -> Path:
    """Write a random subset of a catalogue. Returns the whole catalogue for 0."""
    frame = pl.read_parquet(source)
    if not talks or talks >= len(frame):
        return source
    chosen = sorted(random.Random(SEED).sample(range(len(frame)), talks))
    frame[chosen].write_parquet(target)
    return target


async def _measure_rates(source: Path, index_dir: Path, options: Options) -> list[Figure]:
    """Alternate by batch: our ingest of the batch, then sentence-transformers on its passages."""
    model = load_model(model_dir(), device="cpu")
    # By default, torch uses the number of physical cores. Both sides get the same number.
    torch.set_num_threads(cores())
    reference = load_reference()
    reference.encode(["warm up"], show_progress_bar=False)
    model.encoder.encode_documents(["warm up"])
    job = SyncJob(sources=(source,), prune=False)
    ours, theirs, counts, around = await _take_turns(job, EdgeStore(Generations(index_dir)), model, reference)
    passages = sum(counts)
    ratios = [its / mine for its, mine in zip(theirs, ours, strict=True)]
    whole, its = passages / (sum(ours) + around), passages / sum(theirs)
    embedding_alone = passages / sum(ours)
    print(f"  ours {whole:.1f} passages/s with reading, planning, optimizing, verifying ({around:.1f} s)")
    print(
        f"  ours {embedding_alone:.1f} passages/s in the batches; median ratio per batch {median(ratios):.2f}"
    )
    print(f"  SentenceTransformer.encode {its:.1f} passages/s")
    conditions = (
        f"{options.talks or 'all'} random talks of bitcoin.parquet, {passages} passages, {cores()} cores, "
        f"{len(counts)} alternating batches; ours: read, cut, embed (titles and transcripts too), weigh, "
        "write, optimize, verify; theirs: encode the passages only, batch_size 32"
    )
    return [
        at_least(
            "ingest compared with SentenceTransformer.encode",
            whole / its,
            LEAST_RATIO,
            shown=f"{whole / its:.2f} times the rate: {whole:.1f} and {its:.1f} passages/s",
            conditions=conditions,
        )
    ]


async def _take_turns(
    job: SyncJob, store: EdgeStore, model: Model, reference: SentenceTransformer
) -> tuple[list[float], list[float], list[int], float]:
    """Return our seconds and theirs per batch, its passages, and our seconds outside the batches."""
    began = perf_counter()
    planned = await plan_sync(job, store, model, RunAccount(), Terminal(quiet=True))
    embedder = Embedder(
        model.encoder, model=model.identity, settings=job.settings, max_pieces=model.max_pieces
    )
    async with store.build(dimension=model.identity.dimension, keep_live=False) as build:
        around = perf_counter() - began

        def cut() -> Iterator[CutVideo]:
            yield from (embedder.cut(video) for video in changed_videos(job, model, planned, EMBEDDED))

        ours, theirs, counts = [], [], []
        batches = embedder.embed(cut())
        while True:
            began = perf_counter()
            batch = next(batches, None)
            if batch is None:
                break
            await build.writer.write(batch)
            ours.append(perf_counter() - began)
            texts = [
                passage.text for video in batch for passage in video.passages if passage.text is not None
            ]
            began = perf_counter()
            reference.encode(texts, show_progress_bar=False)
            theirs.append(perf_counter() - began)
            counts.append(len(texts))
            print(f"    {len(texts)} passages: ours {ours[-1]:.1f} s, theirs {theirs[-1]:.1f} s", flush=True)
        began = perf_counter()
        counts_written = await build.writer.counts()
        await build.writer.finish()
        await publish(
            build,
            counts=counts_written,
            encoder=model.encoder,
            model=model.identity,
            settings=job.settings,
            is_sample=False,
        )
    return ours, theirs, counts, around + perf_counter() - began


def _measure_command(source: Path, index_dir: Path) -> list[Figure]:
    first = ingest(index_dir, "sync", source)
    before = versions_of(index_dir)
    second = ingest(index_dir, "sync", source)
    after = versions_of(index_dir)
    for run in (first, second):
        print(f"  python -m ingest sync {source.name}: {run.seconds:.0f} s, peak {run.peak:.0f} MB")
        print("".join(f"    | {line}\n" for line in run.output.splitlines()[-6:]), end="", flush=True)
    conditions = f"`python -m ingest sync {source.name}` in its own process, VmHWM polled every 0.1 s"
    return [
        at_most(
            "peak memory of ingest",
            first.peak,
            MOST_MEMORY,
            shown=f"{first.peak:.0f} MB",
            asked="< 2 GB",
            conditions=conditions,
        ),
        without_target(
            "duration of ingest", first.seconds, shown=f"{first.seconds:.0f} s", conditions=conditions
        ),
        _rerun(first, second, unchanged=before == after),
    ]


def _rerun(first: Run, second: Run, *, unchanged: bool) -> Figure:
    nothing = (
        "Nothing to do" in second.output and "Embedding" not in second.output and second.code == first.code
    )
    done = "embeds 0, writes 0" if nothing and unchanged else "embeds or writes something"
    return Figure(
        what="a second ingest of the same catalogue",
        value=float(not (nothing and unchanged)),
        shown=f"{done}, {second.seconds:.1f} s",
        asked="embeds 0, writes 0",
        met=nothing and unchanged,
        conditions="from the output of the command, and names, sizes and times of the files in INDEX_DIR",
    )
