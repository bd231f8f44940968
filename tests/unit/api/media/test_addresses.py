from typing import Any, cast

import msgspec
import pytest

from api.media.addresses import VideoAddresses, find_addresses
from api.media.files import MediaFiles
from retrieval.catalogue.video import VideoRecord
from tests.unit.api.fakes import EchoSearcher, record


def with_media(**fields: Any) -> VideoRecord:
    return msgspec.structs.replace(record(), media="talk.mp4", **fields)


def test_the_address_in_the_catalogue_comes_first() -> None:
    addresses = VideoAddresses("http://service")
    assert addresses(with_media(url="https://site.example/talk")) == "https://site.example/talk"
    assert addresses(with_media()) == "http://service/media/talk.mp4"
    assert addresses(record()) == "https://youtu.be/tLf2bGhmWsI"


def test_without_files_the_address_is_that_of_youtube() -> None:
    assert VideoAddresses(None)(with_media()) == "https://youtu.be/tLf2bGhmWsI"
    assert VideoAddresses(None)(with_media(video_id="talk")) is None


@pytest.mark.parametrize(
    ("scope", "root"),
    [
        ({"scheme": "https", "headers": [(b"host", b"videos.example.org")]}, "https://videos.example.org"),
        (
            {"scheme": "http", "headers": [(b"host", b"[::1]:80")], "root_path": "/video search/"},
            "http://[::1]:80/video%20search",
        ),
        ({"scheme": "http", "headers": [(b"host", b'"')], "server": ("::1", 80)}, "http://[::1]:80"),
        ({"scheme": "http", "headers": [], "server": ("10.0.0.7", 8080)}, "http://10.0.0.7:8080"),
        ({"scheme": "http", "headers": []}, "http://localhost"),
    ],
)
@pytest.mark.anyio
async def test_the_address_is_built_from_the_request(scope: dict[str, Any], root: str, tmp_path: Any) -> None:
    addresses = await find_addresses(cast("Any", scope), MediaFiles(tmp_path), EchoSearcher())
    assert addresses(with_media()) == f"{root}/media/talk.mp4"
