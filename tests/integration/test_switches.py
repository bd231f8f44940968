"""The index is switched again and again while it is searched: each answer is one version's, none is lost."""

import sys
from itertools import pairwise
from pathlib import Path

from retrieval.edge.generations import Generations
from tests.integration.conftest import ROWS
from tests.support.documents import write_jsonl
from tests.support.processes import Api, Ingest, eventually, running_api
from tests.support.searching import CLASSIC, SEARCH, Served, ask_all, givers, searching

TAKEN_UP_SECONDS = 2.0
QUERIES = ["growing tomatoes", "baking bread", "painting a wall"]
CHANGED: list[dict[str, object]] = [
    {**ROWS[0], "title": "Growing beans"},
    {"video_id": "wall", "title": "Painting a wall", "transcript": "Two thin coats are better than one."},
    {**ROWS[1], "title": "Baking rye bread"},
    *ROWS[2:],
]


def serves(api: Api, version: str) -> bool | None:
    found = api.get("/v1/search", query=QUERIES[0]).json()["index_version"]
    return True if found == version else None


def test_switches_under_load_lose_and_mix_no_answer(ingest: Ingest, folder: Path, switches: int) -> None:
    ingest.done("sync", write_jsonl(folder / "changed.jsonl", CHANGED))
    generations = Generations(ingest.index_dir)
    with running_api(ingest.index_dir, ingest.model_dir, SEARCH_CACHE="0") as api:
        versions: list[Served] = []
        for _ in range(2):
            live = generations.roll_back().live
            eventually(lambda live=live: serves(api, live), within=TAKEN_UP_SECONDS)
            versions.append(Served(live, ask_all(api.address, QUERIES)))
        one, other = versions
        # Of any mixture it can be told that it is one, whatever was asked.
        assert all(not one.answers[asked].says(other.answers[asked]) for asked in one.answers)
        with searching(api.address, QUERIES) as clients:
            for _ in range(switches):
                live = generations.roll_back().live
                eventually(lambda live=live: serves(api, live), within=TAKEN_UP_SECONDS)
        heard = clients.take()
        assert api.stop() == 0
    answers = heard[CLASSIC] + heard[SEARCH]
    assert {answer.status for _, answer in answers} == {200}
    degraded = 0
    for path in (CLASSIC, SEARCH):
        # A machine that is busy otherwise may answer by words alone, and says so: that is another answer.
        whole = [(asked, answer) for asked, answer in heard[path] if not answer.said.get("degraded")]
        assert {answer.version for _, answer in heard[path]} <= {None, one.version, other.version}
        degraded += len(heard[path]) - len(whole)
        given = givers(whole, versions)
        # A client sees each switch once at most, and never an older version again before the next one.
        changes = sum(before != after for before, after in pairwise(given))
        assert switches - 1 <= changes <= switches
    sys.stdout.write(
        f"{switches} switches: {len(answers)} answers ({degraded} degraded), 0 failed, 0 mixed\n"
    )
