"""Indexes of any size: real passages repeated with a little noise, written by the real writer.

They are for timing only. Quality is measured on real embeddings. Every video has ten passages at every size,
so that a larger index contains more videos, not longer ones.
"""

import asyncio
import hashlib
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.conditions import CACHE, ROOT
from benchmarks.datasets import catalogue_file
from benchmarks.kept_embeddings import KeptEmbeddings
from ingest.embedding.embedder import Embedder
from ingest.sources.catalogue import read_catalogue
from retrieval.catalogue.manifest import Manifest, PassageSettings
from retrieval.edge.generations import POINTER_FILE, Generations
from retrieval.edge.writer import EdgeWriter
from retrieval.index.writing import EmbeddedVideo
from retrieval.text.lexical import weigh_video
from retrieval.text.onnx_encoder import OnnxEncoder

PASSAGES_A_VIDEO = 10
NOISE = 0.15
"""The length of the noise vector, for embeddings of length 1: neighbours stay near, but none are equal."""

_VIDEOS_A_BATCH = 50
_SEED = 11
_BUILT_BY = ("retrieval/edge", "retrieval/index", "retrieval/text")
"""The packages whose source code is part of the cache key."""


def synthetic_index(name: str, passages: int, encoder: OnnxEncoder) -> Path:
    """Return the INDEX_DIR with that many passages of a catalogue. Builds the index if it is not cached."""
    digest = hashlib.sha256(msgspec.json.encode((name, encoder.exported.identity, PASSAGES_A_VIDEO, NOISE)))
    modules = [module for package in _BUILT_BY for module in sorted((ROOT / package).glob("*.py"))]
    for module in (*modules, Path(__file__)):
        digest.update(module.read_bytes())
    folder = CACHE / f"synthetic-{passages}-{digest.hexdigest()[:12]}"
    if (folder / POINTER_FILE).is_file():
        return folder
    print(f"  building {passages} passages from {name} in {folder}", flush=True)
    began = perf_counter()
    for other in CACHE.glob(f"synthetic-{passages}-*"):
        shutil.rmtree(other)
    asyncio.run(_build(folder, _pieces(name, encoder), passages // PASSAGES_A_VIDEO, encoder))
    print(f"  built in {perf_counter() - began:.0f} s")
    return folder


async def _build(folder: Path, pieces: list[EmbeddedVideo], videos: int, encoder: OnnxEncoder) -> None:
    generations = Generations(folder)
    model = encoder.exported.identity
    writer = EdgeWriter(generations.start(), dimension=model.dimension)
    random = np.random.default_rng(_SEED)
    for first in range(0, videos, _VIDEOS_A_BATCH):
        ordinals = range(first, min(first + _VIDEOS_A_BATCH, videos))
        await writer.write([_with_noise(pieces[place % len(pieces)], place, random) for place in ordinals])
    counts = await writer.counts()
    await writer.finish()
    manifest = Manifest(
        index_version=writer.folder.name,
        model=model,
        passage_settings=PassageSettings(),
        counts=counts,
        built_at=datetime.now(UTC),
    )
    generations.publish(writer.folder, manifest)


def _pieces(name: str, encoder: OnnxEncoder) -> list[EmbeddedVideo]:
    """Split the talks of a catalogue into videos of ten passages each, in a fixed random order."""
    kept = KeptEmbeddings(encoder, CACHE)
    embedder = Embedder(
        kept,
        model=encoder.exported.identity,
        settings=PassageSettings(),
        max_pieces=encoder.exported.max_pieces,
    )
    rows = read_catalogue([catalogue_file(name)])
    videos = (embedder.cut(row.video) for row in rows if row.video and row.video.transcript)
    pieces = [piece for batch in embedder.embed(videos) for video in batch for piece in _split(video)]
    np.random.default_rng(_SEED).shuffle(pieces)
    return pieces


def _split(video: EmbeddedVideo) -> Iterator[EmbeddedVideo]:
    for first in range(0, len(video.passages) - PASSAGES_A_VIDEO + 1, PASSAGES_A_VIDEO):
        passages = video.passages[first : first + PASSAGES_A_VIDEO]
        text = " ".join(passage.text or "" for passage in passages)
        yield msgspec.structs.replace(
            video, passages=passages, words=weigh_video(video.record.title_as_given, text)
        )


def _with_noise(piece: EmbeddedVideo, ordinal: int, random: np.random.Generator) -> EmbeddedVideo:
    """Make a new video of a piece, with another id and noise in every embedding."""
    half = len(piece.vector) // 2
    rows = [piece.vector[:half], piece.vector[half:], *(passage.vector[half:] for passage in piece.passages)]
    title, text, *passages = _add_noise(np.stack(rows), random)
    video_id = f"synthetic-{ordinal}"
    return EmbeddedVideo(
        record=msgspec.structs.replace(piece.record, video_id=video_id, passages=len(passages)),
        stored=piece.stored,
        vector=np.concatenate([title, text]),
        words=piece.words,
        passages=tuple(
            msgspec.structs.replace(passage, vector=np.concatenate([title, moved]))
            for passage, moved in zip(piece.passages, passages, strict=True)
        ),
    )


def _add_noise(rows: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    noise = random.standard_normal(rows.shape, np.float32) * np.float32(NOISE / np.sqrt(rows.shape[1]))
    moved = rows + noise
    unit: NDArray[np.float32] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return unit
