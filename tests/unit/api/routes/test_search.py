import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.routes import search
from api.routes.search import BATCH_CONCURRENCY
from api.wire.schemas import BatchAnswer, SearchAnswer
from retrieval.errors import OverloadedError
from retrieval.index.reading import NO_FILTER, SearchFilter
from retrieval.search.results import SearchRequest, SearchResult
from tests.unit.api.conftest import Serve
from tests.unit.api.fakes import VERSION, EchoSearcher, EmptySearcher, PinnedSearcher

DAY = datetime(2024, 5, 31, tzinfo=UTC)


def test_a_response_has_every_key(client: TestClient[Litestar]) -> None:
    response = client.get("/v1/search?query=attention&limit=1&moments=1")
    answer = response.json()
    assert answer.pop("took_ms") >= 0
    assert answer == {
        "query": "attention",
        "mode": "hybrid",
        "index_version": VERSION,
        "degraded": None,
        "videos": [
            {
                "video_id": "tLf2bGhmWsI",
                "title": "attention",
                "url": "https://youtu.be/tLf2bGhmWsI",
                "channel": "A channel",
                "published_at": "2024-05-31T12:00:00Z",
                "thumbnail_url": None,
                "distance": 27.1235,
                "moments": [
                    {
                        "start": 12.9,
                        "end": 45.5,
                        "text": "said 0",
                        "url": "https://youtu.be/tLf2bGhmWsI?t=12",
                        "distance": 27.1235,
                    }
                ],
            }
        ],
    }


def test_the_defaults(client: TestClient[Litestar], searcher: EchoSearcher) -> None:
    assert len(client.get("/v1/search?query=x").json()["videos"]) == 10
    assert searcher.requests == [
        SearchRequest(
            text="x", limit=10, offset=0, moments=3, mode="hybrid", max_distance=None, where=NO_FILTER
        )
    ]


def test_passes_every_parameter_on(client: TestClient[Litestar], searcher: EchoSearcher) -> None:
    response = client.get(
        "/v1/search",
        params={
            "query": "  café  ",
            "limit": 2,
            "offset": 198,
            "moments": 0,
            "mode": "lexical",
            "max_distance": 38.5,
            "published_after": "2024-05-31",
            "published_before": "2024-06-01T02:00:00+02:00",
            "channel": "A channel",
            "language": "en",
        },
    )
    assert response.status_code == 200
    assert searcher.requests == [
        SearchRequest(
            text="café",
            limit=2,
            offset=198,
            moments=0,
            mode="lexical",
            max_distance=38.5,
            where=SearchFilter(
                published_after=DAY,
                published_before=DAY + timedelta(days=1),
                channel="A channel",
                language="en",
            ),
        )
    ]


def test_no_result_is_a_valid_response(serve: Serve) -> None:
    answer = msgspec.json.decode(serve(EmptySearcher()).get("/v1/search?query=x").content, type=SearchAnswer)
    assert answer.videos == []


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("limit", "0"),
        ("limit", "51"),
        ("limit", "ten"),
        ("limit", ""),
        ("limit", "1.5"),
        ("limit", "99999999999999999999999"),
        ("offset", "-1"),
        ("offset", "191"),
        ("moments", "-1"),
        ("moments", "21"),
        ("mode", "fuzzy"),
        ("mode", ""),
        ("max_distance", "0"),
        ("max_distance", "-1"),
        ("max_distance", "nan"),
        ("max_distance", "inf"),
        ("max_distance", "1e999"),
        ("max_distance", "near"),
        ("published_after", "yesterday"),
        ("published_after", ""),
        ("published_before", "2024-13-01"),
        ("published_before", "0001-01-01T00:00:00%2B14:00"),
        ("channel", ""),
        ("channel", "%20"),
        ("language", "%20"),
        ("language", "e%00n"),
        ("query", "half%00"),
    ],
)
def test_an_invalid_parameter_is_named(
    client: TestClient[Litestar], searcher: EchoSearcher, parameter: str, value: str
) -> None:
    query = "" if parameter == "query" else "query=x&"
    response = client.get(f"/v1/search?{query}{parameter}={value}")
    problem = response.json()
    assert (response.status_code, problem["code"]) == (400, "invalid-parameter")
    assert problem["detail"].startswith(f"{parameter}: ")
    assert searcher.requests == []


def test_an_empty_time_span_is_refused(client: TestClient[Litestar]) -> None:
    response = client.get("/v1/search?query=x&published_after=2024-06-01&published_before=2024-06-01")
    assert response.json()["detail"].startswith("published_after: ")


def test_a_naive_time_is_utc(client: TestClient[Litestar], searcher: EchoSearcher) -> None:
    client.get("/v1/search?query=x&published_after=2024-05-31T00:00:00")
    client.get("/v1/search?query=x&published_after=2024-05-30T23:00:00-01:00")
    assert [request.where.published_after for request in searcher.requests] == [DAY, DAY]
    assert searcher.requests[1].where.published_after.tzinfo is UTC  # type: ignore[union-attr]


def test_the_longest_query_is_accepted(client: TestClient[Litestar]) -> None:
    assert client.get("/v1/search", params={"query": f" {'x' * 2000} "}).status_code == 200


def test_a_batch_answers_in_order(client: TestClient[Litestar], searcher: EchoSearcher) -> None:
    searches: list[dict[str, Any]] = [{"query": f"q{n}", "limit": 1, "moments": n % 3} for n in range(32)]
    response = client.post("/v1/search/batch", json={"requests": searches})
    answers = msgspec.json.decode(response.content, type=BatchAnswer).results
    assert [answer.query for answer in answers] == [f"q{n}" for n in range(32)]
    assert [len(answer.videos[0].moments) for answer in answers] == [n % 3 for n in range(32)]
    assert len(searcher.requests) == 32


def test_a_batch_takes_one_lease(serve: Serve) -> None:
    searcher = PinnedSearcher()
    response = serve(searcher).post("/v1/search/batch", json={"requests": [{"query": c} for c in "abc"]})
    assert (response.status_code, searcher.leases) == (200, 1)


def test_a_batch_has_the_parameters_of_a_search(client: TestClient[Litestar], searcher: EchoSearcher) -> None:
    fields = {
        "limit": 2,
        "offset": 1,
        "moments": 1,
        "mode": "semantic",
        "max_distance": 30,
        "published_after": "2024-05-31",
        "published_before": None,
        "channel": "c",
        "language": "en",
    }
    client.post("/v1/search/batch", json={"requests": [{"query": "x", **fields}]})
    client.get("/v1/search", params={"query": "x", **{k: v for k, v in fields.items() if v is not None}})
    assert searcher.requests[0] == searcher.requests[1]


@pytest.mark.parametrize(
    ("body", "code", "place"),
    [
        ({"requests": []}, "invalid-parameter", "requests: "),
        ({"requests": [{"query": "x"}] * 33}, "invalid-parameter", "requests: "),
        ({}, "invalid-parameter", "body: "),
        ([], "invalid-parameter", "body: "),
        ({"requests": [{"query": "x"}], "limit": 1}, "invalid-parameter", "body: "),
        ({"requests": [{"query": "x", "limits": 1}]}, "invalid-parameter", "requests[0]: "),
        ({"requests": [{"query": "x"}, {"limit": 1}]}, "invalid-parameter", "requests[1]: "),
        (
            {"requests": [{"query": "x"}, {"query": "x", "limit": 51}]},
            "invalid-parameter",
            "requests[1].limit: ",
        ),
        ({"requests": [{"query": "x", "limit": "5"}]}, "invalid-parameter", "requests[0].limit: "),
        ({"requests": [{"query": "x", "mode": "fuzzy"}]}, "invalid-parameter", "requests[0].mode: "),
        ({"requests": [{"query": "x", "offset": 195}]}, "invalid-parameter", "requests[0].offset: "),
        ({"requests": [{"query": "x", "channel": " "}]}, "invalid-parameter", "requests[0].channel: "),
        ({"requests": [{"query": "a\x00b"}]}, "invalid-parameter", "requests[0].query: "),
        ({"requests": [{"query": " "}]}, "empty-query", "requests[0].query: "),
        ({"requests": [{"query": "x" * 2001}]}, "query-too-long", "requests[0].query: "),
    ],
)
def test_a_batch_names_the_position_of_an_invalid_parameter(
    client: TestClient[Litestar], searcher: EchoSearcher, body: object, code: str, place: str
) -> None:
    response = client.post("/v1/search/batch", json=body)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (400, code)
    assert problem["detail"].startswith(place)
    assert searcher.requests == []


def test_a_batch_has_no_query_parameters(client: TestClient[Litestar]) -> None:
    response = client.post("/v1/search/batch?limit=1", json={"requests": [{"query": "x"}]})
    assert response.json()["code"] == "unknown-parameter"


def test_the_largest_batch_fits(client: TestClient[Litestar]) -> None:
    # Escaped as JSON does by default, each of these characters is twelve.
    body = {"requests": [{"query": "\U0001f3ac" * 2000, "limit": 1}] * 32}
    assert client.post("/v1/search/batch", json=body).status_code == 200


def test_one_failure_fails_the_batch(serve: Serve) -> None:
    class Full(EchoSearcher):
        async def search(self, request: SearchRequest) -> SearchResult:
            if request.text == "b":
                raise OverloadedError("full")
            return await super().search(request)

    response = serve(Full()).post("/v1/search/batch", json={"requests": [{"query": c} for c in "abc"]})
    assert (response.status_code, response.json()["code"]) == (503, "overloaded")


def test_a_batch_that_takes_too_long_is_cancelled_with_all_its_searches(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stuck(EchoSearcher):
        given_up = 0

        async def search(self, request: SearchRequest) -> SearchResult:
            try:
                await asyncio.sleep(60)
            finally:
                self.given_up += 1
            raise AssertionError(request)

    monkeypatch.setattr(search, "BATCH_SECONDS", 0.05)
    stuck = Stuck()
    response = serve(stuck).post("/v1/search/batch", json={"requests": [{"query": "x"}] * 32})
    assert (response.status_code, response.json()["code"]) == (503, "overloaded")
    assert stuck.given_up == BATCH_CONCURRENCY


def test_a_batch_runs_few_searches_concurrently(serve: Serve) -> None:
    class Counting(EchoSearcher):
        running = 0
        most = 0

        async def search(self, request: SearchRequest) -> SearchResult:
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(0.001)
            self.running -= 1
            return await super().search(request)

    counting = Counting()
    serve(counting).post("/v1/search/batch", json={"requests": [{"query": "x"}] * 32})
    assert counting.most == BATCH_CONCURRENCY
