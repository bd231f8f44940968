"""The addresses of videos: their own, or the address of their file in this service."""

import re
from time import time
from urllib.parse import quote

import msgspec
from litestar.di import NamedDependency
from litestar.types import Scope

from api.access.guard import sent_host
from api.access.keys import StoredKey
from api.access.tickets import make_ticket
from api.media.files import MediaFiles
from api.observability.health import manifest_if_any
from retrieval.catalogue.links import watch_url
from retrieval.catalogue.video import VideoRecord
from retrieval.search.searcher import Searcher

MEDIA_PATH = "/media/"

_HOST = re.compile(r"[A-Za-z0-9._-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")


class VideoAddresses(msgspec.Struct, frozen=True):
    """Makes the addresses in the response to one request.

    `root` is the address of the service as the client wrote it, None if no files are served. `key` is the key
    of the request. The address of a file then contains a ticket, because players cannot send a key.
    """

    root: str | None
    key: StoredKey | None = None

    def __call__(self, record: VideoRecord) -> str | None:
        """Return the address of a video, or None if it is unknown."""
        if record.url is None and record.media is not None and self.root is not None:
            path = MEDIA_PATH + record.media
            ticket = f"?ticket={make_ticket(self.key, path, time())}" if self.key else ""
            return f"{self.root}{quote(path)}{ticket}"
        return watch_url(record.video_id, record.url)


Addresses = NamedDependency[VideoAddresses]


async def find_addresses(scope: Scope, files: MediaFiles, searcher: Searcher) -> VideoAddresses:
    """Determine the addresses for one request, whose key was checked."""
    serves = files.folder is not None or await is_sample(searcher)
    return VideoAddresses(_root(scope) if serves else None, scope.get("auth"))


async def is_sample(searcher: Searcher) -> bool:
    """Whether the live index is the sample catalogue."""
    manifest = await manifest_if_any(searcher)
    return manifest is not None and manifest.is_sample


def _root(scope: Scope) -> str:
    sent = sent_host(scope)
    host = sent if _HOST.fullmatch(sent) else _server(scope)
    return f"{scope['scheme']}://{host}{quote(scope.get('root_path', '').rstrip('/'))}"


def _server(scope: Scope) -> str:
    """Return the address of the connection, for the rare client that sends no usable name."""
    host, port = scope.get("server") or ("localhost", None)
    return f"{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"
