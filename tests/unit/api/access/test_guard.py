"""Every route with every kind of key, and the other rules of access."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar, get
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from api.access.guard import guard_access
from api.access.key_file import write_keys
from api.access.keys import make_key
from api.access.live_keys import LiveKeys
from api.access.rate_limits import RateLimits
from api.access.rates import Rate
from api.access.settings import AccessSettings
from api.app import create_app
from api.settings import ApiSettings
from api.wire.problem_responses import ProblemResponder
from api.wire.route_properties import INFO, METRICS, SEARCH, UNDECLARED, RouteProperties, properties_of
from retrieval.settings import SearchSettings
from tests.unit.api.fakes import RaisingSearcher, opens
from tests.unit.api.guarded import APP, ROUTES, guarded

NOW = datetime.now(UTC)

REQUIRED, INVALID, MISSING = (401, "key-required"), (401, "key-invalid"), (403, "scope-missing")
ADMITTED = None
NO_KEY = {"none": REQUIRED, "another scheme": REQUIRED}
WRONG = dict.fromkeys(("malformed", "empty", "unknown", "wrong secret", "revoked"), INVALID)
KINDS = [*NO_KEY, *WRONG, "search", "metrics", "admin"]
# The result by the scope that a route needs and the kind of key that is sent.
SPECIFIED: dict[str | None, dict[str, tuple[int, str] | None]] = {
    None: dict.fromkeys(KINDS, ADMITTED),
    "search": {**NO_KEY, **WRONG, "search": ADMITTED, "metrics": MISSING, "admin": ADMITTED},
    "metrics": {**NO_KEY, **WRONG, "search": MISSING, "metrics": ADMITTED, "admin": ADMITTED},
    "admin": {**NO_KEY, **WRONG, "search": MISSING, "metrics": MISSING, "admin": ADMITTED},
}
CHALLENGES = {
    "key-required": 'Bearer realm="vidsearch"',
    "key-invalid": 'Bearer realm="vidsearch", error="invalid_token"',
    "scope-missing": 'Bearer realm="vidsearch", error="insufficient_scope", scope="search"',
}


def properties_at(path: str) -> RouteProperties:
    return ROUTES.match(path.replace(":str", "").replace(":path", "")).properties


def operations() -> list[tuple[str, str, HTTPRouteHandler]]:
    """List every method of every route of the app."""
    return [
        (route.path, method, handler)
        for route in APP.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in sorted(route.route_handler_map.items())
    ]


def test_a_route_without_properties_needs_an_admin_key() -> None:
    @get("/new")
    async def new() -> None: ...

    @get("/odd", opt={"properties": "nonsense"})
    async def odd() -> None: ...

    app = Litestar([new, odd], openapi_config=None, logging_config=None)
    handlers = [handler for route in app.routes for handler in route.route_handlers]  # type: ignore[attr-defined]
    found = {str(handler.http_methods): properties_of(handler) for handler in handlers}
    assert found == {"{'GET'}": UNDECLARED, "{'OPTIONS'}": INFO}


class Sent(msgspec.Struct):
    """The key file, and the value of Authorization for each kind of key."""

    file: Path
    by_kind: dict[str, str | None]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient[Litestar], Sent]]:
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    made = {name: make_key(name, [name], NOW) for name in ("search", "metrics", "admin")}  # type: ignore[list-item]
    revoked, kept_of_revoked = make_key("revoked", ["admin"], NOW)
    kept = tuple(stored for _, stored in made.values())
    write_keys(file, (*kept, kept_of_revoked))
    write_keys(file, kept)
    admin = made["admin"][0]
    sent: dict[str, str | None] = {
        "none": None,
        "another scheme": "Basic dXNlcjpwYXNz",
        "malformed": "Bearer let-me-in",
        "empty": "Bearer ",
        "unknown": f"Bearer {make_key('x', ['admin'], NOW)[0]}",
        "wrong secret": f"Bearer {admin[:-1]}{'0' if admin[-1] != '0' else '1'}",
        "revoked": f"Bearer {revoked}",
        **{name: f"Bearer {key}" for name, (key, _) in made.items()},
    }
    with guarded(keys_file=file) as client:
        yield client, Sent(file, sent)


def ask(client: TestClient[Litestar], method: str, path: str, **headers: str) -> httpx.Response:
    at = (
        path.replace("{video_id:str}", "a").replace("{file_path:path}", "page.css").replace("{path:str}", "x")
    )
    query = "?query=x" if at.endswith("/search") else ""
    body = {"content": b'{"requests":[{"query":"x"}]}'} if method == "POST" else {}
    return client.request(method, f"{at}{query}", headers=headers, **body)


def code_of(response: httpx.Response) -> str:
    """Read the code of a problem, from JSON or from a page. The response to a HEAD has only its challenge."""
    if response.request.method == "HEAD":
        assert response.content == b""
        sent = response.headers["www-authenticate"]
        return next(code for code, challenge in CHALLENGES.items() if challenge == sent)
    if ROUTES.match(response.request.url.path).properties.errors == "page":
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        return response.text.partition('data-problem="')[2].partition('"')[0]
    assert response.headers["content-type"] == "application/problem+json"
    code: str = response.json()["code"]
    return code


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("path", "method"), [(path, method) for path, method, _ in operations()], ids=lambda each: each
)
def test_every_route_with_every_kind_of_key(
    keys: tuple[TestClient[Litestar], Sent], path: str, method: str, kind: str
) -> None:
    client, sent = keys
    value = sent.by_kind[kind]
    response = ask(client, method, path, **({} if value is None else {"authorization": value}))
    key_scope = None if method == "OPTIONS" else properties_at(path).key_scope
    expected = SPECIFIED[key_scope][kind]
    if expected is ADMITTED:
        is_found = path not in {"/schema/{path:str}", "/media/{file_path:path}"} or method == "OPTIONS"
        assert response.status_code == (200 if is_found else 404) or (
            method == "OPTIONS" and response.status_code == 204
        )
        assert "www-authenticate" not in response.headers
    else:
        status, code = expected
        assert (response.status_code, code_of(response)) == (status, code)
        challenge = CHALLENGES[code].replace('scope="search"', f'scope="{key_scope}"')
        assert response.headers["www-authenticate"] == challenge
        assert value is None or len(value) < len("Bearer vs_") or value[-8:] not in response.text


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_scope_with_every_kind_of_key(keys: tuple[TestClient[Litestar], Sent], kind: str) -> None:
    _, sent = keys

    async def answer() -> None: ...

    declared = {"info": INFO, "search": SEARCH, "metrics": METRICS, "admin": UNDECLARED}
    routes = [get(f"/{name}", opt=each.opt, status_code=200)(answer) for name, each in declared.items()]
    routes.append(get("/undeclared", status_code=200)(answer))
    access = AccessSettings(keys_file=sent.file, rate_of_key=Rate(1000, 1))
    live = LiveKeys(access)
    app = Litestar(
        routes,
        guards=[guard_access(access, live, RateLimits(access))],
        lifespan=[lambda _: live.followed()],
        exception_handlers={Exception: ProblemResponder().respond},
        openapi_config=None,
        logging_config=None,
    )
    value = sent.by_kind[kind]
    with TestClient(app) as client:
        for name, each in {**declared, "undeclared": UNDECLARED}.items():
            response = client.get(f"/{name}", headers={} if value is None else {"authorization": value})
            ok = response.status_code == 200
            result = ADMITTED if ok else (response.status_code, response.json()["code"])
            assert result == SPECIFIED[each.key_scope][kind], name


def test_a_key_may_be_sent_in_x_api_key_which_takes_precedence(
    keys: tuple[TestClient[Litestar], Sent],
) -> None:
    client, sent = keys
    key = (sent.by_kind["search"] or "").removeprefix("Bearer ")
    for headers in (
        {"x-api-key": key},
        {"x-api-key": key, "authorization": "Bearer of another service"},
        {"authorization": f"bearer   {key}"},
    ):
        assert ask(client, "GET", "/search", **headers).status_code == 200
    wrong = {"x-api-key": "wrong", "authorization": f"Bearer {key}"}
    assert ask(client, "GET", "/search", **wrong).json()["code"] == "key-invalid"


@pytest.mark.parametrize("name", ["key", "api_key", "access_token"])
def test_a_key_in_the_query_string_is_ignored(keys: tuple[TestClient[Litestar], Sent], name: str) -> None:
    client, sent = keys
    key = (sent.by_kind["search"] or "").removeprefix("Bearer ")
    response = client.get(f"/search?query=x&{name}={key}")
    assert (response.status_code, response.json()["code"]) == REQUIRED
    assert key not in response.text


def test_an_unknown_path_needs_no_key(keys: tuple[TestClient[Litestar], Sent]) -> None:
    client, _ = keys
    assert client.get("/nope").status_code == 404
    assert client.delete("/search").status_code == 405


def test_no_key_is_ever_logged(
    keys: tuple[TestClient[Litestar], Sent], caplog: pytest.LogCaptureFixture
) -> None:
    client, sent = keys
    caplog.set_level(0)
    settings = ApiSettings(search=SearchSettings(), access=AccessSettings(keys_file=sent.file))
    broken = opens(RaisingSearcher(RuntimeError("a bug")))
    with TestClient(create_app(settings, open_search=broken)) as failing:
        for value in sent.by_kind.values():
            headers = {} if value is None else {"authorization": value}
            for asked in (client, failing):
                ask(asked, "GET", "/search", **headers)
                ask(asked, "GET", "/nope", **headers)
                asked.get("/search?limit=x", headers=headers)
    assert [entry for entry in caplog.records if entry.levelno == logging.ERROR]
    form = logging.Formatter()
    # The text with its traceback, and the extra fields of the record.
    logged = "".join(f"{form.format(entry)}{entry.__dict__}" for entry in caplog.records)
    assert not any(value and value[-10:] in logged for value in sent.by_kind.values() if value != "Bearer ")


def test_a_response_to_a_key_is_private(keys: tuple[TestClient[Litestar], Sent]) -> None:
    client, sent = keys
    answer = ask(client, "GET", "/search", authorization=sent.by_kind["search"] or "")
    assert answer.headers["cache-control"] == "private"
    assert client.get("/livez").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", sorted({path for path, _, _ in operations() if properties_at(path).key_scope == "search"})
)
def test_without_keys_no_route_needs_one(path: str, client: TestClient[Litestar]) -> None:
    method = "POST" if path.endswith("batch") else "GET"
    status = 404 if path == "/media/{file_path:path}" else 200
    assert ask(client, method, path).status_code == status
    assert ask(client, method, path, authorization="Bearer whatever").status_code == status


def test_openapi_documents_a_key_for_exactly_the_routes_that_need_one(client: TestClient[Litestar]) -> None:
    document: dict[str, Any] = client.get("/schema/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}
    for path, item in document["paths"].items():
        properties = properties_at(path)
        for operation in (item[method] for method in ("get", "head", "post") if method in item):
            asks = "security" in operation
            assert asks is (properties.key_scope is not None)
            assert (
                {"401", "403"} <= operation["responses"].keys()
                if asks
                else not ({"401", "403"} & operation["responses"].keys())
            )
            assert ("429" in operation["responses"]) is properties.is_rate_limited


HOSTS = ("api.example.com", "*.example.org", "[::1]", "10.0.0.1")


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        *((host, True) for host in ("api.example.com", "API.example.com", "api.example.com:8080")),
        *(
            (host, True)
            for host in ("a.example.org", "a.b.example.org:1", "[::1]", "[::1]:8080", "10.0.0.1:80")
        ),
        ("api.example.com.", True),
        *(
            (host, False)
            for host in ("example.com", "example.org", "evil.com", "evilexample.org", "10.0.0.2")
        ),
        *((host, False) for host in ("api.example.com.evil.com", "[::2]", "localhost", "testserver.local")),
        *((host, False) for host in ("[::1].evil", "[::1]evil:80", "api.example.com:80:80", "[::1", "")),
    ],
)
def test_only_allowed_hosts_are_served(named: TestClient[Litestar], host: str, *, allowed: bool) -> None:
    for path in ("/search?query=x", "/", "/info", "/schema"):
        response = named.get(path, headers={"host": host})
        assert (response.status_code == 200) is allowed
        if not allowed:
            assert (response.status_code, response.json()["code"]) == (400, "host-not-allowed")
    # Probes use the address as the host.
    assert named.get("/livez", headers={"host": host}).status_code == 200
    assert named.get("/readyz", headers={"host": host}).status_code == 200


@pytest.fixture(scope="module")
def named() -> Iterator[TestClient[Litestar]]:
    with guarded(allowed_hosts=HOSTS) as client:
        yield client


def test_exact_and_wildcard_hosts_work_alone() -> None:
    for allowed, host in ((("a.example",), "b.example"), (("*.example",), "b.other")):
        with guarded(allowed_hosts=allowed) as client:
            assert client.get("/", headers={"host": host}).json()["code"] == "host-not-allowed"
            assert client.get("/", headers={"host": "a.example"}).status_code == 200
