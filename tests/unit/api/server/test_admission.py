import asyncio
from typing import Any

import pytest

from api.observability.readiness import Draining
from api.server.admission import Admission, admit_searches
from retrieval.errors import OverloadedError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def taken(admission: Admission, tries: int) -> int:
    """Take as many places as there are, one by one."""
    for count in range(tries):
        try:
            admission.take(1)
        except OverloadedError:
            return count
    return tries


def test_a_burst_is_let_in_up_to_its_limit(clock: Clock) -> None:
    assert taken(Admission(8, clock=clock), 100) == 64


def test_a_line_that_stays_is_cut_to_what_is_answered_at_a_time(clock: Clock) -> None:
    admission = Admission(8, clock=clock)
    assert taken(admission, 20) == 20
    clock.now += 0.3
    for _ in range(13):
        with pytest.raises(OverloadedError):
            admission.take(1)
        admission.give_back(1)
    assert taken(admission, 100) == 1


def test_as_many_again_as_are_answered_at_a_time_are_no_line(clock: Clock) -> None:
    admission = Admission(8, clock=clock)
    taken(admission, 16)
    for _ in range(100):
        clock.now += 0.1
        admission.give_back(1)
        admission.take(1)


def test_after_a_while_without_refusals_a_burst_is_let_in_again(clock: Clock) -> None:
    admission = Admission(8, clock=clock)
    taken(admission, 17)
    clock.now += 0.3
    assert taken(admission, 1) == 0
    admission.give_back(17)
    assert taken(admission, 100) == 8
    admission.give_back(8)
    clock.now += 1.1
    assert taken(admission, 100) == 64


def test_what_is_larger_than_the_room_is_let_in_alone(clock: Clock) -> None:
    admission = Admission(2, clock=clock)
    taken(admission, 5)
    clock.now += 0.3
    with pytest.raises(OverloadedError):
        admission.take(4)
    admission.give_back(5)
    admission.take(4)


def test_to_look_takes_nothing(clock: Clock) -> None:
    admission = Admission(1, clock=clock)
    for _ in range(100):
        admission.look(8)
    assert taken(admission, 100) == 8
    with pytest.raises(OverloadedError):
        admission.look(1)


class Asked:
    """An app that answers once it may, and what is sent by it and around it."""

    def __init__(self, places: int, draining: Draining | None = None) -> None:
        self.may_answer = asyncio.Event()
        self.is_read = asyncio.Event()
        self.is_read.set()
        self.admission = Admission(places)
        self._app = admit_searches(self._answer, self.admission, draining or Draining())

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        while scope["method"] == "POST" and (await receive())["more_body"]:
            pass
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask(
        self, path: str, *, method: str = "GET", body: asyncio.Event | None = None
    ) -> dict[str, Any]:
        """Ask with a body that has arrived once `body` is set, at once where there is none."""
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
    """Ask while so many searches are under way in a service where 80 may be for a moment."""
    asked = Asked(10)
    others = [asyncio.create_task(asked.ask("/v1/search")) for _ in range(among)]
    await asyncio.sleep(0)
    last = asyncio.create_task(asked.ask(path, method=method))
    await asyncio.sleep(0)
    asked.may_answer.set()
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
def test_searches_take_places_and_health_takes_none(path: str, method: str, among: int, status: int) -> None:
    answer = asyncio.run(ask(path, method=method, among=among))
    assert answer["status"] == status
    if status == 503:
        is_page = path.startswith("/app")
        media_type = b"text/html; charset=utf-8" if is_page else b"application/problem+json"
        assert answer["headers"][b"content-type"] == media_type
        assert answer["headers"][b"retry-after"] == b"1"


def test_who_does_not_read_the_answer_keeps_nobody_out() -> None:
    async def scenario() -> None:
        asked = Asked(1)
        asked.is_read.clear()
        asked.may_answer.set()
        slow = [asyncio.create_task(asked.ask("/search")) for _ in range(8)]
        await asyncio.sleep(0)
        asked.admission.take(8)
        asked.is_read.set()
        await asyncio.gather(*slow)
        # They gave back once, and not again when they ended.
        assert taken(asked.admission, 1) == 0

    asyncio.run(scenario())


def test_who_is_slow_to_send_a_body_keeps_nobody_out() -> None:
    async def scenario() -> None:
        asked = Asked(1)
        arrived = asyncio.Event()
        batches = [
            asyncio.create_task(asked.ask("/v1/search/batch", method="POST", body=arrived)) for _ in range(9)
        ]
        await asyncio.sleep(0)
        asked.admission.take(8)
        asked.admission.give_back(8)
        arrived.set()
        # With its end each takes its places, and a third one finds none.
        answers = asyncio.gather(*batches, return_exceptions=True)
        await asyncio.sleep(0.01)
        asked.may_answer.set()
        assert [type(answer) for answer in await answers] == [dict, dict, *[OverloadedError] * 7]

    asyncio.run(scenario())


def test_a_search_that_fails_gives_its_place_back() -> None:
    async def fail(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        admission = Admission(1)
        app = admit_searches(fail, admission, Draining())
        scope: Any = {"type": "http", "method": "GET", "path": "/search", "root_path": "", "headers": []}
        with pytest.raises(ZeroDivisionError):
            await app(scope, None, None)  # type: ignore[arg-type]
        assert taken(admission, 100) == 8

    asyncio.run(scenario())


def test_a_service_that_drains_answers_and_asks_to_connect_anew() -> None:
    async def scenario() -> dict[str, Any]:
        draining = Draining()
        draining.begin()
        asked = Asked(1, draining)
        asked.may_answer.set()
        return await asked.ask("/search")

    answer = asyncio.run(scenario())
    assert (answer["status"], answer["headers"]) == (200, {b"connection": b"close"})
