"""A limited load of searches on an API on loopback."""

import csv
import http.client
import json
import random
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from tests.containers.docker_cli import REPOSITORY

CLIENTS = 8
REQUESTS_EACH = 250
_BATCH = 32
_QUERIES = REPOSITORY / "tests" / "benchmarks" / "queries" / "sample.csv"


def send_searches(port: int) -> list[int]:
    """Send CLIENTS x REQUESTS_EACH searches, every tenth a full batch; return the statuses."""
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
                connection.request("GET", f"{path}?{urlencode({'query': choose.choice(queries)})}")
            else:
                batch = [{"query": query, "limit": 50} for query in choose.sample(queries, _BATCH)]
                body = json.dumps({"requests": batch})
                connection.request("POST", "/v1/search/batch", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
    finally:
        connection.close()
    return statuses
