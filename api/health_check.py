"""Finding out how the service is, whatever state its index is in: what `/health` and the status page tell."""

from datetime import UTC, datetime

from api.errors import StoppingError
from api.health_report import Expectations, report_health
from api.readiness import Readiness
from api.schemas import Health
from retrieval.errors import IndexUnavailableError, OverloadedError, VidsearchError
from retrieval.manifest import Manifest
from retrieval.search import Searcher


async def check_health(searcher: Searcher, readiness: Readiness, expected: Expectations) -> Health:
    """Look at everything that there is to look at. Nothing known to go wrong is an error here."""
    return report_health(
        is_ready=await _is_ready(readiness),
        is_stopping=readiness.is_stopping,
        canary_seconds=readiness.seconds,
        manifest=await _manifest(searcher),
        runs=await searcher.recent_runs(),
        expected=expected,
        now=datetime.now(UTC),
    )


async def _is_ready(readiness: Readiness) -> bool:
    try:
        await readiness.check()
    except StoppingError:
        # Searches are answered to the end, as they were before it began.
        return readiness.last_found is not False
    except VidsearchError:
        return False
    return True


async def _manifest(searcher: Searcher) -> Manifest | None:
    try:
        return await searcher.manifest()
    except (IndexUnavailableError, OverloadedError):
        return None
