"""One test of every process and page for `make test`; `make test-all` runs the other integration tests."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import ROWS
from tests.integration.test_qdrant_outages import deployed, filled_server
from tests.support.documents import write_jsonl
from tests.support.other_site import OtherSite
from tests.support.processes import PATIENCE, Api, Ingest, eventually, run_module, running_api

LookAt = Callable[..., Any]


def test_ingest_syncs_reports_and_rolls_back(ingest: Ingest, folder: Path) -> None:
    first = ingest.pointer
    ingest.done("sync", write_jsonl(folder / "fewer.jsonl", ROWS[:3]), "--prune")
    assert "3 videos" in ingest.done("status")
    assert ingest.pointer != first
    ingest.done("rollback")
    assert f"{len(ROWS)} videos" in ingest.done("status")


def test_ingest_watches_a_folder_until_it_is_stopped(empty: Ingest, folder: Path) -> None:
    watched = folder / "watched"
    watched.mkdir()
    write_jsonl(watched / "talks.jsonl", ROWS[:2])
    with empty.start("watch", watched, "--every", "0.1") as watching:
        try:
            eventually(lambda: (empty.index_dir / "CURRENT").exists() or None)
        finally:
            watching.send_signal(signal.SIGTERM)
            assert watching.wait(PATIENCE) == 0
    assert "2 videos" in empty.done("status")


def test_a_snapshot_is_restored(ingest: Ingest, folder: Path) -> None:
    snapshot = folder / "talks.tar"
    ingest.done("snapshot", snapshot)
    restored = Ingest(folder / "restored", ingest.model_dir)
    restored.done("restore", snapshot)
    assert f"{len(ROWS)} videos" in restored.done("status")


def test_the_api_answers_and_stops(ingest: Ingest) -> None:
    with running_api(ingest.index_dir, ingest.model_dir) as api:
        api.wait_until_ready()
        assert api.get("/").json() == {"health_check": "OK"}
        assert api.get("/search", query="growing tomatoes").json()["video_id"][0] == "tomato"
        (best, *_) = api.get("/v1/search", query="rings of Saturn").json()["videos"]
        assert best["video_id"] == "stars"
        assert best["moments"][0]["start"] == 1.5
        assert "vidsearch_index_videos 5.0" in api.get("/metrics").text
        assert api.stop() == 0


def test_api_keys_are_made_listed_and_revoked(folder: Path) -> None:
    keys_file = {"KEYS_FILE": str(folder / "keys.json")}
    assert run_module("api", "keys", "add", "web", "--scope", "search", **keys_file).returncode == 0
    assert "web" in run_module("api", "keys", "list", **keys_file).stdout
    assert run_module("api", "keys", "revoke", "web", **keys_file).returncode == 0


def test_the_api_searches_a_qdrant_server(model_dir: Path) -> None:
    with filled_server(model_dir) as server, deployed(server, model_dir) as deployment:
        deployment.wait_for_recovery()
        assert deployment.api.stop() == 0


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/app", "#results"),
        ("/app/search?query=rings+of+Saturn", "text=Finding Saturn"),
        ("/status", "main"),
        ("/schema", "[data-path='/v1/search']"),
    ],
)
def test_a_page_shows_without_an_error(look_at: LookAt, small_api: Api, path: str, shown: str) -> None:
    page = look_at(small_api.address)
    assert page.open(path).status == 200
    page.page.locator(shown).first.wait_for()


def test_a_page_that_does_not_exist_is_a_problem_page(look_at: LookAt, small_api: Api) -> None:
    page = look_at(small_api.address)
    page.allows_failures = True
    assert page.open("/app/none").status == 404
    page.page.locator("h1").wait_for()


def test_the_search_box_works_on_another_site(
    look_at: LookAt, sample_api: Api, other_site: OtherSite
) -> None:
    box = f'<script src="{sample_api.address}/embed.js"></script>'
    other_site.policy = (
        f"default-src 'none'; script-src {sample_api.address}; connect-src {sample_api.address}"
    )
    other_site.pages["/"] = f"<!DOCTYPE html><html lang=en><title>A site</title><main>{box}</main>"
    page = look_at(other_site.address)
    page.allowed_hosts = {"127.0.0.1"}
    page.page.context.unroute_all()
    page.open("/")
    page.page.get_by_role("searchbox").press_sequentially("why is my telescope view mushy")
    page.page.get_by_text("Why Your Planets Look Mushy").first.wait_for()
