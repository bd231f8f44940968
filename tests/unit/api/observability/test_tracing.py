import sys
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from api.observability.tracing import Tracing
from retrieval.declared_setting import SettingsError
from tests.support.observers import KeepingObserver

pytestmark = pytest.mark.anyio

ENDPOINT = "http://127.0.0.1:9"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = (b"traceparent", f"00-{TRACE}-{PARENT}-01".encode())


class Traced:
    """Tracing into memory."""

    def __init__(self) -> None:
        self.tracing = Tracing(ENDPOINT)
        self._exporter = InMemorySpanExporter()
        self.tracing.start(self._exporter)

    async def ended(self) -> list[ReadableSpan]:
        await self.tracing.close()
        return list(self._exporter.get_finished_spans())


@pytest.fixture
async def traced() -> AsyncIterator[Traced]:
    traced = Traced()
    yield traced
    await traced.tracing.close()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_request_is_a_span(traced: Traced) -> None:
    with traced.tracing.request("GET", "unmatched", []) as span:
        assert len(span.fields["trace_id"]) == 32
        assert len(span.fields["span_id"]) == 16
        span.completed("GET", "/v1/search", 200)
    (ended,) = await traced.ended()
    assert (ended.name, ended.kind, ended.parent) == ("GET /v1/search", SpanKind.SERVER, None)
    assert attributes(ended) == {
        "http.request.method": "GET",
        "http.route": "/v1/search",
        "http.response.status_code": 200,
    }
    assert ended.status.status_code is StatusCode.UNSET
    assert ended.resource.attributes["service.name"] == "vidsearch"


@pytest.mark.parametrize(
    "given", [b"", b"nonsense", b"00-zz-zz-01", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", b"\xff\xfe"]
)
async def test_an_invalid_trace_context_starts_a_new_trace(traced: Traced, given: bytes) -> None:
    with traced.tracing.request("GET", "/search", [(b"traceparent", given)]):
        pass
    (ended,) = await traced.ended()
    assert ended.parent is None


async def test_stages_are_child_spans_and_reach_the_other_observer(traced: Traced) -> None:
    keeping = KeepingObserver()
    observer = traced.tracing.observing(keeping)
    with traced.tracing.request("GET", "/search", []):
        with observer.stage("encode"):
            pass
        with observer.stage("vector"):
            observer.looked_up(hit=True)
            observer.found("classic", 3)
    encode, vector, request = await traced.ended()
    assert [span.name for span in (encode, vector)] == ["encode", "vector"]
    assert request.context
    for stage in (encode, vector):
        assert stage.parent
        assert stage.parent.span_id == request.context.span_id
    assert (keeping.ended, keeping.hits, keeping.counts) == (["encode", "vector"], [True], [("classic", 3)])


async def test_an_error_marks_its_spans_without_its_text(traced: Traced) -> None:
    observer = traced.tracing.observing(KeepingObserver())

    def fail() -> None:
        with traced.tracing.request("GET", "/search", []) as span, observer.stage("encode"):
            span.completed("GET", "/search", 500)
            raise ZeroDivisionError("why does my zebra")

    with pytest.raises(ZeroDivisionError):
        fail()
    ended = await traced.ended()
    assert [each.status.status_code for each in ended] == [StatusCode.ERROR] * 2
    assert "zebra" not in "".join(each.to_json() for each in ended)


async def test_without_an_endpoint_there_are_no_spans() -> None:
    tracing = Tracing(None)
    tracing.start()
    observer = KeepingObserver()
    assert tracing.observing(observer) is observer
    with tracing.request("GET", "/search", [TRACEPARENT]) as span:
        span.completed("GET", "/search", 200)
        assert dict(span.fields) == {}
    await tracing.close()


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SettingsError, match="pip install opentelemetry-sdk") as refused:
        Tracing(ENDPOINT).start()
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in str(refused.value)


async def test_a_collector_that_hangs_does_not_block_the_end() -> None:
    released = threading.Event()

    class HangingExporter(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            released.wait(len(spans) * 30)
            return SpanExportResult.SUCCESS

    tracing = Tracing(ENDPOINT, closing_seconds=0.1)
    tracing.start(HangingExporter())
    with tracing.request("GET", "/search", []):
        pass
    await tracing.close()
    # `close` returned although the exporter still waits.
    assert not released.is_set()
    released.set()
