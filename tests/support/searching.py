"""Clients that search a running service without pause, and the version that gave each answer."""

import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import OK
from typing import Any

import httpx
import msgspec

CLASSIC, SEARCH = PATHS = ("/search", "/v1/search")
_PAUSE = 0.015
"""Seconds between two searches of a client, which leave processor time to the process under test."""

_SOON = 0.0002
"""The thread switch interval in seconds: the thread that watches a run must not miss a phase."""

_SAME_DISTANCE = 1e-3
"""For distances of about 20. The last digits depend on which queries are embedded together."""

Question = tuple[str, str]
"""A path and a query."""


class Answer(msgspec.Struct, frozen=True):
    """An answer, with the version and the distances apart from its other content."""

    status: int
    content_type: str
    version: str | None
    said: dict[str, Any]
    distances: tuple[float, ...]

    def says(self, other: "Answer") -> bool:
        """Return whether both have the same content, regardless of their versions."""
        return (self.status, self.content_type, self.said, len(self.distances)) == (
            other.status,
            other.content_type,
            other.said,
            len(other.distances),
        ) and all(
            abs(one - its) < _SAME_DISTANCE for one, its in zip(self.distances, other.distances, strict=True)
        )


class Served(msgspec.Struct, frozen=True):
    """The answers while a version is live. `version` is None if the answers do not name it."""

    version: str | None
    answers: Mapping[Question, Answer]

    def gave(self, question: Question, answer: Answer) -> bool:
        """Return whether this version gave an answer. The classic route names no version."""
        named = None if question[0] == CLASSIC else self.version
        if answer.status == OK and answer.said.get("degraded"):
            # On a busy machine, a query that is not embedded in time is answered from its words.
            return answer.version == named
        return answer.version == named and answer.says(self.answers[question])


Heard = tuple[Question, Answer]
"""A question, and the answer that a client got."""


def ask_all(address: str, queries: Iterable[str]) -> dict[Question, Answer]:
    """Send each query to both routes."""
    with httpx.Client(base_url=address, timeout=60) as client:
        return {(path, query): _ask(client, (path, query)) for query in queries for path in PATHS}


class Clients:
    """One client per path, each on its own connection, that send requests until they are stopped.

    An error of a client, such as a broken connection, is raised by `take`.
    """

    def __init__(self, address: str, queries: Sequence[str]) -> None:
        self._address = address
        self._queries = queries
        self._stop = threading.Event()
        self._heard: dict[str, list[Heard]] = {path: [] for path in PATHS}
        self._failed: list[Exception] = []
        self._threads = [threading.Thread(target=self._search, args=(path,)) for path in PATHS]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def take(self) -> dict[str, list[Heard]]:
        """Return the answers since the last call, by path and in order."""
        if self._failed:
            raise self._failed[0]
        taken = {path: heard[:] for path, heard in self._heard.items()}
        for path, heard in taken.items():
            del self._heard[path][: len(heard)]
        return taken

    def _search(self, path: str) -> None:
        try:
            with httpx.Client(base_url=self._address, timeout=60) as client:
                while not self._stop.is_set():
                    for query in self._queries:
                        question = (path, query)
                        self._heard[path].append((question, _ask(client, question)))
                        time.sleep(_PAUSE)
        except Exception as e:  # noqa: BLE001 - `take` raises it in the test.
            self._failed.append(e)


@contextmanager
def searching(address: str, queries: Sequence[str]) -> Iterator[Clients]:
    """Search with clients inside the block."""
    clients = Clients(address, queries)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_SOON)
    clients.start()
    try:
        yield clients
    finally:
        clients.stop()
        sys.setswitchinterval(usual)


def givers(heard: Iterable[Heard], served: Sequence[Served]) -> list[int]:
    """Return the index of the version that gave each answer; fail if none of them gave it."""
    found = []
    for question, answer in heard:
        giver = next((place for place, version in enumerate(served) if version.gave(question, answer)), None)
        assert giver is not None, f"no version says this to {question}: {answer}"
        found.append(giver)
    return found


def _ask(client: httpx.Client, question: Question) -> Answer:
    path, query = question
    response = client.get(path, params={"query": query})
    said = response.json()
    said.pop("took_ms", None)
    version = said.pop("index_version", None)
    near = [place for video in said.get("videos", ()) for place in (video, *video["moments"])]
    distances = tuple(place.pop("distance") for place in near)
    return Answer(response.status_code, response.headers["content-type"], version, said, distances)
