"""A limited load of searches on an API on loopback."""

import csv
import http.client
import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import SERVICE_UNAVAILABLE
from urllib.parse import urlencode

from tests.containers.docker_cli import REPOSITORY

CLIENTS = 8
REQUESTS_EACH = 250
_BATCH = 32
_PAUSE = 0.1
_QUERIES = REPOSITORY / "benchmarks" / "queries" / "sample.csv"


def send_searches(port: int) -> list[int]:
    """Send CLIENTS x REQUESTS_EACH searches, every tenth a full batch; return the statuses.

    Eight batches at once are more than the service accepts, so a request that is refused is sent again.
    """
    with _QUERIES.open(newline="") as file:
        queries = [row["query"] for row in csv.DictReader(file)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        sent = [clients.submit(_send, port, queries, seed) for seed in range(CLIENTS)]
        return [status for client in sent for status in client.result()]


def _send(port: int, queries: list[str], seed: int) -> list[int]:
    choose = random.Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    statuses = []
    try:
        for number in range(REQUESTS_EACH):
            if number % 10:
                path = ("/search", "/v1/search")[number % 2]
                request = ("GET", f"{path}?{urlencode({'query': choose.choice(queries)})}", None, {})
            else:
                batch = [{"query": query, "limit": 50} for query in choose.sample(queries, _BATCH)]
                body = json.dumps({"requests": batch})
                request = ("POST", "/v1/search/batch", body, {"Content-Type": "application/json"})
            while (status := _status(connection, *request)) == SERVICE_UNAVAILABLE:
                time.sleep(_PAUSE)
            statuses.append(status)
    finally:
        connection.close()
    return statuses


def _status(
    connection: http.client.HTTPConnection, method: str, path: str, body: str | None, headers: dict[str, str]
) -> int:
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status
