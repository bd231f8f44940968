"""What a sync is asked to do, and what of the live version it can keep."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from ingest.errors import IngestError
from ingest.planning.gate import Gate
from ingest.sources.captions.choice import DEFAULT_LANGUAGES
from ingest.sources.youtube.channel import YouTube
from retrieval.catalogue.manifest import Manifest, ModelIdentity, PassageSettings, check_servable
from retrieval.errors import IncompatibleIndexError
from retrieval.index.store import IndexStore
from retrieval.index.writing import StoredVideo

SAMPLE_CATALOGUE = Path(__file__).parents[1] / "sample" / "catalogue.jsonl"
"""The catalogue that comes with the product."""


class SyncJob(msgspec.Struct, frozen=True, kw_only=True):
    """The sources and options of one sync."""

    sources: tuple[Path, ...]
    prune: bool
    languages: Sequence[str] = DEFAULT_LANGUAGES
    gate: Gate = Gate()
    youtube: YouTube | None = None
    settings: PassageSettings = PassageSettings()

    @property
    def is_sample(self) -> bool:
        """Whether the only source is the sample catalogue that comes with the product."""
        return all(source.resolve() == SAMPLE_CATALOGUE for source in self.sources)


class Start(msgspec.Struct, frozen=True):
    """The state that a sync starts from.

    `keep_live`: the points of the live version can be kept; `stored` are its videos. `live` is the version
    that the result is compared with, None if there is none or only the sample catalogue. `unfinished`: an
    earlier run that wrote into the live version did not end. `why_not_kept` is the reason if the live
    version cannot be kept. `must_be_complete`: the sources replace a version of the user's own videos, so no
    row may be missing.
    """

    keep_live: bool
    stored: Mapping[str, StoredVideo]
    live: Manifest | None = None
    unfinished: bool = False
    why_not_kept: str | None = None
    must_be_complete: bool = False


async def find_start(job: SyncJob, store: IndexStore, model: ModelIdentity) -> Start:
    """Determine what of the live version can be kept.

    Raises IngestError if nothing can be kept and the job does not replace the whole index.
    """
    manifest = await store.live()
    if manifest is None:
        return Start(keep_live=False, stored={})
    if manifest.is_sample and not job.is_sample:
        return Start(keep_live=False, stored={}, why_not_kept="Replacing the sample catalogue.")
    problem = _incompatibility(manifest, model, job.settings)
    if problem is None:
        return Start(
            keep_live=True,
            stored=await store.stored_videos(),
            live=None if manifest.is_sample else manifest,
            unfinished=manifest.is_partial,
        )
    if not job.prune:
        raise IngestError(
            f"{problem} Videos that are in the index but not in these sources cannot be carried over. To "
            "rebuild the index, name all sources and add --prune. The live index is unchanged."
        )
    why = f"{problem} All videos will be embedded again."
    return Start(keep_live=False, stored={}, live=manifest, why_not_kept=why, must_be_complete=True)


def _incompatibility(manifest: Manifest, model: ModelIdentity, settings: PassageSettings) -> str | None:
    """Return the reason why the points of an index cannot be kept, or None if they can."""
    try:
        check_servable(manifest, model)
    except IncompatibleIndexError as e:
        return str(e)
    if manifest.passage_settings != settings:
        return "The live index has passages of another size."
    return None
