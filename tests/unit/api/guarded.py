"""Builds the service with keys, limits or allowed hosts, for the tests of access."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

from api.access.settings import AccessSettings
from api.app import create_app
from api.settings import ApiSettings
from retrieval.settings import SearchSettings
from tests.unit.api.fakes import EchoSearcher, opens


@contextmanager
def guarded(**access: Any) -> Iterator[TestClient[Litestar]]:
    settings = ApiSettings(search=SearchSettings(), access=AccessSettings(**access))
    with TestClient(create_app(settings, open_search=opens(EchoSearcher()))) as client:
        yield client
