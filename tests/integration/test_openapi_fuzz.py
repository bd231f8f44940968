"""A slice of `python -m tests.fuzz.openapi`: what the service answers is what its document says."""

from pathlib import Path

from tests.fuzz.openapi import fuzz_all
from tests.support.processes import Ingest, running_api

EXAMPLES = 500
SCENARIOS = 60
SEED = 5


def test_every_answer_is_as_documented(ingest: Ingest, folder: Path) -> None:
    with running_api(ingest.index_dir, ingest.model_dir, LOG_LEVEL="warning") as api:
        outcomes = list(fuzz_all(api.address, folder, examples=EXAMPLES, scenarios=SCENARIOS, seed=SEED))
        said = api.log.read_text()
    for outcome in outcomes:
        assert outcome.passed, outcome.said
    assert sum(outcome.requests for outcome in outcomes) > 7 * EXAMPLES
    assert "Traceback" not in said
