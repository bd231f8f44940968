"""The account of a run as JSON: the summary of a report, and the document of `sync --dry-run --json`."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from ingest.planning.gate import Refusal
from ingest.planning.plan import EMBEDDED, Action
from ingest.reports.account import RunAccount
from ingest.rows.row import Severity

_WORDS_PER_PASSAGE: Final = 90
"""The approximate number of new words per passage: its size minus the overlap."""

_TEXTS_PER_SECOND_PER_CORE: Final = 30
"""The rate at which the model embeds on one core of the machine of the documented benchmarks."""


def summary_document(account: RunAccount) -> dict[str, Any]:
    """Return the `summary` of a JSON report.

    `actions` and `rejected` count videos and rows as planned, whether or not the plan was carried out.
    `reasons` counts the problems of rows by severity and reason code. `findings` is None if the run ended
    before the gate was checked; all counts then cover only the rows read so far. `quarantine` and
    `row_reports` are the files that contain every rejected row. `without_transcript` counts the videos of the
    sources without one and lists the first 1,000. `times` is a sentence about transcripts without times.
    """
    counts = account.counts
    return {
        "outcome": account.outcome,
        "why": account.why,
        "dry_run": account.request.dry_run,
        "began_at": account.began_at,
        "ended_at": account.ended_at,
        "sources": account.request.sources,
        "accepted": sorted(account.request.accepted),
        "index_version": account.published.index_version if account.published else None,
        "rows": counts.rows,
        "actions": account.actions,
        "rejected": counts.rejected,
        "reasons": reasons_of(account),
        "truncated": len(account.truncated),
        "findings": account.findings,
        "before": account.before.counts if account.before else None,
        "after": account.published.counts if account.published else None,
        "profile": {
            "coverage": {"videos": counts.videos.total(), "transcribed": counts.transcribed.total()},
            "timed": counts.timed,
            "years": [
                {"year": year, "videos": counts.videos[year], "transcribed": counts.transcribed[year]}
                for year in sorted(year for year in counts.videos if year is not None)
            ],
            "undated": {"videos": counts.videos[None], "transcribed": counts.transcribed[None]},
        },
        "without_transcript": {
            "count": counts.videos.total() - counts.transcribed.total(),
            "videos": account.untranscribed,
        },
        "times": account.times,
        "quarantine": account.quarantine_name,
        "row_reports": account.row_reports,
    }


def reasons_of(account: RunAccount) -> dict[Severity, dict[str, int]]:
    """Count the problems of rows by severity and reason code, the most frequent first."""
    ordered = sorted(account.counts.reasons.items(), key=lambda item: (-item[1], item[0]))
    return {
        severity: {code: count for (of, code), count in ordered if of == severity}
        for severity in get_args(Severity)
    }


def plan_document(account: RunAccount, refusals: list[Refusal], *, cores: int) -> Mapping[str, Any]:
    """Return the document of a dry run. Videos to keep are only counted.

    `texts` is about how many texts would be embedded, and `seconds` how long that would take on `cores`.
    """
    plan = account.plan
    ids = {str(action): plan.ids(action) if plan else [] for action in Action if action is not Action.KEEP}
    texts = texts_to_embed(account)
    return {
        "actions": ids,
        "keep": account.actions[Action.KEEP],
        "rejected": reasons_of(account)["rejected"],
        "refusals": refusals,
        "texts": texts,
        "seconds": embedding_seconds(texts, cores),
    }


def texts_to_embed(account: RunAccount) -> int:
    """Estimate the number of texts to embed: titles, whole transcripts and passages."""
    videos = len(account.plan.ids(*EMBEDDED)) if account.plan else 0
    return 2 * videos + -(-account.words // _WORDS_PER_PASSAGE)


def embedding_seconds(texts: int, cores: int) -> float:
    """Estimate how long embedding takes on so many cores."""
    return round(texts / (_TEXTS_PER_SECOND_PER_CORE * cores), 1)
