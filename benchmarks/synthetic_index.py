"""Indexes of any size, from real passages repeated with a little noise, written by the real writer.

For timing only: how well a search finds is measured on real embeddings. Every video has ten passages at both
sizes, so that a larger index holds more videos and not longer ones.
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
"""The length of what is added to an embedding, whose own is 1: neighbours stay neighbours, none are equal."""

_VIDEOS_A_BATCH = 50
_SEED = 11
_MADE_BY = ("retrieval/edge/stored_records.py", "retrieval/edge/writer.py", "retrieval/text/lexical.py")


def synthetic_index(name: str, passages: int, encoder: OnnxEncoder) -> Path:
    """Give the INDEX_DIR of so many passages made from a catalogue's, built now unless it is kept."""
    digest = hashlib.sha256(msgspec.json.encode((name, encoder.exported.identity, PASSAGES_A_VIDEO, NOISE)))
    for source in (*(ROOT / made_by for made_by in _MADE_BY), Path(__file__)):
        digest.update(source.read_bytes())
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
        await writer.write([_varied(pieces[place % len(pieces)], place, random) for place in ordinals])
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
    """Cut a catalogue's talks into videos of ten passages each, in a shuffled but fixed order."""
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


def _varied(piece: EmbeddedVideo, ordinal: int, random: np.random.Generator) -> EmbeddedVideo:
    """Make a new video of a piece: another id, and every embedding moved a little."""
    half = len(piece.vector) // 2
    rows = [piece.vector[:half], piece.vector[half:], *(passage.vector[half:] for passage in piece.passages)]
    title, text, *passages = _moved(np.stack(rows), random)
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


def _moved(rows: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    noise = random.standard_normal(rows.shape, np.float32) * np.float32(NOISE / np.sqrt(rows.shape[1]))
    moved = rows + noise
    unit: NDArray[np.float32] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return unit
