"""Media files over real sockets: paths as clients send them, a file of 4 GB, keys, and a stop."""

import http.client
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from api.access.key_file import write_keys
from api.access.keys import make_key
from api.media.response import CHUNK_BYTES
from tests.support.documents import write_jsonl
from tests.support.processes import PATIENCE, Api, Ingest, run_module, running_api

GIGABYTE = 2**30
LARGE = 4 * GIGABYTE + 5
VTT = "WEBVTT\n\n00:02.000 --> 00:09.000\nToday we sharpen a chisel on a stone.\n"


@pytest.fixture(scope="module")
def media_dir(index_folders: Callable[[], Path]) -> Path:
    """A folder of talks with their captions, and a file that no catalogue names."""
    folder = index_folders() / "videos"
    (folder / "tools").mkdir(parents=True)
    (folder.parent / "secret.mp4").write_bytes(b"secret")
    (folder / "tools" / "50% sharper \u00e9.en.vtt").write_text(VTT, encoding="utf-8")
    (folder / "tools" / "50% sharper \u00e9.mp4").write_bytes(b"0123456789")
    (folder / "out.mp4").symlink_to("../secret.mp4")
    os.truncate(os.open(folder / "large.mp4", os.O_CREAT | os.O_WRONLY), LARGE)
    return folder


@pytest.fixture(scope="module")
def folder_index(media_dir: Path, model_dir: Path) -> Ingest:
    ingest = Ingest(media_dir.parent / "index", model_dir.resolve())
    ingest.done("sync", media_dir)
    return ingest


@pytest.fixture(scope="module")
def api(folder_index: Ingest, media_dir: Path) -> Iterator[Api]:
    with running_api(folder_index.index_dir, folder_index.model_dir, MEDIA_DIR=str(media_dir)) as api:
        yield api


def send(api: Api, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """Send a path exactly as it is written, which libraries would normalize."""
    connection = http.client.HTTPConnection(urlsplit(api.address).netloc, timeout=PATIENCE)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@contextmanager
def streaming(api: Api, path: str = "/media/large.mp4") -> Iterator[socket.socket]:
    """Request a file, and read the beginning of the response."""
    parts = urlsplit(api.address)
    with socket.create_connection((parts.hostname, parts.port), PATIENCE) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(1024).startswith(b"HTTP/1.1 200 ")
        yield client


def peak_memory(api: Api) -> int:
    """Return the maximum of the process's resident memory so far, in bytes."""
    status = Path(f"/proc/{api.process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def test_a_file_next_to_its_captions_is_the_address_of_the_video(api: Api) -> None:
    (video,) = api.get("/v1/search", query="sharpen a chisel").json()["videos"]
    assert video["url"] == f"{api.address}/media/tools/50%25%20sharper%20%C3%A9.mp4"
    assert video["moments"][0]["url"] == f"{video['url']}#t=2"
    assert send(api, urlsplit(video["url"]).path, Range="bytes=2-4") == (206, b"234")
    assert send(api, urlsplit(video["url"]).path, "HEAD") == (200, b"")
    (listed,) = api.get("/v1/videos").json()["videos"]
    assert listed["url"] == video["url"]


@pytest.mark.parametrize(
    "path",
    [
        "/media/../secret.mp4",
        "/media/tools/../../secret.mp4",
        "/media/%2e%2e/secret.mp4",
        "/media/%2e%2e%2fsecret.mp4",
        "/media/..%2fsecret.mp4",
        "/media/..%5csecret.mp4",
        "/media/%252e%252e/secret.mp4",
        "/media//../secret.mp4",
        "//media/../secret.mp4",
        "/media/out.mp4",
        "/media/",
        "/media",
        "/media/tools",
        "/media/tools/",
        "/media/%00.mp4",
        "/media/%ff.mp4",
    ],
)
def test_no_path_leads_out_of_the_folder(api: Api, path: str) -> None:
    status, body = send(api, path)
    assert (status, b"not-found" in body) == (404, True)


@pytest.mark.parametrize(
    ("sent", "length"), [("bytes=-5", 5), (f"bytes={4 * GIGABYTE}-", 5), ("bytes=3000000000-3000000099", 100)]
)
def test_a_part_of_a_large_file(api: Api, sent: str, length: int) -> None:
    assert send(api, "/media/large.mp4", Range=sent) == (206, bytes(length))
    assert send(api, "/media/large.mp4", Range=f"bytes={LARGE}-")[0] == 416


def test_a_large_file_needs_no_memory_and_delays_no_search(api: Api) -> None:
    before = peak_memory(api)
    with streaming(api) as reading, streaming(api) as _waiting:
        received = 0
        while received < GIGABYTE:
            received += len(reading.recv(1_048_576))
            assert received
        assert api.get("/v1/search", query="chisel").status_code == 200
    assert peak_memory(api) - before < 100 * CHUNK_BYTES


def test_a_stop_does_not_wait_for_a_file(folder_index: Ingest, media_dir: Path) -> None:
    own = {"MEDIA_DIR": str(media_dir), "DRAIN_SECONDS": "0"}
    with running_api(folder_index.index_dir, folder_index.model_dir, **own) as api, streaming(api):
        started = time.monotonic()
        assert api.stop() == 0
        # uvicorn would log that it cancelled a task, after GRACE_SECONDS.
        assert "ERROR" not in api.log.read_text().upper(), time.monotonic() - started
        assert "Cancel" not in api.log.read_text()


def test_with_keys_the_address_contains_a_ticket(
    folder_index: Ingest, media_dir: Path, tmp_path: Path
) -> None:
    key, stored = make_key("website", ["search"], datetime.now(UTC))
    write_keys(tmp_path / "keys.json", (stored,))
    own = {"MEDIA_DIR": str(media_dir), "KEYS_FILE": str(tmp_path / "keys.json")}
    with running_api(folder_index.index_dir, folder_index.model_dir, **own) as api:
        assert send(api, "/media/large.mp4", "HEAD")[0] == 401
        assert send(api, "/media/large.mp4", "HEAD", **{"X-API-Key": key})[0] == 200
        status, body = send(api, "/v1/search?query=chisel", **{"X-API-Key": key})
        (url,) = re.findall(rb'"url":"(http://[^"#]*)","channel"', body)
        parts = urlsplit(url.decode())
        target = f"{parts.path}?{parts.query}"
        assert (status, send(api, target)) == (200, (200, b"0123456789"))
        ticket = parts.query.removeprefix("ticket=")
        assert ticket not in api.log.read_text()
        # A revoked key takes its tickets with it.
        write_keys(tmp_path / "keys.json", ())
        deadline = time.monotonic() + PATIENCE
        while send(api, target)[0] != 401:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_missing_folder_is_reported(folder_index: Ingest, tmp_path: Path) -> None:
    own = {"MEDIA_DIR": str(tmp_path / "nothing"), "PORT": "8099"}
    finished = run_module(
        "api", INDEX_DIR=str(folder_index.index_dir), MODEL_DIR=str(folder_index.model_dir), **own
    )
    assert finished.returncode == 2
    assert finished.stderr.startswith("MEDIA_DIR is ")
    assert len(finished.stderr.splitlines()) == 1


def test_a_wrong_path_in_a_catalogue_is_a_warning(model_dir: Path, tmp_path: Path) -> None:
    rows = [{"video_id": "a", "title": "A chisel", "media": "../a.mp4"}]
    ingest = Ingest(tmp_path / "index", model_dir.resolve())
    output = ingest.done("sync", write_jsonl(tmp_path / "talks.jsonl", rows))
    assert "field media: '../a.mp4' is not a path of a media file" in " ".join(output.split())
