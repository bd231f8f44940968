import asyncio
from typing import Any

import pytest

from api.pages.problem_page import render_problem
from api.server.admission import Admission, admit_searches
from api.wire.paths import normalize_paths
from api.wire.problem_responses import ProblemResponder
from retrieval.errors import OverloadedError
from tests.support.clock import Clock
from tests.unit.api.guarded import ROUTES


def acquired(admission: Admission, tries: int) -> int:
    """Acquire permits one by one until the first refusal, and return their number."""
    for count in range(tries):
        try:
            admission.acquire(1)
        except OverloadedError:
            return count
    return tries


def test_a_burst_is_admitted_up_to_its_limit(clock: Clock) -> None:
    assert acquired(Admission(8, clock=clock), 100) == 64


def test_a_backlog_that_lasts_is_reduced_to_the_capacity(clock: Clock) -> None:
    admission = Admission(8, clock=clock)
    assert acquired(admission, 20) == 20
    clock.now += 0.3
    for _ in range(13):
        with pytest.raises(OverloadedError):
            admission.acquire(1)
        admission.release(1)
    assert acquired(admission, 100) == 1


def test_twice_the_capacity_in_flight_is_no_backlog(clock: Clock) -> None:
    admission = Admission(8, clock=clock)
    acquired(admission, 16)
    for _ in range(100):
        clock.now += 0.1
        admission.release(1)
        admission.acquire(1)


def test_a_burst_is_admitted_again_after_a_second_without_refusals(clock: Clock) -> None:
    admission = Admission(8, clock=clock)
    acquired(admission, 17)
    clock.now += 0.3
    assert acquired(admission, 1) == 0
    admission.release(17)
    assert acquired(admission, 100) == 8
    admission.release(8)
    clock.now += 1.1
    assert acquired(admission, 100) == 64


def test_a_request_larger_than_the_limit_is_admitted_alone(clock: Clock) -> None:
    admission = Admission(2, clock=clock)
    acquired(admission, 5)
    clock.now += 0.3
    with pytest.raises(OverloadedError):
        admission.acquire(4)
    admission.release(5)
    admission.acquire(4)


def test_a_check_takes_no_permit(clock: Clock) -> None:
    admission = Admission(1, clock=clock)
    for _ in range(100):
        admission.check(8)
    assert acquired(admission, 100) == 8
    with pytest.raises(OverloadedError):
        admission.check(1)


def admitted(app: Any, admission: Admission) -> Any:
    problems = ProblemResponder(render_problem)
    return normalize_paths(admit_searches(app, admission, asyncio.Event(), problems), ROUTES)


class Service:
    """An app that responds once it may, behind admission."""

    def __init__(self, capacity: int) -> None:
        self.may_answer = asyncio.Event()
        self.is_read = asyncio.Event()
        self.is_read.set()
        self.admission = Admission(capacity)
        self._app = admitted(self._respond, self.admission)

    async def _respond(self, scope: Any, receive: Any, send: Any) -> None:
        while scope["method"] == "POST" and (await receive())["more_body"]:
            pass
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask(
        self, path: str, *, method: str = "GET", body: asyncio.Event | None = None
    ) -> dict[str, Any]:
        """Send a request whose body arrives once `body` is set, at once if it is None."""
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if body and not body.is_set():
                await body.wait()
                return {"type": "http.request", "more_body": True}
            return {"type": "http.request", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            await self.is_read.wait()
            sent.append(message)

        scope: Any = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
        await self._app(scope, receive, send)  # type: ignore[arg-type]
        return {**sent[0], "headers": dict(sent[0]["headers"])}


async def ask(path: str, *, method: str, among: int) -> dict[str, Any]:
    """Send a request while `among` searches are in flight. A burst of 80 is admitted."""
    service = Service(10)
    others = [asyncio.create_task(service.ask("/v1/search")) for _ in range(among)]
    await asyncio.sleep(0)
    last = asyncio.create_task(service.ask(path, method=method))
    await asyncio.sleep(0)
    service.may_answer.set()
    await asyncio.gather(*others)
    return await last


@pytest.mark.parametrize(
    ("path", "method", "among", "status"),
    [
        ("/v1/search", "GET", 79, 200),
        ("/v1/search", "GET", 80, 503),
        ("/v1/search", "OPTIONS", 80, 200),
        ("/search", "GET", 80, 503),
        ("/v1/videos/a/similar", "GET", 80, 503),
        ("/v1/search/batch", "POST", 76, 200),
        ("/v1/search/batch", "POST", 77, 503),
        ("/livez", "GET", 80, 200),
        ("/health", "GET", 80, 200),
        ("/metrics", "GET", 80, 200),
        ("/schema", "GET", 80, 200),
        ("/app", "GET", 80, 200),
        ("/app/search", "GET", 79, 200),
        ("/app/search", "GET", 80, 503),
        ("/app/videos/a", "GET", 80, 503),
        ("/app/assets/page.css", "GET", 80, 200),
    ],
)
def test_searches_need_permits_and_health_needs_none(path: str, method: str, among: int, status: int) -> None:
    answer = asyncio.run(ask(path, method=method, among=among))
    assert answer["status"] == status
    if status == 503:
        is_page = path.startswith("/app")
        media_type = b"text/html; charset=utf-8" if is_page else b"application/problem+json"
        assert answer["headers"][b"content-type"] == media_type
        assert answer["headers"][b"retry-after"] == b"1"


def test_a_client_that_does_not_read_its_response_holds_no_permit() -> None:
    async def scenario() -> None:
        service = Service(1)
        service.is_read.clear()
        service.may_answer.set()
        slow = [asyncio.create_task(service.ask("/search")) for _ in range(8)]
        await asyncio.sleep(0)
        service.admission.acquire(8)
        service.is_read.set()
        await asyncio.gather(*slow)
        # They released their permits once, and not again at their end.
        assert acquired(service.admission, 1) == 0

    asyncio.run(scenario())


def test_a_client_that_sends_its_body_slowly_holds_no_permit() -> None:
    async def scenario() -> None:
        service = Service(1)
        arrived = asyncio.Event()
        batches = [
            asyncio.create_task(service.ask("/v1/search/batch", method="POST", body=arrived))
            for _ in range(9)
        ]
        await asyncio.sleep(0)
        service.admission.acquire(8)
        service.admission.release(8)
        arrived.set()
        # Each acquires its permits at the end of its body, and the third one finds none.
        answers = asyncio.gather(*batches, return_exceptions=True)
        await asyncio.sleep(0.01)
        service.may_answer.set()
        assert [type(answer) for answer in await answers] == [dict, dict, *[OverloadedError] * 7]

    asyncio.run(scenario())


def test_a_search_that_fails_releases_its_permit() -> None:
    async def fail(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        admission = Admission(1)
        app = admitted(fail, admission)
        scope: Any = {"type": "http", "method": "GET", "path": "/search", "root_path": "", "headers": []}
        with pytest.raises(ZeroDivisionError):
            await app(scope, None, None)  # type: ignore[arg-type]
        assert acquired(admission, 100) == 8

    asyncio.run(scenario())
