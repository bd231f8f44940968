"""The commands about an existing index, and about the model: status, rollback, export-model."""

import argparse
from collections.abc import Awaitable, Callable
from importlib import import_module

from ingest.errors import ExitCode
from ingest.reports.text import describe_run
from ingest.terminal import Terminal
from retrieval.catalogue.manifest import Manifest
from retrieval.catalogue.wording import counted, share, times_text, timestamp
from retrieval.errors import IndexUnavailableError, UnreadableLogError, UnreadableVersionError
from retrieval.index.store import IndexStore
from retrieval.opening import open_store
from retrieval.settings import SearchSettings


async def status(_: argparse.Namespace, settings: SearchSettings, console: Terminal) -> int:
    """Show the live version, the previous one and the last runs."""
    show = console.print
    async with open_store(settings) as store:
        live = await _read(store.live)
        previous = await _read(store.previous) if live else None
        try:
            runs, unreadable = await store.runs(), None
        except UnreadableLogError as e:
            runs, unreadable = (), e
    if live:
        show(f"live: {_describe(live)}")
        show(f"previous: {_describe(previous)}")
    else:
        show(f"There is no index in {store.place}. Build one: python -m ingest sync SOURCE")
    if isinstance(live, Manifest):
        _show_faults(live, show)
    if unreadable:
        show(f"runs: {unreadable}. The next run starts a new log.")
    if runs:
        show("runs, newest first:")
    for run in runs:
        show(f"  {describe_run(run)}")
    if isinstance(live, UnreadableVersionError):
        raise IndexUnavailableError(
            "The live version cannot be read. Make the previous version live: python -m ingest rollback. Or "
            "restore a snapshot: python -m ingest restore FILE"
        )
    return ExitCode.DONE


def _show_faults(live: Manifest, show: Callable[[str], None]) -> None:
    if lack := times_text(live.counts.videos_with_transcript, live.timed_transcripts):
        show(f"note: {lack}")
    if live.is_partial:
        show(
            "A run that writes into the live version has not ended, or left incomplete videos behind. If no "
            "run is in progress, run the same sync again: it continues from there."
        )


async def readable_live(store: IndexStore) -> Manifest | None:
    """Read the live version's manifest; None if there is none or it is damaged."""
    live = await _read(store.live)
    return live if isinstance(live, Manifest) else None


async def _read(read: Callable[[], Awaitable[Manifest | None]]) -> Manifest | UnreadableVersionError | None:
    try:
        return await read()
    except UnreadableVersionError as e:
        return e


def _describe(manifest: Manifest | UnreadableVersionError | None) -> str:
    if manifest is None:
        return "none"
    if isinstance(manifest, UnreadableVersionError):
        return f"cannot be read: {manifest}"
    counts, accepted = manifest.counts, ", ".join(manifest.accepted)
    return (
        f"{manifest.index_version}, built {timestamp(manifest.built_at)} with {manifest.model.name}: "
        f"{counted(counts.videos, 'video')} ({share(counts.transcript_coverage)} with a transcript), "
        f"{counted(counts.passages, 'passage')}" + (f"; accepted: {accepted}" if accepted else "")
    )


async def rollback(_: argparse.Namespace, settings: SearchSettings, console: Terminal) -> int:
    """Make the previous version live again."""
    async with open_store(settings) as store, store.exclusive():
        before = await readable_live(store)
        live = await store.roll_back()
    kept = f" Version {before.index_version} is kept for rollback." if before else ""
    console.print(f"Live: version {live.index_version}.{kept}")
    return ExitCode.DONE


def export_model(args: argparse.Namespace, settings: SearchSettings, console: Terminal) -> int:
    """Export the model that serves searches."""
    console.print("Exporting the model and checking its embeddings")
    export = import_module("ingest.model.export").export_model
    exported = export(settings.model_dir, args.model)
    console.print(f"Exported {exported.identity.name} to {settings.model_dir}: {exported.proof}.")
    return ExitCode.DONE
