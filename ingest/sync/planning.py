"""The first half of a sync: reads the sources, decides the action for each video, and checks the gate.

A sync reads its sources twice: now, when it hashes every row, and again to embed the videos of the plan. So
memory contains hashes of all videos, but texts and vectors of only a few hundred at a time.
"""

import asyncio
from collections.abc import Mapping

import msgspec

from ingest.embedding.content_hashes import stored_form
from ingest.embedding.encoders import Model
from ingest.errors import IngestError
from ingest.planning.facts import catalogue_facts
from ingest.planning.gate import Gate, Refusal
from ingest.planning.plan import EMBEDDED, Action, Plan, decide, make_plan
from ingest.planning.rules import measure
from ingest.progress import shown_step
from ingest.reports.account import RunAccount
from ingest.sources.catalogue import read_catalogue
from ingest.sync.job import Start, SyncJob, find_start
from ingest.terminal import Terminal
from retrieval.catalogue.wording import counted
from retrieval.index.store import IndexStore
from retrieval.index.writing import StoredVideo

_ROWS_PER_YIELD = 256
"""How often the event loop gets control, in rows. It renews the run's lock on a Qdrant server."""


class PlannedSync(msgspec.Struct, frozen=True):
    """A sync that has a plan.

    `refusals` are the rules of the gate that it breaks, accepted ones too. `source` are the videos of the
    sources, by id. `titles` are the titles in the sources of the live version's canary videos.
    """

    start: Start
    plan: Plan
    refusals: list[Refusal]
    source: Mapping[str, StoredVideo]
    titles: Mapping[str, str]

    def changes_nothing(self, gate: Gate) -> bool:
        """Whether the live version already equals the result, including the levels accepted by name."""
        tolerated = self.start.live.tolerated if self.start.live else {}
        is_remembered = gate.newly_tolerated(self.refusals).items() <= tolerated.items()
        is_kept = self.start.why_not_kept is None and not self.start.unfinished
        return self.plan.changes_nothing and is_kept and is_remembered


async def plan_sync(
    job: SyncJob, store: IndexStore, model: Model, account: RunAccount, console: Terminal
) -> PlannedSync:
    """Read the sources once and decide the action for every video.

    Raises SourceError if a source cannot be read, IngestError if no row yields a video.
    """
    start = await find_start(job, store, model.identity)
    canary_videos = frozenset(start.live.canary_videos if start.live else ())
    source: dict[str, StoredVideo] = {}
    actions: dict[str, Action] = {}
    titles: dict[str, str] = {}
    words = 0
    with shown_step(console, "Reading the sources, rows") as advance:
        for row in read_catalogue(job.sources, languages=job.languages, youtube=job.youtube):
            advance(1)
            if row.video is None:
                account.row(row, None)
            else:
                video_id = row.video.video_id
                source[video_id] = stored_form(row.video, model.identity, job.settings)
                actions[video_id] = decide(source[video_id], start.stored.get(video_id))
                account.row(row, actions[video_id])
                if video_id in canary_videos:
                    titles[video_id] = row.video.title
                if actions[video_id] in EMBEDDED:
                    words += len((row.video.transcript or "").split())
            if account.counts.rows % _ROWS_PER_YIELD == 0:
                await asyncio.sleep(0)
    _check_rows(account, start)
    counts = account.counts
    # A row without an id may be any video of the index, so then nothing is removed.
    prune = job.prune and not counts.rejected_without_id
    plan = make_plan(actions, start.stored, prune=prune, spared=counts.rejected_ids)
    facts = catalogue_facts(
        counts,
        source=source,
        stored=start.stored,
        plan=plan,
        live=start.live,
        other_model=start.why_not_kept if start.must_be_complete else None,
    )
    refusals = job.gate.refusals_of(measure(facts), start.live.tolerated if start.live else {})
    account.planned(plan, refusals, start.live, words=words)
    return PlannedSync(start, plan, refusals, source, titles)


def _check_rows(account: RunAccount, start: Start) -> None:
    """Raise IngestError if no row yields a video, or if one is missing that must not be."""
    rows, rejected = account.counts.rows, account.counts.rejected
    if not rows:
        raise IngestError("The sources contain no rows. Nothing was changed.")
    if rows == rejected:
        gives = "The only row gives no video." if rows == 1 else f"None of the {rows:,} rows gives a video."
        raise IngestError(f"{gives} Nothing was changed; see the reasons above.")
    if rejected and start.must_be_complete:
        was, its = ("was", "its video") if rejected == 1 else ("were", "their videos")
        raise IngestError(
            f"{counted(rejected, 'row')} {was} rejected, and rebuilding the index would lose {its}. Fix the "
            "rows listed above first. The live index is unchanged."
        )
