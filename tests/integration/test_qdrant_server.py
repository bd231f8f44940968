"""The stand-in for a Qdrant server says over the wire what the client's emulation says without one."""

import asyncio
import socket
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from tests.support.qdrant_faults import (
    CLOSE,
    GARBAGE,
    GONE,
    HALF,
    HALF_STALL,
    HANG,
    LOST,
    Fault,
    answering,
    delaying,
    writes,
)
from tests.support.qdrant_server import QdrantServer
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

NAME = "talks-v1"
WIRES = ["rest", "grpc"]
VECTORS = {"pair": models.VectorParams(size=4, distance=models.Distance.MANHATTAN)}
WORDS = {"words": models.SparseVectorParams(modifier=models.Modifier.IDF)}
UUIDS = [f"00000000-0000-4000-8000-0000000000{number:02x}" for number in range(24)]


@pytest.fixture(scope="module")
def server() -> Iterator[QdrantServer]:
    with QdrantServer(grpc=True) as server:
        yield server


@pytest.fixture
async def emulation() -> AsyncIterator[AsyncQdrantClient]:
    client = AsyncQdrantClient(":memory:")
    await fill(client)
    yield client
    await client.close()


@pytest.fixture(params=WIRES)
async def client(server: QdrantServer, request: pytest.FixtureRequest) -> AsyncIterator[AsyncQdrantClient]:
    server.faults.clear()
    server.faults.forget()
    server.listen()
    async with connected(server, request.param) as client:
        for found in (await client.get_collections()).collections:
            await client.delete_collection(found.name)
        await fill(client)
        await client.create_payload_index(NAME, "video", models.PayloadSchemaType.KEYWORD)
        server.faults.forget()
        yield client


@asynccontextmanager
async def connected(
    server: QdrantServer, wire: str = "rest", *, patience: int = 20, api_key: str | None = None
) -> AsyncIterator[AsyncQdrantClient]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
        client = AsyncQdrantClient(
            url=server.url,
            grpc_port=server.grpc_port if wire == "grpc" else 6334,
            prefer_grpc=wire == "grpc",
            timeout=patience,
            api_key=api_key,
            grpc_options={"grpc.initial_reconnect_backoff_ms": 50, "grpc.max_reconnect_backoff_ms": 50},
            check_compatibility=False,
        )
    try:
        yield client
    finally:
        await client.close()


def points(numbers: range = range(24)) -> list[models.PointStruct]:
    """Points in videos of four, of which every sixth has no words and every eighth no language."""
    rows = np.random.default_rng(7).standard_normal((len(UUIDS), 4)).astype(np.float32)
    return [
        models.PointStruct(
            id=UUIDS[number],
            vector={
                "pair": rows[number].tolist(),
                **(
                    {"words": models.SparseVector(indices=[number % 5, 100 + number % 3], values=[1.5, 0.5])}
                    if number % 6
                    else {}
                ),
            },
            payload={
                "video": f"v{number // 4}",
                "language": None if number % 8 == 0 else ("en", "de")[number % 2],
                "published": f"2024-05-{number + 1:02}T00:00:00Z",
                "start": number * 1.5,
                "tags": [str(number), "all"],
            },
        )
        for number in numbers
    ]


async def fill(client: AsyncQdrantClient) -> None:
    await client.create_collection(
        NAME, vectors_config=VECTORS, sparse_vectors_config=WORDS, metadata={"version": "v1", "videos": 6}
    )
    await client.upsert(NAME, points())


def matching(key: str, value: Any) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key=key, match=models.MatchValue(value=value))])


def told(answer: Any) -> Any:
    """Make answers of two clients comparable: scores and stored numbers are of 32 bits on one side."""
    if isinstance(answer, list | tuple):
        return [told(part) for part in answer]
    if isinstance(answer, dict):
        return {key: told(part) for key, part in answer.items()}
    if isinstance(answer, float):
        return pytest.approx(answer, rel=1e-6)
    fields = getattr(type(answer), "model_fields", None)
    return {key: told(getattr(answer, key)) for key in fields} if fields else answer


HERE = [0.25, -0.5, 1.0, 0.0]
SOME_WORDS = models.SparseVector(indices=[101, 3], values=[1.0, 2.0])

QUESTIONS: dict[str, Callable[[AsyncQdrantClient], Awaitable[Any]]] = {
    "dense": lambda client: client.query_points(NAME, query=HERE, using="pair", limit=5),
    "dense within": lambda client: client.query_points(
        NAME, query=HERE, using="pair", limit=24, score_threshold=3.0, with_payload=["video"]
    ),
    "dense filtered": lambda client: client.query_points(
        NAME, query=HERE, using="pair", query_filter=matching("language", "en"), offset=2, with_vectors=True
    ),
    "dense of some videos": lambda client: client.query_points(
        NAME,
        query=HERE,
        using="pair",
        query_filter=models.Filter(
            must=[models.FieldCondition(key="video", match=models.MatchAny(any=["v1", "v3"]))],
            must_not=[models.HasIdCondition(has_id=[UUIDS[5]])],
        ),
        search_params=models.SearchParams(exact=True, hnsw_ef=64),
    ),
    "sparse": lambda client: client.query_points(
        NAME, query=SOME_WORDS, using="words", query_filter=matching("video", "v2"), with_payload=False
    ),
    "by date": lambda client: client.query_points(
        NAME,
        query=HERE,
        using="pair",
        limit=24,
        query_filter=models.Filter(
            must=[
                models.FieldCondition(
                    key="published",
                    range=models.DatetimeRange(gte="2024-05-03T00:00:00Z", lt="2024-05-08T02:00:00+02:00"),
                )
            ]
        ),
    ),
    "a batch": lambda client: client.query_batch_points(
        NAME,
        [
            models.QueryRequest(query=HERE, using="pair", limit=3, with_payload=True),
            models.QueryRequest(query=models.NearestQuery(nearest=HERE), using="pair", score_threshold=2.0),
            models.QueryRequest(query=UUIDS[3], using="pair", limit=2),
        ],
    ),
    "groups": lambda client: client.query_points_groups(
        NAME, group_by="video", query=HERE, using="pair", limit=3, group_size=2, with_payload=["start"]
    ),
    "groups within": lambda client: client.query_points_groups(
        NAME, group_by="video", query=HERE, using="pair", limit=9, group_size=1, score_threshold=3.5
    ),
    "retrieved": lambda client: client.retrieve(NAME, [UUIDS[9], UUIDS[2]], with_vectors=["words"]),
    "a page": lambda client: client.scroll(NAME, limit=7, offset=UUIDS[4], with_payload=["tags"]),
    "ordered": lambda client: client.scroll(
        NAME, limit=5, order_by=models.OrderBy(key="start", direction=models.Direction.DESC)
    ),
    "counted": lambda client: client.count(NAME, matching("tags", "all")),
    "counted null": lambda client: client.count(
        NAME, models.Filter(must=[models.IsNullCondition(is_null=models.PayloadField(key="language"))])
    ),
    "faceted": lambda client: client.facet(NAME, "video", limit=3),
    "exists": lambda client: client.collection_exists("nothing"),
    "collections": lambda client: client.get_collections(),
}


@pytest.mark.filterwarnings("ignore:Local mode performs exact")
@pytest.mark.parametrize("question", QUESTIONS)
async def test_answers_like_the_emulation(
    client: AsyncQdrantClient, emulation: AsyncQdrantClient, question: str
) -> None:
    ask = QUESTIONS[question]
    assert told(await ask(client)) == told(await ask(emulation))


CHANGES: dict[str, Callable[[AsyncQdrantClient], Awaitable[Any]]] = {
    "payload by id": lambda client: client.set_payload(NAME, {"language": "fr"}, [UUIDS[1], UUIDS[2]]),
    "payload by filter": lambda client: client.set_payload(
        NAME, {"seen": True}, matching("video", "v3"), key="more"
    ),
    "payload over": lambda client: client.overwrite_payload(NAME, {"video": "v9"}, [UUIDS[7]]),
    "payload away": lambda client: client.delete_payload(NAME, ["tags"], matching("video", "v1")),
    "payload all away": lambda client: client.clear_payload(NAME, [UUIDS[7]]),
    "delete by id": lambda client: client.delete(NAME, [UUIDS[0], UUIDS[23]]),
    "delete by filter": lambda client: client.delete(NAME, matching("video", "v2")),
    "delete by both": lambda client: client.delete(
        NAME,
        models.FilterSelector(
            filter=models.Filter(
                must=matching("video", "v2").must, must_not=[models.HasIdCondition(has_id=[UUIDS[8]])]
            )
        ),
    ),
    "upsert over": lambda client: client.upsert(NAME, points(range(2, 3)) * 2),
    "a batch of columns": lambda client: client.upsert(
        NAME,
        models.Batch(
            ids=[77, 78], vectors={"pair": [HERE, HERE]}, payloads=[{"video": "v7"}, {"video": "v8"}]
        ),
    ),
    "vectors": lambda client: client.update_vectors(
        NAME, [models.PointVectors(id=UUIDS[4], vector={"pair": HERE})]
    ),
    "vectors away": lambda client: client.delete_vectors(NAME, ["words"], [UUIDS[4]]),
    "a batch": lambda client: client.batch_update_points(
        NAME,
        [
            models.DeleteOperation(delete=models.PointIdsList(points=[UUIDS[1]])),
            models.UpsertOperation(upsert=models.PointsList(points=points(range(1, 2)))),
            models.SetPayloadOperation(
                set_payload=models.SetPayload(payload={"a": 1}, filter=matching("video", "v0"))
            ),
            models.DeleteOperation(delete=models.FilterSelector(filter=matching("video", "v5"))),
        ],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_writes_like_the_emulation(
    client: AsyncQdrantClient, emulation: AsyncQdrantClient, change: str
) -> None:
    done = await CHANGES[change](client)
    await CHANGES[change](emulation)
    for result in done if isinstance(done, list) else [done]:
        assert result.status == models.UpdateStatus.COMPLETED
    for ask in (QUESTIONS["dense within"], QUESTIONS["sparse"], QUESTIONS["counted"]):
        assert told(await ask(client)) == told(await ask(emulation))
    whole = [await each.scroll(NAME, limit=50, with_vectors=True) for each in (client, emulation)]
    assert told(whole[0]) == told(whole[1])


async def test_a_threshold_leaves_out_what_is_just_as_far(client: AsyncQdrantClient) -> None:
    found = (await client.query_points(NAME, query=HERE, using="pair", limit=3)).points
    within = await client.query_points(NAME, query=HERE, using="pair", score_threshold=found[2].score)
    assert [point.id for point in within.points] == [found[0].id, found[1].id]


async def test_pages_follow_each_other_in_the_order_of_ids(client: AsyncQdrantClient) -> None:
    seen: list[Any] = []
    offset: Any = None
    while True:
        page, offset = await client.scroll(NAME, limit=5, offset=offset, with_payload=False)
        seen += [record.id for record in page]
        if offset is None:
            break
    assert seen == UUIDS


async def test_only_inserting_brings_back_what_was_deleted(client: AsyncQdrantClient) -> None:
    await client.delete(NAME, [UUIDS[3]])
    for mode, there in ((models.UpdateMode.UPDATE_ONLY, 23), (models.UpdateMode.INSERT_ONLY, 24)):
        await client.upsert(NAME, points(range(3, 4)), update_mode=mode)
        assert (await client.count(NAME)).count == there


async def test_an_exact_facet_names_what_only_deleted_points_had(client: AsyncQdrantClient) -> None:
    await client.delete(NAME, matching("video", "v2"))
    for exact, gone in ((True, [("v2", 0)]), (False, [])):
        found = await client.facet(NAME, "video", exact=exact)
        there = [(f"v{number}", 4) for number in (0, 1, 3, 4, 5)]
        assert [(hit.value, hit.count) for hit in found.hits] == there + gone
    found = await client.facet(NAME, "video", limit=2, exact=True)
    assert [hit.value for hit in found.hits] == ["v0", "v1"]


async def test_no_facet_without_an_index(client: AsyncQdrantClient) -> None:
    with pytest.raises((UnexpectedResponse, grpc.aio.AioRpcError), match="No appropriate index"):
        await client.facet(NAME, "language")


async def test_not_waiting_is_acknowledged(client: AsyncQdrantClient) -> None:
    result = await client.upsert(NAME, points(range(1)), wait=False)
    assert result.status == models.UpdateStatus.ACKNOWLEDGED


async def test_says_what_a_collection_is(client: AsyncQdrantClient, server: QdrantServer) -> None:
    await client.create_payload_index(
        NAME, "start", models.FloatIndexParams(type=models.FloatIndexType.FLOAT, on_disk=True)
    )
    await client.create_payload_index(NAME, "tags", models.PayloadSchemaType.KEYWORD)
    await client.delete_payload_index(NAME, "tags")
    await client.update_collection(
        NAME,
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=0),
        metadata={"videos": None, "built": "now"},
    )
    info = await client.get_collection(NAME)
    assert info.status == models.CollectionStatus.GREEN
    assert info.points_count == 24
    assert info.config.params.vectors == VECTORS
    assert info.config.params.sparse_vectors is not None
    assert info.config.params.sparse_vectors["words"].modifier == models.Modifier.IDF
    assert info.config.metadata == {"version": "v1", "built": "now"}
    assert info.config.optimizer_config.indexing_threshold == 0
    assert {field: index.data_type for field, index in info.payload_schema.items()} == {
        "video": models.PayloadSchemaType.KEYWORD,
        "start": models.PayloadSchemaType.FLOAT,
    }
    server.store.status = models.CollectionStatus.YELLOW
    assert (await client.get_collection(NAME)).status == models.CollectionStatus.YELLOW
    server.store.status = models.CollectionStatus.GREEN


async def test_an_alias_stands_for_its_collection_and_moves_at_once(client: AsyncQdrantClient) -> None:
    await client.create_collection("talks-v2", vectors_config=VECTORS, sparse_vectors_config=WORDS)
    await client.update_collection_aliases([aliased("talks", NAME)])
    assert (await client.count("talks")).count == 24
    assert (await client.get_collection("talks")).config.metadata == {"version": "v1", "videos": 6}
    assert await client.collection_exists("talks")
    await client.upsert("talks", points(range(1)))

    switch = [
        models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name="talks")),
        aliased("talks", "talks-v2"),
        aliased("before", NAME),
    ]
    await client.update_collection_aliases(switch)
    assert (await client.count("talks")).count == 0
    assert {one.alias_name: one.collection_name for one in (await client.get_aliases()).aliases} == {
        "talks": "talks-v2",
        "before": NAME,
    }
    assert [one.alias_name for one in (await client.get_collection_aliases(NAME)).aliases] == ["before"]

    await client.delete_collection(NAME)
    assert [one.alias_name for one in (await client.get_aliases()).aliases] == ["talks"]


def aliased(alias: str, collection: str) -> models.CreateAliasOperation:
    return models.CreateAliasOperation(
        create_alias=models.CreateAlias(alias_name=alias, collection_name=collection)
    )


REFUSED: dict[str, tuple[int, Callable[[AsyncQdrantClient], Awaitable[Any]]]] = {
    "no collection": (404, lambda client: client.count("nothing")),
    "nothing to describe": (404, lambda client: client.get_collection("nothing")),
    "nothing to alias": (404, lambda client: client.update_collection_aliases([aliased("x", "nothing")])),
    "there already": (409, lambda client: client.create_collection(NAME, vectors_config=VECTORS)),
    "alias taken": (409, lambda client: client.update_collection_aliases([aliased(NAME, NAME)])),
    "wrong size": (
        400,
        lambda client: client.upsert(NAME, [models.PointStruct(id=1, vector={"pair": [1.0]}, payload={})]),
    ),
    "no such vector": (400, lambda client: client.query_points(NAME, query=HERE, using="nothing")),
    "no limit": (422, lambda client: client.query_points(NAME, query=HERE, using="pair", limit=0)),
    "no point": (404, lambda client: client.set_payload(NAME, {"a": 1}, [4711])),
}
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ALREADY_EXISTS,
    422: grpc.StatusCode.INVALID_ARGUMENT,
}


@pytest.mark.parametrize("refused", REFUSED)
async def test_refuses_with_the_servers_status(client: AsyncQdrantClient, refused: str) -> None:
    status, ask = REFUSED[refused]
    with pytest.raises((UnexpectedResponse, grpc.aio.AioRpcError)) as raised:
        await ask(client)
    if isinstance(raised.value, UnexpectedResponse):
        assert raised.value.status_code == status
        assert set(raised.value.structured()) == {"status", "time"}
    else:
        assert raised.value.code() == CODES[status]


async def test_says_that_there_is_no_such_collection(client: AsyncQdrantClient) -> None:
    with pytest.raises((UnexpectedResponse, grpc.aio.AioRpcError), match="Not found: Collection `x`"):
        await client.count("x")


async def test_deleting_what_is_not_there_is_no_error(client: AsyncQdrantClient) -> None:
    assert not await client.delete_collection("nothing")


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("key", [None, "wrong", "right"])
async def test_asks_for_its_key(wire: str, key: str | None) -> None:
    with QdrantServer(api_key="right", grpc=True) as server:
        async with connected(server, wire, api_key=key) as client:
            if key == "right":
                assert (await client.get_collections()).collections == []
                return
            with pytest.raises((UnexpectedResponse, grpc.aio.AioRpcError)) as raised:
                await client.get_collections()
        if isinstance(raised.value, UnexpectedResponse):
            assert raised.value.status_code == 401
        else:
            assert raised.value.code() == grpc.StatusCode.UNAUTHENTICATED
        async with httpx.AsyncClient(base_url=server.url) as open_to_all:
            for path in ("/", "/healthz", "/readyz"):
                assert (await open_to_all.get(path)).status_code == 200


async def test_the_health_check_says_the_version(client: AsyncQdrantClient) -> None:
    assert (await client.info()).version.startswith("1.19.")


# What goes wrong


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("fault", "done"),
    [
        (CLOSE, False),
        (GARBAGE, False),
        (HALF, True),
        (HALF_STALL, True),
        (HANG, False),
        (LOST, True),
        (answering(500), False),
        (answering(503), False),
        (delaying(1.5), True),
    ],
    ids=lambda value: value.kind + str(value.status or "") if isinstance(value, Fault) else None,
)
async def test_a_spoilt_write(server: QdrantServer, wire: str, fault: Fault, *, done: bool) -> None:
    server.faults.clear()
    async with connected(server, wire) as other, connected(server, wire, patience=1) as client:
        await other.delete_collection(NAME)
        await fill(other)
        with server.faults.on(fault, where=writes), pytest.raises(Exception) as raised:  # noqa: PT011
            await client.delete(NAME, [UUIDS[0]])
        assert isinstance(
            raised.value,
            UnexpectedResponse | ResponseHandlingException | grpc.aio.AioRpcError | ValueError,
        )
        assert (await other.count(NAME)).count == (23 if done else 24)


@pytest.mark.parametrize("fault", [answering(429, retry_after=3), answering(429)])
async def test_too_many_requests(client: AsyncQdrantClient, server: QdrantServer, fault: Fault) -> None:
    with server.faults.on(fault), pytest.raises(Exception) as raised:  # noqa: PT011
        await client.count(NAME)
    if fault.retry_after:
        assert isinstance(raised.value, ResourceExhaustedResponse)
        assert raised.value.retry_after_s == 3
    else:
        assert isinstance(raised.value, UnexpectedResponse | grpc.aio.AioRpcError)


async def test_the_nth_write_fails_and_the_next_one_goes_well(
    client: AsyncQdrantClient, server: QdrantServer
) -> None:
    server.faults.start(answering(500), where=writes, after=2, times=1)
    outcomes = []
    for number in range(4):
        await client.count(NAME)
        try:
            await client.delete(NAME, [UUIDS[number]])
            outcomes.append("done")
        except (UnexpectedResponse, grpc.aio.AioRpcError):
            outcomes.append("refused")
    assert outcomes == ["done", "done", "refused", "done"]
    assert (await client.count(NAME)).count == 21
    assert sum(seen.writes for seen in server.seen) == 4


async def test_is_gone_as_of_a_request_and_comes_back_with_its_points(
    client: AsyncQdrantClient, server: QdrantServer
) -> None:
    server.faults.start(GONE, where=writes, after=1, times=1)
    await client.delete(NAME, [UUIDS[0]])
    for number in (1, 2):
        with pytest.raises((ResponseHandlingException, grpc.aio.AioRpcError)):
            await client.delete(NAME, [UUIDS[number]])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))
    server.listen()
    assert await eventually(lambda: client.count(NAME)) == models.CountResult(count=23)


async def test_refuses_connections_and_listens_again_on_the_same_port(
    client: AsyncQdrantClient, server: QdrantServer
) -> None:
    ports = server.port, server.grpc_port
    for _ in range(3):
        server.refuse()
        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
        with pytest.raises((ResponseHandlingException, grpc.aio.AioRpcError)):
            await client.count(NAME)
        server.listen()
        assert await eventually(lambda: client.count(NAME)) == models.CountResult(count=24)


async def eventually(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until there is an answer: a gRPC channel takes its time to try a server again."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await ask()
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.05)


async def test_stops_while_requests_hang() -> None:
    with QdrantServer(grpc=True) as server:
        server.faults.start(HANG)
        async with connected(server) as rest, connected(server, "grpc") as rpc:
            hanging = [asyncio.ensure_future(client.count(NAME)) for client in (rest, rpc)]
            await until(lambda: len(server.seen) == 2)
            await asyncio.to_thread(server.stop)
            for outcome in await asyncio.gather(*hanging, return_exceptions=True):
                assert isinstance(outcome, ResponseHandlingException | grpc.aio.AioRpcError)


async def test_a_connection_is_used_again() -> None:
    with QdrantServer() as server:
        async with httpx.AsyncClient(base_url=server.url) as client:
            streams = set()
            for _ in range(3):
                async with client.stream("GET", "/collections") as response:
                    await response.aread()
                    streams.add(response.extensions["network_stream"])
    assert len(streams) == 1


def test_two_servers_cannot_have_one_port() -> None:
    with QdrantServer(grpc=True) as server:
        for ports in ({"port": server.port}, {"grpc_port": server.grpc_port}):
            with pytest.raises(OSError, match="in use"):
                QdrantServer(grpc=True, **ports).start()


@pytest.mark.parametrize("wire", WIRES)
async def test_starts_again_where_it_was_stopped(wire: str) -> None:
    server = QdrantServer(grpc=True)
    with server:
        before = server.port, server.grpc_port
        async with connected(server, wire) as client:
            await fill(client)
    with server:
        assert (server.port, server.grpc_port) == before
        async with connected(server, wire) as client:
            assert (await client.count(NAME)).count == 24


async def test_a_body_that_is_too_large_is_refused() -> None:
    with QdrantServer() as server:
        async with httpx.AsyncClient(base_url=server.url) as client:
            response = await client.put("/collections/x/points", content=b" " * (33 << 20))
    assert response.status_code == 413
