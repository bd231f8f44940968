"""The second half of a sync: builds what the plan says in a new version, verifies it and publishes it."""

from collections.abc import Iterator

from ingest.embedding.content_hashes import record_of, stored_form
from ingest.embedding.embedder import CutVideo, Embedder
from ingest.embedding.encoders import Model
from ingest.errors import IngestError
from ingest.planning.gate import GateError
from ingest.planning.plan import EMBEDDED, Action
from ingest.progress import shown_step
from ingest.reports.account import RunAccount
from ingest.sources.catalogue import read_catalogue
from ingest.sync.job import SyncJob
from ingest.sync.planning import PlannedSync
from ingest.sync.publish import check_counts, publish
from ingest.terminal import Terminal
from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.video import Video
from retrieval.index.store import IndexStore
from retrieval.index.writing import IndexWriter

_RECORDS_PER_BATCH = 500


async def run_sync(
    job: SyncJob,
    store: IndexStore,
    model: Model,
    planned: PlannedSync,
    account: RunAccount,
    console: Terminal,
) -> Manifest:
    """Carry out the plan in a new version, verify it, and make it the live one.

    Raises GateError if the gate refuses the run, either before anything is changed or before the new version
    becomes live. Raises IngestError, SourceError or IndexUnavailableError; the live version is then unchanged
    as far as the engine allows: on a server, a run that keeps the live points writes in place, and the same
    run again continues from there.
    """
    start, plan = planned.start, planned.plan
    try:
        job.gate.check(planned.refusals)
    except GateError as e:
        raise GateError(f"{e} Nothing was changed.", e.refusals) from e
    async with store.build(dimension=model.identity.dimension, keep_live=start.keep_live) as build:
        writer = build.writer
        removed = set(plan.ids(Action.REMOVE))
        await writer.delete(sorted(removed))
        await _write_records(job, model, planned, writer)
        await _write_videos(job, model, planned, writer, account, console)
        counts = await writer.counts()
        expected = len((start.stored.keys() | plan.actions.keys()) - removed)
        check_counts(counts, videos=expected, if_refused=build.if_refused)
        console.print("Optimizing and verifying the index")
        await writer.finish()
        return await publish(
            build,
            counts=counts,
            encoder=model.encoder,
            model=model.identity,
            settings=job.settings,
            is_sample=job.is_sample and start.live is None,
            is_partial=bool(left_behind(planned)),
            timed_transcripts=timed_transcripts(planned),
            known=_known_titles(planned),
            gate=job.gate,
            refusals=planned.refusals,
            live=start.live,
        )


def timed_transcripts(planned: PlannedSync) -> int | None:
    """Count the videos of the new version whose transcript has times; None if an older release wrote some."""
    removed = set(planned.plan.ids(Action.REMOVE))
    videos = {**planned.start.stored, **planned.source}
    of_transcripts = [
        video.timed for video_id, video in videos.items() if video.transcribed and video_id not in removed
    ]
    return None if None in of_transcripts else sum(map(bool, of_transcripts))


def left_behind(planned: PlannedSync) -> list[str]:
    """Return the videos that an interrupted run left incomplete and that this plan does not include."""
    return [
        video_id
        for video_id, stored in planned.start.stored.items()
        if not stored.is_whole and video_id not in planned.plan.actions
    ]


def changed_videos(
    job: SyncJob, model: Model, planned: PlannedSync, actions: frozenset[Action]
) -> Iterator[Video]:
    """Read the sources again and return the videos with one of these actions.

    Raises IngestError if a video differs from the plan: neither the plan nor the gate covers it.
    """
    if not planned.plan.ids(*actions):
        return
    for row in read_catalogue(job.sources, languages=job.languages, youtube=job.youtube):
        if row.video and planned.plan.actions.get(row.video.video_id) in actions:
            now = stored_form(row.video, model.identity, job.settings)
            if now != planned.source[row.video.video_id]:
                raise IngestError(
                    f"{row.place}: the video {row.video.video_id} changed while the sources were read. Run "
                    "the same command again when no other program writes to them."
                )
            yield row.video


def _known_titles(planned: PlannedSync) -> dict[str, str]:
    """Return the live version's canary titles whose videos stay unchanged: they must be found again."""
    live, plan = planned.start.live, planned.plan
    if live is None:
        return {}
    stays = (planned.start.stored.keys() | planned.source.keys()) - set(plan.ids(Action.REMOVE))
    return {
        title: video_id
        for title, video_id in zip(live.canaries, live.canary_videos, strict=False)
        if video_id in stays and planned.titles.get(video_id, title) == title
    }


async def _write_records(job: SyncJob, model: Model, planned: PlannedSync, writer: IndexWriter) -> None:
    """Update the records of videos whose texts did not change."""
    batch = []
    for video in changed_videos(job, model, planned, frozenset({Action.UPDATE})):
        batch.append((record_of(video), planned.source[video.video_id]))
        if len(batch) == _RECORDS_PER_BATCH:
            await writer.write_records(batch)
            batch = []
    await writer.write_records(batch)


async def _write_videos(
    job: SyncJob,
    model: Model,
    planned: PlannedSync,
    writer: IndexWriter,
    account: RunAccount,
    console: Terminal,
) -> None:
    """Embed and write every video with new texts."""
    total = len(planned.plan.ids(*EMBEDDED))
    if not total:
        return
    embedder = Embedder(
        model.catalogue_encoder, model=model.identity, settings=job.settings, max_pieces=model.max_pieces
    )

    def cut() -> Iterator[CutVideo]:
        for video in changed_videos(job, model, planned, EMBEDDED):
            cut = embedder.cut(video)
            if any(passage.truncated for passage in cut.passages):
                account.passage_truncated(video.video_id)
            yield cut

    with shown_step(console, "Embedding videos", total) as advance:
        for batch in embedder.embed(cut()):
            await writer.write(batch)
            advance(len(batch))
