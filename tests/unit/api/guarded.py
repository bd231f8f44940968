"""Builds the service with settings, keys, limits or allowed hosts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

from api.access.settings import AccessSettings
from api.app import create_app
from api.settings import ApiSettings
from api.wire.route_table import RouteTable
from retrieval.settings import SearchSettings
from tests.unit.api.fakes import EchoSearcher, opens

APP = create_app(ApiSettings(search=SearchSettings()))
ROUTES = RouteTable.of(APP)


def service(searcher: EchoSearcher | None = None, **settings: Any) -> TestClient[Litestar]:
    """Return a service of its own."""
    found = ApiSettings(search=SearchSettings(), **settings)
    return TestClient(create_app(found, open_search=opens(searcher or EchoSearcher())))


@contextmanager
def guarded(**access: Any) -> Iterator[TestClient[Litestar]]:
    with service(access=AccessSettings(**access)) as client:
        yield client
