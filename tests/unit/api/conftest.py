import re
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.app import create_app
from api.settings import ApiSettings
from retrieval.search.searcher import Searcher
from retrieval.settings import SearchSettings
from tests.unit.api.fakes import EchoSearcher, opens

Serve = Callable[[Searcher], TestClient[Litestar]]


class DocumentedClient(TestClient[Litestar]):
    """Asserts of every answer of a documented operation that OpenAPI declares it exactly as sent."""

    def __init__(self, app: Litestar, paths: dict[str, Any]) -> None:
        super().__init__(app)
        self._paths = paths

    def request(self, method: str, url: Any, **options: Any) -> httpx.Response:  # type: ignore[override]
        response = super().request(method, url, **options)
        path = response.request.url.raw_path.decode().partition("?")[0].rstrip("/") or "/"
        operation = self._operation(method, path)
        if operation is not None:
            declared = operation["responses"]
            assert str(response.status_code) in declared, f"{method} {path} sent {response.status_code}"
            media_types = declared[str(response.status_code)]["content"]
            sent = response.headers["content-type"]
            assert media_types.keys() & {sent, sent.removesuffix("; charset=utf-8")}
        return response

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        # Longest template first: /v1/videos/{video_id} matches what its longer siblings do.
        for template in sorted(self._paths, key=len, reverse=True):
            if re.fullmatch(re.sub(r"\{\w+\}", ".+", template), path):
                return self._paths[template].get(method.lower())
        return None


@pytest.fixture(scope="session")
def serve_any() -> Callable[[Searcher], TestClient[Litestar]]:
    # One app for all tests, which take turns: building it is most of what a test would cost.
    turn: list[Searcher] = []

    def open_search(settings: ApiSettings) -> AbstractAsyncContextManager[Searcher]:
        return opens(turn.pop())(settings)

    app = create_app(ApiSettings(search=SearchSettings()), open_search=open_search)
    paths = app.openapi_schema.to_schema()["paths"]

    def start(searcher: Searcher) -> TestClient[Litestar]:
        turn.append(searcher)
        return DocumentedClient(app, paths)

    return start


@pytest.fixture
def serve(serve_any: Serve) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(searcher: Searcher) -> TestClient[Litestar]:
            stack.close()
            return stack.enter_context(serve_any(searcher))

        yield start


@pytest.fixture
def searcher() -> EchoSearcher:
    return EchoSearcher()


@pytest.fixture
def client(serve: Serve, searcher: EchoSearcher) -> TestClient[Litestar]:
    return serve(searcher)
