"""The `ingest` image at run time: a job that ends, confined like the API."""

import json
from pathlib import Path

import pytest

from tests.containers.docker_cli import Finished, Images, docker, started, until
from tests.containers.test_api_container import QUESTION, serving

_CONFINED = (
    *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true"),  # noqa: S108
    *("--network", "none", "--memory", "2g"),
)


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """A file that everyone can read, in a folder that only its owner can read."""
    path = tmp_path / "talks.jsonl"
    rows = [
        {"video_id": "bread", "title": "Baking bread", "transcript": "Mix flour and water, and wait."},
        {"video_id": "engine", "title": "Inside an engine", "transcript": "A valve opens and closes."},
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    path.chmod(0o644)
    return path


def ingest(images: Images, volume: str, *arguments: str, source: Path | None = None) -> Finished:
    mounts = ["--volume", f"{volume}:/data/index"]
    if source:
        mounts += ["--volume", f"{source}:/source/{source.name}:ro"]
    return docker("run", "--rm", *_CONFINED, *mounts, images.ingest, *arguments, check=False)


def test_the_model_is_in_the_image_and_no_network_is_needed(
    images: Images, volume: str, catalogue: Path
) -> None:
    first = ingest(images, volume, "sync", "/source/talks.jsonl", source=catalogue)
    assert first.returncode == 0, first.stderr
    assert "2 videos" in first.stdout
    again = ingest(images, volume, "sync", "/source/talks.jsonl", source=catalogue)
    assert "Nothing to do" in again.stdout
    assert ingest(images, volume, "status").stdout.startswith("live: ")


def test_a_running_api_serves_the_version_that_the_job_publishes(
    images: Images, volume: str, catalogue: Path
) -> None:
    with serving(images.api, volume) as api:
        api.wait_for("/livez")
        assert api.get(QUESTION)[0] == 503
        assert ingest(images, volume, "sync", "/source/talks.jsonl", source=catalogue).returncode == 0
        until(lambda: api.get(QUESTION)[0] == 200, or_say=api.logs)


def test_the_command_line_is_the_images_own(images: Images, volume: str) -> None:
    assert ingest(images, volume).stdout.startswith("usage: python -m ingest")
    missing = ingest(images, volume, "sync", "/source/none.jsonl")
    assert missing.returncode == 3


def test_a_job_that_is_stopped_leaves_no_version_behind(images: Images, volume: str) -> None:
    options = (*_CONFINED, "--volume", f"{volume}:/data/index")
    command = ("sync", "ingest/sample/catalogue.jsonl")
    with started(images.ingest, *options, command=command) as job:
        until(lambda: "add: 64" in job.logs(), or_say=job.logs)
        job.stop()
        assert job.state()["ExitCode"] == 4
        assert "Stopped." in job.logs()
    assert "There is no index" in ingest(images, volume, "status").stdout
