"""Qdrant's REST API, over a store."""

import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec
from pydantic import TypeAdapter
from pydantic_core import to_json
from qdrant_client.http import models

from tests.support.qdrant_collections import VERSION, RefusedError, key_refusal
from tests.support.qdrant_http import Request, Response
from tests.support.qdrant_store import QdrantStore

LARGEST_BODY = 32 << 20
"""Bytes of a request's body that the server takes as it comes (`service.max_request_size_mb`)."""

_OPEN_TO_ALL = frozenset({"/", "/healthz", "/livez", "/readyz"})
_OPERATION = TypeAdapter[Any](models.UpdateOperation)

_Handler = Callable[[QdrantStore, list[str], bytes], Any]


def rest_answer(store: QdrantStore, api_key: str | None) -> Callable[[Request], Response]:
    """Make the function that answers a request as a server with this key does."""

    def answer(request: Request) -> Response:
        refusal = key_refusal(api_key, request.headers.get("api-key"))
        if refusal is not None and request.path not in _OPEN_TO_ALL:
            return Response(401, refusal.encode(), "text/plain; charset=utf-8")
        if len(request.body) > LARGEST_BODY:
            size = len(request.body)
            text = f"JSON payload ({size} bytes) is larger than allowed (limit: {LARGEST_BODY} bytes)."
            return _error(413, text)
        handler, arguments = _handler(request)
        if handler is None:
            return _plain(request.path)
        try:
            with store.working():
                result = handler(store, arguments, request.body)
        except RefusedError as error:
            return _error(error.status, error.message)
        if parse_qs(request.query).get("wait") != ["true"]:
            for update in result if isinstance(result, list) else [result]:
                if isinstance(update, models.UpdateResult):
                    update.status = models.UpdateStatus.ACKNOWLEDGED
        return Response(200, to_json({"result": result, "status": "ok", "time": 0.0}, exclude_none=True))

    return answer


def _error(status: int, text: str) -> Response:
    return Response(status, msgspec.json.encode({"status": {"error": text}, "time": 0.0}))


def _plain(path: str) -> Response:
    """Answer what is asked about the server itself."""
    if path == "/":
        return Response(200, to_json({"title": "qdrant - vector search engine", "version": VERSION}))
    if path in _OPEN_TO_ALL:
        return Response(200, f"{path[1:]} check passed".encode(), "text/plain; charset=utf-8")
    return Response(404, b"", "text/plain; charset=utf-8")


def _handler(request: Request) -> tuple[_Handler | None, list[str]]:
    for method, pattern, handler in _ROUTES:
        if method == request.method and (match := pattern.fullmatch(request.path)):
            return handler, [unquote(group) for group in match.groups()]
    return None, []


def _upsert(store: QdrantStore, names: list[str], body: bytes) -> models.UpdateResult:
    given = msgspec.json.decode(body)
    points = (
        _points(given["points"]) if "points" in given else models.Batch.model_validate(given.get("batch"))
    )
    update_filter, mode = given.get("update_filter"), given.get("update_mode")
    return store.upsert(
        names[0],
        points,
        models.Filter.model_validate(update_filter) if update_filter else None,
        models.UpdateMode(mode) if mode else None,
    )


def _batch(store: QdrantStore, names: list[str], body: bytes) -> list[models.UpdateResult]:
    return store.batch(names[0], [_operation(given) for given in msgspec.json.decode(body)["operations"]])


def _operation(given: dict[str, Any]) -> models.UpdateOperation:
    upsert = given.get("upsert", {})
    if "points" not in upsert:
        return _OPERATION.validate_python(given)
    update_filter = upsert.get("update_filter")
    written = models.PointsList.model_construct(
        points=_points(upsert["points"]),
        update_filter=models.Filter.model_validate(update_filter) if update_filter else None,
    )
    return models.UpsertOperation.model_construct(upsert=written)


def _points(given: Sequence[dict[str, Any]]) -> list[models.PointStruct]:
    """Read points without checking their vectors number by number: the emulation does what matters."""
    return [
        models.PointStruct.model_construct(
            id=point["id"], vector=_vectors(point["vector"]), payload=point.get("payload")
        )
        for point in given
    ]


def _vectors(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    return {
        name: models.SparseVector.model_construct(**vector) if isinstance(vector, dict) else vector
        for name, vector in given.items()
    }


def _query_batch(store: QdrantStore, names: list[str], body: bytes) -> list[models.QueryResponse]:
    asked = models.QueryRequestBatch.model_validate_json(body)
    return [store.query(names[0], request) for request in asked.searches]


def _aliases(store: QdrantStore, _: list[str], body: bytes) -> bool:
    return store.change_aliases(models.ChangeAliasesOperation.model_validate_json(body).actions)


def _asking(operation: Callable[[QdrantStore, str, Any], Any], model: Any) -> _Handler:
    """Make the handler that reads a body as `model` and does `operation` with it on one collection."""
    adapter = TypeAdapter[Any](model)
    return lambda store, names, body: operation(store, names[0], adapter.validate_json(body))


def _routes() -> list[tuple[str, re.Pattern[str], _Handler]]:
    store, one = QdrantStore, "/collections/{name}"
    routes: list[tuple[str, str, _Handler]] = [
        ("GET", "/collections", lambda store, _names, _body: store.collections()),
        ("GET", "/aliases", lambda store, _names, _body: store.aliases()),
        ("POST", "/collections/aliases", _aliases),
        ("GET", one, lambda store, names, _body: store.info(*names)),
        ("PUT", one, _asking(store.create, models.CreateCollection)),
        ("PATCH", one, _asking(store.update, models.UpdateCollection)),
        ("DELETE", one, lambda store, names, _body: store.drop(*names)),
        ("GET", f"{one}/exists", lambda store, names, _body: {"exists": store.exists(*names)}),
        ("GET", f"{one}/aliases", lambda store, names, _body: store.aliases(*names)),
        ("PUT", f"{one}/index", _asking(store.create_index, models.CreateFieldIndex)),
        ("DELETE", f"{one}/index/{{field}}", lambda store, names, _body: store.delete_index(*names)),
        ("PUT", f"{one}/points", _upsert),
        ("POST", f"{one}/points", _asking(store.retrieve, models.PointRequest)),
        ("POST", f"{one}/points/batch", _batch),
        ("POST", f"{one}/points/delete", _asking(store.delete, models.PointsSelector)),
        ("POST", f"{one}/points/payload", _asking(store.set_payload, models.SetPayload)),
        ("PUT", f"{one}/points/payload", _asking(store.overwrite_payload, models.SetPayload)),
        ("POST", f"{one}/points/payload/delete", _asking(store.delete_payload, models.DeletePayload)),
        ("POST", f"{one}/points/payload/clear", _asking(store.clear_payload, models.PointsSelector)),
        ("PUT", f"{one}/points/vectors", _asking(store.update_vectors, models.UpdateVectors)),
        ("POST", f"{one}/points/vectors/delete", _asking(store.delete_vectors, models.DeleteVectors)),
        ("POST", f"{one}/points/scroll", _asking(store.scroll, models.ScrollRequest)),
        ("POST", f"{one}/points/count", _asking(store.count, models.CountRequest)),
        ("POST", f"{one}/points/query", _asking(store.query, models.QueryRequest)),
        ("POST", f"{one}/points/query/batch", _query_batch),
        ("POST", f"{one}/points/query/groups", _asking(store.query_groups, models.QueryGroupsRequest)),
        ("POST", f"{one}/facet", _asking(store.facet, models.FacetRequest)),
    ]
    return [
        (method, re.compile(re.sub(r"\{\w+\}", "([^/]+)", path)), handler) for method, path, handler in routes
    ]


_ROUTES = _routes()
