"""`ingest restore`: a snapshot that is checked from end to end, built beside, verified, and made live."""

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np
from rich.console import Console

from ingest.backup.packed_videos import unpack
from ingest.backup.snapshot_file import ENGINE, VIDEOS, SnapshotFile
from ingest.embedding.embedder import are_unit_vectors
from ingest.errors import IngestError
from ingest.planning.gate import Gate
from ingest.planning.rules import measure_canaries
from ingest.progress import shown_step
from ingest.sync.publish import check_vectors, finds
from retrieval.catalogue.manifest import IndexCounts, Manifest, ModelIdentity, check_servable
from retrieval.index.file_parts import FilePart
from retrieval.index.reading import VideoIndex
from retrieval.index.store import IndexStore
from retrieval.index.writing import EmbeddedVideo, StoredVideo


def check_snapshot(
    snapshot: SnapshotFile, model: ModelIdentity | None, console: Console
) -> dict[str, StoredVideo]:
    """Read all of a snapshot's videos, and return what the index will hold by video id.

    Raises IncompatibleIndexError where this program cannot serve it, or not with the model. Raises
    SourceError where the videos are not as an index must have them.
    """
    manifest = snapshot.snapshot.manifest
    check_servable(manifest, model or manifest.model)
    stored: dict[str, StoredVideo] = {}
    passages = transcribed = 0
    with shown_step(console, "Checking videos", manifest.counts.videos) as step:
        for videos in _videos(snapshot):
            for video in videos:
                pairs = np.stack([video.vector, *(passage.vector for passage in video.passages)])
                if not are_unit_vectors(pairs.reshape(-1, manifest.model.dimension)):
                    raise snapshot.refused(
                        f"an embedding of the video {video.record.video_id} is not of length 1. Take an "
                        "older snapshot. Nothing was changed."
                    )
                stored[video.record.video_id] = video.stored
                passages += len(video.passages)
                transcribed += video.record.passages > 0
            step.advance(len(videos))
    counts = IndexCounts(videos=len(stored), passages=passages, videos_with_transcript=transcribed)
    if counts != manifest.counts:
        raise snapshot.refused(
            f"it holds {counts.videos} videos with {counts.passages} passages, and its manifest says "
            f"{manifest.counts.videos} with {manifest.counts.passages}. Nothing was changed."
        )
    return stored


async def restore(
    snapshot: SnapshotFile,
    stored: Mapping[str, StoredVideo],
    store: IndexStore,
    *,
    rebuild: bool,
    console: Console,
) -> Manifest:
    """Build a version from a snapshot that was checked, verify it, and make it the live one.

    It is made of the engine's own files where the store can take them and not `rebuild`, and so is the very
    version that was live; else of the videos. Raises IngestError where it does not hold or find what it
    should, IndexUnavailableError, SourceError or OSError; what is live is then as it was.
    """
    manifest = snapshot.snapshot.manifest
    of_files = takes_files(snapshot, store) and not rebuild
    files = _files(snapshot) if of_files else ()
    async with store.build(dimension=manifest.model.dimension, keep_live=False, files=files) as build:
        if not of_files:
            with shown_step(console, "Writing videos", manifest.counts.videos) as step:
                for videos in _videos(snapshot):
                    await build.writer.write(videos)
                    step.advance(len(videos))
        counts = await build.writer.counts()
        is_same = counts == manifest.counts and await build.writer.stored_videos() == stored
        if not is_same:
            raise IngestError(f"The new version does not hold what the snapshot does. {build.if_refused}")
        console.print("Optimizing the index and verifying it")
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
    """Whether a store can take over the engine's own files that a snapshot holds."""
    return store.file_format is not None and store.file_format == snapshot.snapshot.engine_files


async def _verify(index: VideoIndex, manifest: Manifest) -> None:
    """Raise IngestError unless videos are found by their vectors, and by their titles as before.

    A title's embedding is the first half of its video's vector, so no model is needed.
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
