"""The classic route, over HTTP, against the tutorial's rule over the tutorial's own index."""

import json
from http.client import HTTPConnection
from urllib.parse import urlencode

import numpy as np

from benchmarks.built_indexes import built_index
from benchmarks.conditions import Options
from benchmarks.datasets import classic_queries, labelled_queries, tutorial_index
from benchmarks.figures import Figure, at_least
from benchmarks.servers import our_api
from benchmarks.tutorial_rule import MOST, all_distances, first_five, load_reference


def measure(options: Options) -> list[Figure]:
    index = tutorial_index()
    sets = {"its": [query.text for query in labelled_queries("tutorial")], "ours": classic_queries()}
    index_dir = built_index("tutorial", everything=options.everything)
    model = load_reference()
    # Before the service starts, which rightly closes a connection that is idle for seconds.
    expectations = {whose: all_distances(index, model, queries) for whose, queries in sets.items()}
    figures = []
    with our_api(index_dir) as server:
        connection = HTTPConnection(server.host, server.port, timeout=30)
        for whose, queries in sets.items():
            equal = 0
            for text, distances in zip(queries, expectations[whose], strict=True):
                expected = first_five(distances, index.ids)
                answer = _search(connection, text)
                titles = [index.titles[index.ids.index(video_id)] for video_id in answer["video_id"]]
                if answer == {"title": titles, "video_id": expected}:
                    equal += 1
                else:
                    _tell(text, expected, answer["video_id"], np.sort(distances)[: MOST + 1])
            print(f"  {whose}: {equal} of {len(queries)} queries equal")
            figures.append(
                at_least(
                    f"/search against the tutorial's rule, {whose} {len(queries)} queries",
                    equal,
                    len(queries),
                    shown=f"{equal} equal in ids, order and titles",
                    asked="every query",
                    conditions="over HTTP, SEARCH_CACHE=0; brute force in float64 over the stored embeddings",
                )
            )
        connection.close()
    return figures


def _search(connection: HTTPConnection, text: str) -> dict[str, list[str]]:
    connection.request("GET", f"/search?{urlencode({'query': text})}")
    answer: dict[str, list[str]] = json.loads(connection.getresponse().read())
    if "video_id" not in answer:
        raise RuntimeError(f"{text!r} was answered with {answer}")
    return answer


def _tell(text: str, expected: list[str], answer: list[str], distances: np.ndarray) -> None:
    print(f"  differs: {text!r}\n    the rule {expected}\n    /search  {answer}")
    print(f"    distances {np.round(distances, 5).tolist()}")
