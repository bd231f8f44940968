"""Saves the account of a run: in its report files, and in the log of runs that is stored with the index."""

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ingest.errors import IngestError
from ingest.reports.account import RunAccount, unwritable
from ingest.reports.documents import summary_document
from ingest.reports.files import report_file
from retrieval.catalogue.runs import KEPT_RUNS, Run, RunOutcome
from retrieval.errors import UnreadableLogError, VidsearchError
from retrieval.index.store import IndexStore

_log = logging.getLogger(__name__)


@contextmanager
def reporting(account: RunAccount, paths: Sequence[Path]) -> Iterator[None]:
    """Write the reports of a run, however it ends.

    Raises IngestError at the start, before anything is changed, if a file cannot be written, and at the end
    if writing failed after all. A failed run raises its own error.
    """
    with ExitStack() as stack:
        places = dict.fromkeys(path.resolve() for path in paths)
        account.files = [stack.enter_context(report_file(path)) for path in places]
        try:
            yield
        except BaseException as error:
            account.end(error)
            try:
                _save(account)
            except IngestError as unwritten:
                _log.error("%s", unwritten)
            raise
        account.end()
        _save(account)


def _save(account: RunAccount) -> None:
    """Finish every report that can be written. Raises IngestError if one could not be."""
    failures = []
    for file in account.files:
        try:
            file.finish(_page(account) if file.is_page else None, summary_document(account))
        except OSError as e:
            failures.append(str(unwritable(file, e)))
    if failures:
        raise IngestError(f"{' '.join(failures)} The outcome of the run: {account.outcome}.")


def _page(account: RunAccount) -> str:
    from ingest.reports.page import render_page  # noqa: PLC0415 - few runs need the template engine.

    return render_page(account)


@asynccontextmanager
async def recording(
    store: IndexStore, account: RunAccount, log: Callable[[str], None]
) -> AsyncIterator[None]:
    """Write a run to the store's log of runs when it begins, and again when it ends.

    If the log cannot be written, `log` gets a warning and the run continues. Use it only inside the store's
    `exclusive`.
    """
    begun = Run(
        began_at=account.began_at,
        sources=account.request.sources,
        accepted=tuple(sorted(account.request.accepted)),
    )
    await _write(store, begun, log)
    error: BaseException | None = None
    try:
        yield
    except BaseException as e:
        error = e
        raise
    finally:
        account.end(error)
        ended = msgspec.structs.replace(
            begun,
            ended_at=account.ended_at,
            outcome=RunOutcome(str(account.outcome)),
            why=account.why,
            index_version=account.published.index_version if account.published else None,
            counts=account.all_counts,
        )
        await _write(store, ended, log)


async def _write(store: IndexStore, run: Run, log: Callable[[str], None]) -> None:
    """Put a run at the head of the log, in place of its earlier entry."""
    try:
        others = [other for other in await _read(store, log) if other.began_at != run.began_at]
        # A run in progress has no outcome yet, as a killed one. It must not be folded into those.
        runs = folded([run, *others]) if run.ended_at else [run, *folded(others)]
        await store.write_runs(runs[:KEPT_RUNS])
    except (VidsearchError, OSError) as e:
        log(f"warning: Cannot write this run to the log that ingest status shows: {e}")


async def _read(store: IndexStore, log: Callable[[str], None]) -> Sequence[Run]:
    try:
        return await store.runs()
    except UnreadableLogError as e:
        log(f"warning: Starting a new log of runs: {e}")
        return ()


def folded(runs: Iterable[Run]) -> list[Run]:
    """Replace consecutive runs with the same result by the last one of them, with their number.

    Otherwise a run that is repeated again and again would fill the log and push out the last published run.
    """
    kept: list[Run] = []
    for run in runs:
        if kept and run.index_version is None and _result(kept[-1]) == _result(run):
            last = kept.pop()
            times, since = last.times + run.times, run.since or run.began_at
            kept.append(msgspec.structs.replace(last, times=times, since=since))
        else:
            kept.append(run)
    return kept


def _result(run: Run) -> Run:
    """Return a run without its times, so that equal results compare equal."""
    always = datetime.min.replace(tzinfo=UTC)
    ended_at = always if run.ended_at else None
    return msgspec.structs.replace(run, began_at=always, ended_at=ended_at, times=1, since=None)
