import re
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api import __version__

METHODS = {"get", "head", "post"}


@pytest.fixture
def document(client: TestClient[Litestar]) -> dict[str, Any]:
    response = client.get("/schema/openapi.json")
    assert response.headers["content-type"] == "application/json"
    return response.json()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [item[method] for item in document["paths"].values() for method in METHODS & item.keys()]


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if "$ref" in node else set()
        return own.union(*(references(child) for child in node.values()))
    return set().union(*(references(child) for child in node)) if isinstance(node, list) else set()


def test_has_the_name_and_the_version(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert (document["info"]["title"], document["info"]["version"]) == ("vidsearch", __version__)


def test_documents_every_route(document: dict[str, Any]) -> None:
    documented = {
        (path, method) for path, item in document["paths"].items() for method in METHODS & item.keys()
    }
    assert documented == {
        *(
            (path, method)
            for path in ("/", "/livez", "/startupz", "/readyz", "/health", "/media/{file_path}")
            for method in ("get", "head")
        ),
        ("/info", "get"),
        ("/metrics", "get"),
        ("/search", "get"),
        ("/v1/search", "get"),
        ("/v1/search/batch", "post"),
        ("/v1/videos", "get"),
        ("/v1/videos/{video_id}", "get"),
        ("/v1/videos/{video_id}/search", "get"),
        ("/v1/videos/{video_id}/similar", "get"),
    }


def test_every_operation_has_a_unique_id_and_a_description(document: dict[str, Any]) -> None:
    every = operations(document)
    names = [operation["operationId"] for operation in every]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)
    assert all(operation["summary"] and operation["description"] and operation["tags"] for operation in every)


def test_every_parameter_has_a_description(document: dict[str, Any]) -> None:
    parameters = [
        parameter for operation in operations(document) for parameter in operation.get("parameters", [])
    ]
    assert parameters
    assert all(parameter["description"] for parameter in parameters)


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= schemas


def test_every_error_is_a_problem_with_an_example(document: dict[str, Any]) -> None:
    for operation in operations(document):
        for status, response in operation["responses"].items():
            is_health = operation["operationId"] in {"getHealth", "headHealth"}
            if status in {"200", "206", "304"} or (is_health and status == "503"):
                continue
            media_type, *others = response["content"]
            assert media_type == "application/problem+json"
            # The only one that answers with a page too.
            assert others == (["text/html"] if operation["operationId"].endswith("Root") else [])
            content = response["content"][media_type]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            for example in content["examples"].values():
                assert example.keys() == {"summary", "value"}
                assert example["value"]["status"] == int(status)
                assert example["value"]["code"] == example["summary"]
    content = document["paths"]["/search"]["get"]["responses"]["503"]["content"]
    codes = {example["summary"] for example in content["application/problem+json"]["examples"].values()}
    assert codes == {"index-unavailable", "overloaded"}


def test_documents_the_bound_of_distances(document: dict[str, Any]) -> None:
    parameters = document["paths"]["/v1/search"]["get"]["parameters"]
    (in_query,) = (parameter["schema"] for parameter in parameters if parameter["name"] == "max_distance")
    in_body = document["components"]["schemas"]["SearchParameters"]["properties"]["max_distance"]
    assert in_query["exclusiveMinimum"] == in_body["exclusiveMinimum"] == 0


def test_documents_that_bodies_have_no_unknown_fields(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["SearchParameters"]["additionalProperties"] is False
    assert schemas["BatchParameters"]["additionalProperties"] is False


def test_has_an_example_of_a_search(document: dict[str, Any]) -> None:
    for path, method in [("/search", "get"), ("/v1/search", "get"), ("/v1/search/batch", "post")]:
        response = document["paths"][path][method]["responses"]["200"]
        assert response["content"]["application/json"]["examples"]


def test_the_page_loads_nothing_from_other_hosts(client: TestClient[Litestar]) -> None:
    page = client.get("/schema")
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*?(?:src|href)=[\"']([^\"']+)", page.text)
    assert len(loaded) == 5
    for address in loaded:
        assert address.startswith("/schema/assets/")
        asset = client.get(address)
        assert asset.status_code == 200
        assert asset.content
