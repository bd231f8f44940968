"""The requests for media files that are answered and refused, as a table."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.access.keys import make_key
from api.access.settings import AccessSettings
from api.access.tickets import HOUR, make_ticket
from api.app import create_app
from api.media import files
from api.media.files import SAMPLE_CLIP, MediaFiles
from api.settings import ApiSettings
from retrieval.catalogue.manifest import Manifest
from retrieval.declared_setting import SettingsError
from retrieval.search.results import FoundVideo, SearchRequest, SearchResult
from retrieval.settings import SearchSettings
from tests.unit.api.fakes import MANIFEST, VERSION, EchoSearcher, opens

DEEP = "deep/er/a b \u00e9.webm"
CONTENT = bytes(range(256)) * 4


class FileSearcher(EchoSearcher):
    """Finds one video with a file."""

    def __init__(self, *, is_sample: bool, media: str) -> None:
        super().__init__()
        self._is_sample = is_sample
        self._media = media

    async def manifest(self) -> Manifest:
        return msgspec.structs.replace(MANIFEST, is_sample=self._is_sample)

    async def search(self, request: SearchRequest) -> SearchResult:
        found = await super().search(request)
        videos = [msgspec.structs.replace(video.record, media=self._media) for video in found.videos]
        return SearchResult(VERSION, tuple(FoundVideo(each, 1.0, ()) for each in videos))


@contextmanager
def serving(
    folder: Path | None, *, is_sample: bool = False, media: str = "talk.mp4", **access: Any
) -> Iterator[TestClient[Litestar]]:
    settings = ApiSettings(search=SearchSettings(), media_dir=folder, access=AccessSettings(**access))
    searcher = FileSearcher(is_sample=is_sample, media=media)
    with TestClient(create_app(settings, open_search=opens(searcher))) as client:
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.mp4").write_bytes(b"secret")
    (outside / "sub").mkdir()
    (outside / "sub" / "secret.mp4").write_bytes(b"secret")
    media = outside / "media"
    (media / "deep" / "er").mkdir(parents=True)
    for name in (
        "talk.mp4",
        "TALK.MP3",
        "deep/er/a b \u00e9.webm",
        "notes.txt",
        "page.html",
        ".hidden.mp4",
    ):
        (media / name).write_bytes(CONTENT)
    (media / "empty.mp4").touch()
    (media / "folder.mp4").mkdir()
    os.mkfifo(media / "pipe.mp4")
    (media / "inside.mp4").symlink_to(DEEP)
    (media / "out.mp4").symlink_to(outside / "secret.mp4")
    (media / "up.mp4").symlink_to("../secret.mp4")
    (media / "sub").symlink_to(outside / "sub")
    (media / "round.mp4").symlink_to("round.mp4")
    (media / "lost.mp4").symlink_to("nothing.mp4")
    (media / "text.mp4").symlink_to("notes.txt")
    return media


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient[Litestar]]:
    with serving(folder) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "headers", "status", "body", "content_range"),
    [
        ("GET", {}, 200, CONTENT, None),
        ("GET", {"Range": "bytes=0-"}, 206, CONTENT, "bytes 0-1023/1024"),
        ("GET", {"Range": "bytes=10-19"}, 206, CONTENT[10:20], "bytes 10-19/1024"),
        ("GET", {"Range": "bytes=-24"}, 206, CONTENT[1000:], "bytes 1000-1023/1024"),
        ("GET", {"Range": "bytes=1000-9999"}, 206, CONTENT[1000:], "bytes 1000-1023/1024"),
        ("GET", {"Range": "bytes=0-1,5-6"}, 200, CONTENT, None),
        ("GET", {"Range": "lines=1-2"}, 200, CONTENT, None),
        ("GET", {"Range": "bytes=1024-"}, 416, None, "bytes */1024"),
        ("GET", {"Range": "bytes=0-1", "If-Range": '"other"'}, 200, CONTENT, None),
        ("HEAD", {}, 200, b"", None),
        ("HEAD", {"Range": "bytes=10-19"}, 200, b"", None),
        ("HEAD", {"Range": "bytes=1024-"}, 200, b"", None),
        ("GET", {"If-None-Match": "*"}, 304, b"", None),
        ("HEAD", {"If-None-Match": "*"}, 304, b"", None),
    ],
)
def test_ranges_and_conditions(
    client: TestClient[Litestar],
    method: str,
    headers: dict[str, str],
    status: int,
    body: bytes | None,
    content_range: str | None,
) -> None:
    response = client.request(method, "/media/talk.mp4", headers=headers)
    assert response.status_code == status
    assert body is None or response.content == body
    assert response.headers.get("content-range") == content_range
    if status in {200, 206}:
        assert response.headers["content-length"] == str(len(body or CONTENT))
        assert response.headers["content-type"] == "video/mp4"
        assert response.headers["accept-ranges"] == "bytes"
    if status != 416:
        assert response.headers["etag"].startswith('"')
        assert response.headers["last-modified"].endswith(" GMT")
        assert response.headers["cache-control"] == "public, max-age=3600"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_validators_of_a_response_are_recognised(client: TestClient[Litestar]) -> None:
    first = client.get("/media/talk.mp4").headers
    for condition in ({"If-None-Match": first["etag"]}, {"If-Modified-Since": first["last-modified"]}):
        assert client.get("/media/talk.mp4", headers=condition).status_code == 304
    for version in (first["etag"], first["last-modified"]):
        headers = {"Range": "bytes=0-1", "If-Range": version}
        assert client.get("/media/talk.mp4", headers=headers).status_code == 206


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("talk.mp4", "video/mp4"),
        ("TALK.MP3", "audio/mpeg"),
        ("deep/er/a%20b%20%C3%A9.webm", "video/webm"),
        ("inside.mp4", "video/mp4"),
        (".hidden.mp4", "video/mp4"),
    ],
)
def test_the_files_that_are_served(client: TestClient[Litestar], path: str, media_type: str) -> None:
    response = client.get(f"/media/{path}")
    assert (response.status_code, response.content) == (200, CONTENT)
    assert response.headers["content-type"] == media_type


@pytest.mark.parametrize(
    "path",
    [
        "nothing.mp4",
        "",
        ".",
        "deep",
        "deep/",
        "deep/er",
        "folder.mp4",
        "pipe.mp4",
        "notes.txt",
        "page.html",
        "text.mp4",
        "out.mp4",
        "up.mp4",
        "sub/secret.mp4",
        "round.mp4",
        "lost.mp4",
        "%2E%2E/secret.mp4",
        "%2e%2e%2fsecret.mp4",
        "deep/%2E%2E/%2E%2E/secret.mp4",
        "deep/%2E%2E/talk.mp4",
        "%2E/talk.mp4",
        "%2Fetc/passwd",
        "..%5Csecret.mp4",
        "talk.mp4%00",
        "talk.mp4%00.mp4",
        "%FF.mp4",
        "talk.mp4/x.mp4",
        "x" * 300 + ".mp4",
        "x/" * 600 + "x.mp4",
        SAMPLE_CLIP,
    ],
)
def test_every_other_path_is_not_found(client: TestClient[Litestar], path: str) -> None:
    response = client.get(f"/media/{path}")
    assert response.status_code == 404
    assert b"secret" not in response.content
    assert response.headers["content-type"] == "application/problem+json"


def test_an_empty_file(client: TestClient[Litestar]) -> None:
    assert client.get("/media/empty.mp4").content == b""
    assert client.get("/media/empty.mp4", headers={"Range": "bytes=0-"}).status_code == 416


def test_an_unknown_parameter_is_refused(client: TestClient[Litestar]) -> None:
    assert client.get("/media/talk.mp4?t=1").json()["code"] == "unknown-parameter"


def test_a_folder_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    async def start() -> None:
        async with MediaFiles(tmp_path / "nothing").available():
            pass

    with pytest.raises(SettingsError, match=r"nothing', but there is no such folder"):
        asyncio.run(start())


def test_without_a_folder_there_is_no_file() -> None:
    with serving(None) as client:
        assert client.get("/media/talk.mp4").status_code == 404
        assert client.get("/v1/search?query=x").json()["videos"][0]["url"] == "https://youtu.be/tLf2bGhmWsI"


def test_the_clip_belongs_to_the_sample_catalogue(folder: Path) -> None:
    clip = (Path(files.__file__).parent / SAMPLE_CLIP).read_bytes()
    assert len(clip) <= 300_000
    for media_dir in (None, folder):
        with serving(media_dir, is_sample=True, media=SAMPLE_CLIP) as client:
            url = client.get("/v1/search?query=x").json()["videos"][0]["url"]
            assert url == f"http://testserver.local/media/{SAMPLE_CLIP}"
            assert client.get(url).content == clip
            # The other files of the package are not served.
            assert client.get("/media/files.py").status_code == 404
    for media_dir in (None, folder):
        with serving(media_dir) as client:
            assert client.get(f"/media/{SAMPLE_CLIP}").status_code == 404


def test_an_address_has_the_host_that_the_client_uses(folder: Path) -> None:
    with serving(folder, media="a b/\u00e9?#.mp4") as client:
        headers = {"Host": "videos.example.org:8443"}
        url = client.get("/v1/search?query=x", headers=headers).json()["videos"][0]["url"]
        assert url == "http://videos.example.org:8443/media/a%20b/%C3%A9%3F%23.mp4"
        for host in ("[", "user@host", ""):
            url = client.get("/v1/search?query=x", headers={"Host": host}).json()["videos"][0]["url"]
            assert url.startswith("http://testserver.local"), host


def test_too_many_streams_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_STREAMS", 0)
    with serving(folder) as client:
        response = client.get("/media/talk.mp4")
        assert (response.status_code, response.json()["code"]) == (503, "media-busy")
        assert response.headers["retry-after"] == "1"


def test_with_keys_a_file_needs_a_key_or_a_ticket(folder: Path) -> None:
    key, stored = make_key("website", ["search"], datetime.now(UTC))
    other_key, other = make_key("prometheus", ["metrics"], datetime.now(UTC))
    with serving(folder, keys=(stored, other)) as client:
        path = "/media/talk.mp4"
        assert client.get(path).json()["code"] == "key-required"
        assert client.get(path, headers={"X-API-Key": "vs_wrong"}).json()["code"] == "key-invalid"
        assert client.get(path, headers={"X-API-Key": other_key}).json()["code"] == "scope-missing"
        response = client.get(path, headers={"X-API-Key": key})
        assert (response.content, response.headers["cache-control"]) == (CONTENT, "private, max-age=3600")
        url = client.get("/v1/search?query=x", headers={"X-API-Key": key}).json()["videos"][0]["url"]
        assert key not in url
        response = client.get(url, headers={"Range": "bytes=0-1"})
        assert (response.status_code, response.headers["cache-control"]) == (206, "private, max-age=3600")
        # The same address within the hour, and for no other file, route or scope.
        ticket = url.partition("?")[2]
        for refused in (
            f"/media/TALK.MP3?{ticket}",
            f"{path}?{ticket[:-1]}",
            f"{path}?ticket=x",
            f"{path}?ticket={make_ticket(stored, path, time() - 14 * HOUR)}",
            f"{path}?ticket={make_ticket(make_key('x', ['search'], None)[1], path, time())}",
        ):
            assert client.get(refused).json()["code"] == "ticket-invalid", refused
        assert client.get(f"{path}?ticket={make_ticket(other, path, time())}").status_code == 403
        assert client.get(f"/v1/search?query=x&{ticket}").status_code in {400, 401}
