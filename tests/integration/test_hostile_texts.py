"""A short run of `python -m tests.fuzz.hostile_texts`."""

from pathlib import Path

from tests.fuzz.hostile_texts import ask_everything, attacked, check_catalogue, check_log, check_pages
from tests.support.hostile import hostile_texts

QUERIES = 300
ROWS = 30


def test_hostile_texts_break_nothing_and_are_not_logged(folder: Path, model_dir: Path) -> None:
    with attacked(folder, model_dir, ROWS, seed=5) as (api, client):
        assert check_catalogue(client) > ROWS // 2
        outcomes = ask_everything(client, hostile_texts(QUERIES, seed=6))
        check_pages(client)
        assert check_log(api) >= sum(count for status, count in outcomes.items() if isinstance(status, int))
    assert outcomes[200] > QUERIES // 4
    assert outcomes[400] > QUERIES // 4
