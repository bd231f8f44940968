"""A short run of `python -m tests.fuzz.openapi`: every response is as the OpenAPI document describes it."""

from pathlib import Path

from tests.fuzz.openapi import fuzz_all
from tests.support.processes import Ingest, running_api

EXAMPLES = 200
SCENARIOS = 30
SEED = 5


def test_every_response_is_as_documented(ingest: Ingest, folder: Path) -> None:
    with running_api(ingest.index_dir, ingest.model_dir, LOG_LEVEL="warning") as api:
        outcomes = list(fuzz_all(api.address, folder, examples=EXAMPLES, scenarios=SCENARIOS, seed=SEED))
        said = api.log.read_text()
    for outcome in outcomes:
        assert outcome.passed, outcome.said
    assert sum(outcome.requests for outcome in outcomes) > 7 * EXAMPLES
    assert "Traceback" not in said
