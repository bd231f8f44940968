"""`python -m tests.fuzz.hostile_texts`: ingests hostile catalogue texts, and sends hostile queries.

The service is a real process with the exported model. Every text goes to one of the routes that take text, in
turn, and into a batch. No answer may be a server error or anything but JSON that gives the query back as it
was; no page, no figure and no line of the log may hold any of it. Breaks off at the first that does.
"""

import argparse
import http.client
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, Self
from urllib.parse import quote, urlsplit

from retrieval.settings import DATA_DIR
from tests.support.documents import write_jsonl
from tests.support.folders import passing_folder
from tests.support.hostile import MARKER, decoded, hostile_rows, hostile_texts, tags_of
from tests.support.processes import PATIENCE, REPOSITORY, Api, Ingest, run_module, running_api

ROUTES = (
    "/search?query={}",
    "/v1/search?query={}&limit=3",
    "/v1/search?query={}&mode=semantic&limit=3",
    "/v1/search?query={}&mode=lexical&limit=3",
    "/v1/search?query=tomatoes&channel={}&language={}",
    "/v1/search?query=tomatoes&published_after={}",
    "/v1/search?query=tomatoes&mode={}",
    "/v1/search?query=tomatoes&{}=1",
    "/v1/videos?cursor={}",
    "/v1/videos/{}",
    "/v1/videos/{}/similar",
    "/v1/videos/{}/search?query={}",
    "/v1/videos/video1/search?query={}",
    "/app/search?query={}",
    "/app/search?query=tomatoes&channel={}&language={}&mode=lexical",
    "/app/search?query=tomatoes&published_before={}",
    "/app/videos/{}?query={}",
    "/app/videos/video1?query={}",
    "/app/{}",
    "/schema/{}",
    "/{}",
)
"""Paths with a place for a percent-encoded text."""

PAGES = ("/schema", "/schema/openapi.json", "/metrics", "/info", "/health", "/readyz")
BATCH = 8
CLOSED = "closed unanswered"
"""The outcome of a request so long that the server closed the connection before its end."""

_REFUSALS = {400, 404, 413, 414, 431}
_LONGEST_ADDRESS = 60_000
_MINUTES = 10
"""Minutes that ingest gets for thousands of the longest texts."""

_WENT_THROUGH = {0, 1}
_SERVER_ERRORS = 500


class Client:
    """Sends requests that client libraries refuse to send, on one connection as long as it lasts."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, target: str, body: bytes | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send a request unchanged, and return the answer. Raises OSError or HTTPException."""
        method = "GET" if body is None else "POST"
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            self._connection.request(method, target, body, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise


def bring_in(ingest: Ingest, folder: Path, count: int, *, seed: int) -> None:
    """Build an index of hostile texts, and check that the log and the report page are intact."""
    page = folder / "report.html"
    rows = [{"video_id": "plain", "title": "Growing tomatoes", "transcript": "Plant them deep."}]
    catalogue = write_jsonl(folder / "hostile.jsonl", [*rows, *hostile_rows(count, seed=seed)])
    arguments = ("sync", catalogue, "--report", page)
    finished = run_module("ingest", *arguments, within=_MINUTES * 60, **ingest.environment)
    assert finished.returncode in _WENT_THROUGH, finished.stderr[-2000:]
    assert "Traceback" not in finished.stderr
    assert "\x1b" not in finished.stdout + finished.stderr, "A terminal could be made to do things."
    assert tags_of(page.read_text(encoding="utf-8")) == []


def check_catalogue(client: Client) -> int:
    """Read every page and every video of the catalogue, and return the number of videos."""
    cursor, found = "", 0
    while True:
        page = _answered(client, f"/v1/videos?limit=100{cursor}")
        for video in page["videos"]:
            assert _answered(client, f"/v1/videos/{_escaped(video['video_id'])}") == video
            for address in (video["url"], video["thumbnail_url"]):
                assert address is None or address.startswith(("https://", "http://"))
        found += len(page["videos"])
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={_escaped(page['next_cursor'])}"


def ask_everything(client: Client, texts: Iterator[str]) -> Counter[int | str]:
    """Send each text to a route and in a batch; return the count of each status."""
    outcomes: Counter[int | str] = Counter()
    number = 0
    while batch := list(islice(texts, BATCH)):
        for text in batch:
            route = ROUTES[number % len(ROUTES)]
            number += 1
            outcomes[_ask(client, route.replace("{}", _escaped(text)), text)] += 1
            short = {"requests": [{"query": text, "channel": text if number % 2 else None, "limit": 2}]}
            outcomes[_ask(client, "/v1/search/batch", text, short)] += 1
        together = {"requests": [{"query": text[:1_000], "limit": 2} for text in batch]}
        outcomes[_ask(client, "/v1/search/batch", None, together)] += 1
    return outcomes


def check_pages(client: Client) -> None:
    """Check that no page and no metric contains a query."""
    for path in PAGES:
        status, _, body = client.ask(path)
        assert status == http.HTTPStatus.OK, path
        assert MARKER.encode() not in body, path


def check_log(api: Api) -> int:
    """Check that every line of the log is one event without a query; return the number of lines."""
    written = api.log.read_text(encoding="utf-8").splitlines()
    lines = [line for line in written if line.startswith("{")]
    greeting = [line.partition(":")[0] for line in written if not line.startswith("{")]
    assert greeting == ["Search page", "API documentation", "Try", "Stop"]
    for line in lines:
        event = decoded(line.encode())
        assert isinstance(event, dict)
        assert MARKER not in line, line[:500]
        assert "Traceback" not in line, line[:2000]
    return len(lines)


@contextmanager
def attacked(folder: Path, model_dir: Path, rows: int, *, seed: int) -> Iterator[tuple[Api, Client]]:
    """Serve an index of hostile rows, with LOG_LEVEL=debug."""
    ingest = Ingest(folder / "index", model_dir.resolve())
    bring_in(ingest, folder, rows, seed=seed)
    with (
        running_api(ingest.index_dir, ingest.model_dir, LOG_FORMAT="json", LOG_LEVEL="debug") as api,
        Client(api.address) as client,
    ):
        yield api, client


def main(arguments: Sequence[str] | None = None) -> int:
    """Ingest, search, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.hostile_texts")
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=500, help="of the catalogue, six texts each (500)")
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args(arguments)
    began = perf_counter()
    model_dir = REPOSITORY / DATA_DIR / "model"
    with passing_folder() as folder, attacked(folder, model_dir, args.rows, seed=args.seed) as (api, client):
        print(f"{check_catalogue(client):,} hostile videos served, after {perf_counter() - began:.0f} s")
        outcomes = ask_everything(client, hostile_texts(args.queries, seed=args.seed + 1))
        check_pages(client)
        lines = check_log(api)
    told = ", ".join(f"{status}: {count:,}" for status, count in outcomes.most_common())
    print(f"{args.queries:,} hostile queries in {outcomes.total():,} requests, answered {told}")
    print(f"{lines:,} lines of log, none with any of it; {perf_counter() - began:.0f} s in all")
    return 0


def _ask(client: Client, target: str, text: str | None, body: object = None) -> int | str:
    """Send one request, check its answer, and return the status."""
    sent = None if body is None else json.dumps(body).encode()
    try:
        status, headers, answer = client.ask(target, sent)
    except (OSError, http.client.HTTPException):
        assert len(target) + len(sent or b"") > _LONGEST_ADDRESS, f"No answer to {target[:500]!r}"
        return CLOSED
    assert status < _SERVER_ERRORS, (
        f"{status} to {target[:500]!r}, {sent and sent[:2000]!r}: {answer[:500]!r}"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert "x-injected" not in headers
    # A head that is too large is refused before its path is known.
    is_read = status != http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    if target.startswith("/app/") and is_read:
        assert headers["content-type"] == "text/html; charset=utf-8"
        assert status == http.HTTPStatus.OK or status in _REFUSALS, f"{status} to {target[:500]!r}"
        assert tags_of(answer.decode()) == [], f"Not escaped: {target[:500]!r}"
        return status
    # A browser must not display the answer as a page.
    assert headers["content-type"] in {"application/json", "application/problem+json"}
    said = decoded(answer)
    assert isinstance(said, dict)
    if status == http.HTTPStatus.OK:
        (answered, *_) = said.get("results", [said])
        echoed = answered.get("query")
        assert text is None or echoed in {None, "tomatoes", _paired(text).strip()}
    else:
        assert status in _REFUSALS, f"{status} to {target[:500]!r}"
        assert said["status"] == status
    return status


def _paired(text: str) -> str:
    """Return a text as JSON returns it: two halves of a surrogate pair become one character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _answered(client: Client, target: str) -> dict[str, Any]:
    status, _, body = client.ask(target)
    assert status == http.HTTPStatus.OK, f"{target[:500]}: {body[:500]!r}"
    said = decoded(body)
    assert isinstance(said, dict)
    return said


def _escaped(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


if __name__ == "__main__":
    sys.exit(main())
