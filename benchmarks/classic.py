"""The classic route over HTTP, compared with the tutorial's rule on the tutorial's index."""

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
    sets = {"tutorial": [query.text for query in labelled_queries("tutorial")], "own": classic_queries()}
    index_dir = built_index("tutorial", everything=options.everything)
    model = load_reference()
    # Computed before the service starts, because it closes a connection that is idle for seconds.
    expectations = {name: all_distances(index, model, queries) for name, queries in sets.items()}
    figures = []
    with our_api(index_dir) as server:
        connection = HTTPConnection(server.host, server.port, timeout=30)
        for name, queries in sets.items():
            equal = 0
            for text, distances in zip(queries, expectations[name], strict=True):
                expected = first_five(distances, index.ids)
                answer = _search(connection, text)
                titles = [index.titles[index.ids.index(video_id)] for video_id in answer["video_id"]]
                if answer == {"title": titles, "video_id": expected}:
                    equal += 1
                else:
                    _print_difference(text, expected, answer["video_id"], np.sort(distances)[: MOST + 1])
            print(f"  {name}: {equal} of {len(queries)} queries equal")
            figures.append(
                at_least(
                    f"/search compared with the tutorial's rule, {len(queries)} queries ({name})",
                    equal,
                    len(queries),
                    shown=f"{equal} with equal ids, order and titles",
                    asked="all queries",
                    conditions="over HTTP, SEARCH_CACHE=0; brute force in float64 over the stored embeddings",
                )
            )
        connection.close()
    return figures


def _search(connection: HTTPConnection, text: str) -> dict[str, list[str]]:
    connection.request("GET", f"/search?{urlencode({'query': text})}")
    answer: dict[str, list[str]] = json.loads(connection.getresponse().read())
    if "video_id" not in answer:
        raise RuntimeError(f"unexpected answer to {text!r}: {answer}")
    return answer


def _print_difference(text: str, expected: list[str], answer: list[str], distances: np.ndarray) -> None:
    print(f"  different: {text!r}\n    the rule {expected}\n    /search  {answer}")
    print(f"    distances {np.round(distances, 5).tolist()}")
