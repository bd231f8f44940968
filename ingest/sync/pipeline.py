"""`ingest sync`: from sources to a live version, or to a clear reason why not.

The sources are read twice: once to plan, hashing every row, and once to embed what the plan names. Memory
thus holds hashes for all videos, and texts and vectors for a few hundred at a time.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from ingest.embedding.content_hashes import record_of, stored_form
from ingest.embedding.embedder import CutVideo, Embedder
from ingest.embedding.encoders import Model
from ingest.errors import IngestError
from ingest.model.proof_texts import SAMPLE_CATALOGUE
from ingest.planning.gate import Gate, GateError, Refusal
from ingest.planning.plan import EMBEDDED, Action, Plan, decide, make_plan
from ingest.planning.rules import measure
from ingest.planning.run_counts import Tally
from ingest.progress import shown_step
from ingest.reports.report import Report
from ingest.sources.captions.choice import DEFAULT_LANGUAGES
from ingest.sources.catalogue import read_catalogue
from ingest.sources.youtube.channel import YouTube
from ingest.sync.publish import check_counts, publish
from retrieval.catalogue.manifest import Manifest, ModelIdentity, PassageSettings, check_servable
from retrieval.catalogue.video import Video
from retrieval.errors import IncompatibleIndexError
from retrieval.index.store import IndexStore
from retrieval.index.writing import IndexWriter, StoredVideo

_RECORDS_A_BATCH = 500

_ROWS_A_TURN = 256
"""After how many rows the event loop has its turn: a run's lock on a server is kept up there."""


class SyncJob(msgspec.Struct, frozen=True, kw_only=True):
    """What one run was asked to do."""

    sources: tuple[Path, ...]
    prune: bool
    languages: Sequence[str] = DEFAULT_LANGUAGES
    gate: Gate = Gate()
    youtube: YouTube | None = None
    settings: PassageSettings = PassageSettings()

    @property
    def is_sample(self) -> bool:
        """Whether this is the catalogue that ships with the product, and nothing else."""
        return all(source.resolve() == SAMPLE_CATALOGUE for source in self.sources)


class Start(msgspec.Struct, frozen=True):
    """What a run starts from: whether the live version's points can be kept, and what it holds.

    `live` is what the outcome is compared with: None for no index, or only the sample. `unfinished`: an
    earlier run wrote into the live version and did not end. `must_be_whole`: the sources replace a version of
    the user's own, so no row of theirs may be missing.
    """

    keep_live: bool
    stored: Mapping[str, StoredVideo]
    live: Manifest | None = None
    unfinished: bool = False
    why_not_kept: str | None = None
    must_be_whole: bool = False


class Planned(msgspec.Struct, frozen=True):
    """What a run starts from and would do, what the gate says, and how many words are to be embedded.

    `source` is what the sources hold, by video id, and `titles` the titles of those that found their videos
    when the live version was built.
    """

    start: Start
    plan: Plan
    refusals: list[Refusal]
    words: int
    source: Mapping[str, StoredVideo]
    titles: Mapping[str, str]

    def changes_nothing(self, gate: Gate) -> bool:
        """Whether the live version is already what this would make, and remembers all that was accepted."""
        tolerated = self.start.live.tolerated if self.start.live else {}
        is_remembered = gate.newly_tolerated(self.refusals).items() <= tolerated.items()
        is_kept = self.start.why_not_kept is None and not self.start.unfinished
        return self.plan.changes_nothing and is_kept and is_remembered


async def plan_sync(
    job: SyncJob, store: IndexStore, model: Model, report: Report, console: Console
) -> Planned:
    """Read the sources once and decide what to do with every video.

    Raises SourceError where a source cannot be read, IngestError where no row of them is good.
    """
    start = await _start(job, store, model)
    source: dict[str, StoredVideo] = {}
    titles: dict[str, str] = {}
    canary_videos = frozenset(start.live.canary_videos if start.live else ())
    tally = Tally()
    rows = words = 0
    with shown_step(console, "Reading the sources, rows") as step:
        for row in read_catalogue(job.sources, languages=job.languages, youtube=job.youtube):
            rows += 1
            step.advance(1)
            if rows % _ROWS_A_TURN == 0:
                await asyncio.sleep(0)
            tally.row(row)
            if row.video is None:
                report.row(row, None)
                continue
            stored = stored_form(row.video, model.identity, job.settings)
            source[row.video.video_id] = stored
            if row.video.video_id in canary_videos:
                titles[row.video.video_id] = row.video.title
            action = decide(stored, start.stored.get(row.video.video_id))
            report.row(row, action)
            if action in EMBEDDED:
                words += len((row.video.transcript or "").split())
    if not source:
        raise IngestError(
            f"None of the {rows} rows gives a video. Nothing was changed; see the reasons above."
            if rows
            else "The sources hold no rows. Nothing was changed."
        )
    if report.rejected and start.must_be_whole:
        raise IngestError(
            f"{report.rejected} rows were rejected, and building the index anew would lose their videos. "
            "Mend the rows listed above first; the live index is as it was."
        )
    # A rejected row may be a video that the index holds: what cannot be read is not known to be gone.
    prune = job.prune and not report.rejected_without_id
    plan = make_plan(source, start.stored, prune=prune, spared=report.rejected_ids)
    for video_id in plan.ids(Action.REMOVE):
        report.removed(video_id)
    facts = tally.facts(
        source=source,
        stored=start.stored,
        plan=plan,
        live=start.live,
        other_model=start.why_not_kept if start.must_be_whole else None,
    )
    refusals = job.gate.refusals_of(measure(facts), start.live.tolerated if start.live else {})
    report.planned(refusals, start.live)
    return Planned(start, plan, refusals, words, source, titles)


async def run_sync(
    job: SyncJob,
    store: IndexStore,
    model: Model,
    planned: Planned,
    report: Report,
    console: Console,
) -> Manifest:
    """Do what the plan says in a new version, verify it, and make it the live one.

    Raises GateError before anything is done, or after it but before it is live, where the gate refuses it.
    Raises IngestError, SourceError or IndexUnavailableError; the live version then stays as far as the engine
    can keep it: a run that keeps its points on a server writes in place, and the same run again goes on.
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
        await _write_videos(job, model, planned, writer, report, console)
        counts = await writer.counts()
        expected = len((start.stored.keys() | plan.actions.keys()) - removed)
        check_counts(counts, videos=expected, if_refused=build.if_refused)
        console.print("Optimizing the index and verifying it")
        await writer.finish()
        return await publish(
            build,
            counts=counts,
            encoder=model.encoder,
            model=model.identity,
            settings=job.settings,
            is_sample=job.is_sample and start.live is None,
            is_partial=bool(left_behind(start, plan)),
            known=_known(planned),
            gate=job.gate,
            refusals=planned.refusals,
            live=start.live,
        )


def _known(planned: Planned) -> dict[str, str]:
    """List titles that found their own videos before and should still: the videos stay, titles and all."""
    live, plan = planned.start.live, planned.plan
    if live is None:
        return {}
    stays = (planned.start.stored.keys() | planned.source.keys()) - set(plan.ids(Action.REMOVE))
    return {
        title: video_id
        for title, video_id in zip(live.canaries, live.canary_videos, strict=False)
        if video_id in stays and planned.titles.get(video_id, title) == title
    }


def left_behind(start: Start, plan: Plan) -> list[str]:
    """List the videos that an earlier run did not write to its end and that this one does not touch."""
    return [
        video_id
        for video_id, stored in start.stored.items()
        if not stored.is_whole and video_id not in plan.actions
    ]


async def _start(job: SyncJob, store: IndexStore, model: Model) -> Start:
    """Find what of the live version can be kept."""
    manifest = await store.live()
    if manifest is None:
        return Start(keep_live=False, stored={})
    if manifest.is_sample and not job.is_sample:
        return Start(keep_live=False, stored={}, why_not_kept="The sample catalogue makes way for this one.")
    problem = _incompatibility(manifest, model.identity, job.settings)
    if problem is None:
        stored = await store.stored_videos()
        return Start(
            keep_live=True,
            stored=stored,
            live=None if manifest.is_sample else manifest,
            unfinished=manifest.is_partial,
        )
    if not job.prune:
        raise IngestError(
            f"{problem} Videos that are in the index and not in these sources cannot be carried over. Give "
            "all sources and --prune to build the index anew; the live index is as it was."
        )
    anew = f"{problem} Everything is embedded anew."
    return Start(keep_live=False, stored={}, live=manifest, why_not_kept=anew, must_be_whole=True)


def _incompatibility(manifest: Manifest, model: ModelIdentity, settings: PassageSettings) -> str | None:
    """Say why the points of an index cannot be kept, or None where they can."""
    try:
        check_servable(manifest, model)
    except IncompatibleIndexError as e:
        return str(e)
    if manifest.passage_settings != settings:
        return "The live index was cut into passages of another size."
    return None


async def _write_records(job: SyncJob, model: Model, planned: Planned, writer: IndexWriter) -> None:
    """Bring up to date what is shown of videos whose texts did not change."""
    batch = []
    for video in _videos(job, model, planned, frozenset({Action.UPDATE})):
        batch.append((record_of(video), planned.source[video.video_id]))
        if len(batch) == _RECORDS_A_BATCH:
            await writer.write_records(batch)
            batch = []
    await writer.write_records(batch)


async def _write_videos(
    job: SyncJob, model: Model, planned: Planned, writer: IndexWriter, report: Report, console: Console
) -> None:
    """Embed and write every video whose texts are new."""
    total = len(planned.plan.ids(*EMBEDDED))
    if not total:
        return
    embedder = Embedder(
        model.catalogue_encoder, model=model.identity, settings=job.settings, max_pieces=model.max_pieces
    )

    def cut() -> Iterator[CutVideo]:
        for video in _videos(job, model, planned, EMBEDDED):
            cut = embedder.cut(video)
            if any(passage.truncated for passage in cut.passages):
                report.passage_truncated(video.video_id)
            yield cut

    with shown_step(console, "Embedding videos", total) as step:
        for batch in embedder.embed(cut()):
            await writer.write(batch)
            step.advance(len(batch))


def _videos(job: SyncJob, model: Model, planned: Planned, actions: frozenset[Action]) -> Iterator[Video]:
    """Read the sources again, for the videos to which one of these happens.

    Raises IngestError where one is not what was planned: nobody has looked at that, the gate neither.
    """
    if not planned.plan.ids(*actions):
        return
    for row in read_catalogue(job.sources, languages=job.languages, youtube=job.youtube):
        if row.video and planned.plan.actions.get(row.video.video_id) in actions:
            now = stored_form(row.video, model.identity, job.settings)
            if now != planned.source[row.video.video_id]:
                raise IngestError(
                    f"{row.place}: the video {row.video.video_id} changed while the sources were read. Run "
                    "the same command again once nobody writes them."
                )
            yield row.video


def describe_plan(plan: Plan, start: Start) -> Sequence[str]:
    """Say in a few lines what a run would do."""
    lines = [start.why_not_kept] if start.why_not_kept else []
    for action in Action:
        ids = plan.ids(action)
        if ids:
            shown = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")  # noqa: PLR2004
            lines.append(f"{action}: {len(ids)} ({shown})")
    return lines
