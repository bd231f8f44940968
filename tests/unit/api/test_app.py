import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.settings import ApiSettings
from retrieval.errors import ModelUnavailableError
from retrieval.search.searcher import Searcher
from retrieval.settings import SearchSettings
from tests.unit.api.fakes import EchoSearcher

SETTINGS = ApiSettings(search=SearchSettings())


def test_opens_at_the_start_and_closes_at_the_end() -> None:
    events: list[object] = []

    @asynccontextmanager
    async def open_search(settings: ApiSettings) -> AsyncIterator[Searcher]:
        events.append(settings)
        yield EchoSearcher()
        events.append("closed")

    app = create_app(SETTINGS, open_search=open_search)
    assert events == []
    for _ in range(2):
        with TestClient(app) as client:
            assert client.get("/search?query=x").status_code == 200
            assert events == [SETTINGS]
        assert events == [SETTINGS, "closed"]
        events.clear()


def test_does_not_start_if_the_index_cannot_be_opened() -> None:
    @asynccontextmanager
    async def open_search(_: ApiSettings) -> AsyncIterator[Searcher]:
        raise ModelUnavailableError("no model")
        yield EchoSearcher()

    app = create_app(SETTINGS, open_search=open_search)
    with pytest.RaisesGroup(ModelUnavailableError, flatten_subgroups=True, allow_unwrapped=True):
        TestClient(app).__enter__()


def test_importing_the_app_loads_no_optional_packages() -> None:
    unwanted = {"torch", "polars", "sentence_transformers", "opentelemetry"}
    script = f"import sys, api.app; print({unwanted} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout == "set()\n"
