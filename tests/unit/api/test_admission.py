import asyncio
from typing import Any

import pytest

from api.admission import Admission, admit_searches
from api.draining import Draining
from api.response_headers import PAGE_POLICY, of_pages
from retrieval.errors import OverloadedError

PAGES = of_pages(PAGE_POLICY)


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


def test_after_a_while_without_refusals_a_burst_is_let_in_again(clock: Clock) -> None:
    admission = Admission(8, clock=clock)
    taken(admission, 9)
    clock.now += 0.3
    assert taken(admission, 1) == 0
    admission.give_back(9)
    assert taken(admission, 100) == 8
    admission.give_back(8)
    clock.now += 1.1
    assert taken(admission, 100) == 64


def test_what_is_larger_than_the_room_is_let_in_alone(clock: Clock) -> None:
    admission = Admission(2, clock=clock)
    taken(admission, 3)
    clock.now += 0.3
    with pytest.raises(OverloadedError):
        admission.take(4)
    admission.give_back(3)
    admission.take(4)


class Asked:
    """An app that answers once it may, and what is sent by it and around it."""

    def __init__(self, places: int, draining: Draining | None = None) -> None:
        self.may_answer = asyncio.Event()
        self.served = 0
        self._app = admit_searches(self._answer, Admission(places), draining or Draining(), pages=PAGES)

    async def _answer(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.served += 1
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def get(self, path: str) -> dict[str, Any]:
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app({"type": "http", "path": path, "root_path": "", "headers": []}, None, send)  # type: ignore[arg-type]
        return {**sent[0], "headers": dict(sent[0]["headers"])}


async def ask(path: str, *, among: int) -> dict[str, Any]:
    """Ask while so many searches are under way in a service that has 70 places."""
    asked = Asked(70)
    others = [asyncio.create_task(asked.get("/v1/search")) for _ in range(among)]
    await asyncio.sleep(0)
    last = asyncio.create_task(asked.get(path))
    await asyncio.sleep(0)
    asked.may_answer.set()
    await asyncio.gather(*others)
    return await last


@pytest.mark.parametrize(
    ("path", "among", "status"),
    [
        ("/v1/search", 69, 200),
        ("/v1/search", 70, 503),
        ("/search", 70, 503),
        ("/v1/videos/a/similar", 70, 503),
        ("/v1/search/batch", 66, 200),
        ("/v1/search/batch", 67, 503),
        ("/livez", 70, 200),
        ("/health", 70, 200),
        ("/metrics", 70, 200),
        ("/schema", 70, 200),
        ("/app", 70, 200),
        ("/app/search", 69, 200),
        ("/app/search", 70, 503),
        ("/app/videos/a", 70, 503),
        ("/app/assets/page.css", 70, 200),
    ],
)
def test_searches_take_places_and_health_takes_none(path: str, among: int, status: int) -> None:
    answer = asyncio.run(ask(path, among=among))
    assert answer["status"] == status
    if status == 503:
        is_page = path.startswith("/app")
        media_type = b"text/html; charset=utf-8" if is_page else b"application/problem+json"
        assert answer["headers"][b"content-type"] == media_type
        assert answer["headers"][b"retry-after"] == b"1"
        assert answer["headers"][b"x-content-type-options"] == b"nosniff"


def test_a_search_that_fails_gives_its_place_back() -> None:
    async def fail(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        admission = Admission(1)
        app = admit_searches(fail, admission, Draining(), pages=PAGES)
        with pytest.raises(ZeroDivisionError):
            await app({"type": "http", "path": "/search", "root_path": "", "headers": []}, None, None)  # type: ignore[arg-type]
        assert taken(admission, 100) == 64

    asyncio.run(scenario())


def test_a_service_that_drains_answers_and_asks_to_connect_anew() -> None:
    async def scenario() -> dict[str, Any]:
        draining = Draining()
        draining.begin()
        asked = Asked(1, draining)
        asked.may_answer.set()
        return await asked.get("/search")

    answer = asyncio.run(scenario())
    assert (answer["status"], answer["headers"]) == (200, {b"connection": b"close"})
