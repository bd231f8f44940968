"""`ingest restore`: checks a snapshot completely, builds a new version from it, verifies and publishes it."""

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np

from ingest.backup.packed_videos import unpack
from ingest.backup.snapshot_file import ENGINE, VIDEOS, SnapshotFile
from ingest.embedding.embedder import are_unit_vectors
from ingest.errors import IngestError
from ingest.planning.gate import Gate
from ingest.planning.rules import measure_canaries
from ingest.progress import shown_step
from ingest.sync.publish import check_vectors, finds
from ingest.terminal import Terminal
from retrieval.catalogue.manifest import IndexCounts, Manifest, ModelIdentity, check_servable
from retrieval.catalogue.wording import counted
from retrieval.index.file_parts import FilePart
from retrieval.index.reading import VideoIndex
from retrieval.index.store import IndexStore
from retrieval.index.writing import EmbeddedVideo, StoredVideo


def check_snapshot(
    snapshot: SnapshotFile, model: ModelIdentity | None, console: Terminal
) -> dict[str, StoredVideo]:
    """Read all videos of a snapshot, and return what the index will store of each, by video id.

    Raises IncompatibleIndexError if this program cannot serve the snapshot, or not with `model`. Raises
    SourceError if the videos do not match the manifest or have invalid embeddings.
    """
    manifest = snapshot.snapshot.manifest
    check_servable(manifest, model or manifest.model)
    stored: dict[str, StoredVideo] = {}
    passages = transcribed = 0
    with shown_step(console, "Checking videos", manifest.counts.videos) as advance:
        for videos in _videos(snapshot):
            for video in videos:
                pairs = np.stack([video.vector, *(passage.vector for passage in video.passages)])
                if not are_unit_vectors(pairs.reshape(-1, manifest.model.dimension)):
                    raise snapshot.refused(
                        f"an embedding of the video {video.record.video_id} does not have length 1. Use an "
                        "older snapshot. Nothing was changed."
                    )
                stored[video.record.video_id] = video.stored
                passages += len(video.passages)
                transcribed += video.record.passages > 0
            advance(len(videos))
    counts = IndexCounts(videos=len(stored), passages=passages, videos_with_transcript=transcribed)
    if counts != manifest.counts:
        raise snapshot.refused(
            f"it contains {counted(counts.videos, 'video')} and {counted(counts.passages, 'passage')}, but "
            f"its manifest says {manifest.counts.videos:,} and {manifest.counts.passages:,}. Nothing was "
            "changed."
        )
    return stored


async def restore(
    snapshot: SnapshotFile,
    stored: Mapping[str, StoredVideo],
    store: IndexStore,
    *,
    rebuild: bool,
    console: Terminal,
) -> Manifest:
    """Build a version from a checked snapshot, verify it, and make it the live one.

    If the store can use the engine's own files in the snapshot, and without `rebuild`, the version consists
    of these files. Otherwise it is built from the videos. Raises IngestError if the version does not contain
    or find the right videos, and IndexUnavailableError, SourceError or OSError; the live version is then
    unchanged.
    """
    manifest = snapshot.snapshot.manifest
    from_files = takes_files(snapshot, store) and not rebuild
    files = _files(snapshot) if from_files else ()
    async with store.build(dimension=manifest.model.dimension, keep_live=False, files=files) as build:
        if not from_files:
            with shown_step(console, "Writing videos", manifest.counts.videos) as advance:
                for videos in _videos(snapshot):
                    await build.writer.write(videos)
                    advance(len(videos))
        counts = await build.writer.counts()
        if counts != manifest.counts or await build.writer.stored_videos() != stored:
            raise IngestError(f"The new version differs from the snapshot. {build.if_refused}")
        console.print("Optimizing and verifying the index")
        await build.writer.finish()
        restored = msgspec.structs.replace(manifest, index_version=build.version)
        index = await build.open(restored)
        try:
            await _verify(index, restored)
        except IngestError as e:
            raise IngestError(f"{e} {build.if_refused}") from e
        finally:
            await index.close()
        await build.publish(restored)
    return restored


def takes_files(snapshot: SnapshotFile, store: IndexStore) -> bool:
    """Return whether a store can use the engine's own files in a snapshot."""
    return store.file_format is not None and store.file_format == snapshot.snapshot.engine_files


async def _verify(index: VideoIndex, manifest: Manifest) -> None:
    """Check that videos are found by their vectors, and by their titles as before. Raises IngestError.

    The embedding of a title is the first half of its video's vector, so no model is needed.
    """
    await check_vectors(index, manifest.counts.videos)
    lost = []
    for title, own in zip(manifest.canaries, manifest.canary_videos, strict=False):
        vector = await index.pair_vector(own)
        if vector is None or not await finds(index, vector[: len(vector) // 2], title, own):
            lost.append(title)
    for refusal in Gate().refusals_of(measure_canaries(lost, len(manifest.canaries))):
        raise IngestError(f"In the new version, {refusal.reason}.")


def _videos(snapshot: SnapshotFile) -> Iterator[list[EmbeddedVideo]]:
    dimension = snapshot.snapshot.manifest.model.dimension
    for content in snapshot.members(VIDEOS):
        try:
            videos = list(unpack(content, dimension))
        except (msgspec.DecodeError, ValueError) as e:
            raise snapshot.refused(f"a member with videos cannot be read: {e}. Nothing was changed.") from e
        yield videos


def _files(snapshot: SnapshotFile) -> Iterator[FilePart]:
    for content in snapshot.members(ENGINE):
        try:
            parts = msgspec.msgpack.decode(content, type=list[FilePart])
        except (msgspec.DecodeError, ValueError) as e:
            raise snapshot.refused(f"a member with files cannot be read: {e}. Nothing was changed.") from e
        yield from parts
