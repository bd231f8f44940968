"""OpenTelemetry traces: one span per request, and one per stage of its search.

Off unless an endpoint is set. Only then are the packages of the extra `tracing` imported. A span has the
route and the duration, but no query, no path and no text of an error.
"""

import asyncio
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING

from api import __version__
from retrieval.declared_setting import SettingsError
from retrieval.search.observer import SearchObserver, Stage

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

CLOSING_SECONDS = 2.0
"""How long a stopping service waits until the last spans are sent."""

_SERVICE = "vidsearch"
_SERVER_ERRORS = 500
_TRACE_HEADERS = frozenset({b"traceparent", b"tracestate"})


class RequestSpan:
    """The span of one request. This one is a no-op."""

    fields: Mapping[str, str] = MappingProxyType({})
    """The fields for the log."""

    def completed(self, method: str, route: str, status: int) -> None:
        """Record the outcome of the request."""


_NO_SPAN = nullcontext(RequestSpan())


class Tracing:
    """Creates spans after `start`, if there is an endpoint."""

    def __init__(self, endpoint: str | None, *, closing_seconds: float = CLOSING_SECONDS) -> None:
        """Send spans to `endpoint`, the URL of an OTLP collector. None: create no spans."""
        self._endpoint = endpoint
        self._closing_seconds = closing_seconds
        self._tracer: Tracer | None = None
        self._processor: SpanProcessor | None = None

    def start(self, exporter: "SpanExporter | None" = None) -> None:
        """Start, with `exporter` instead of the endpoint if one is passed.

        Raises SettingsError if there is an endpoint, but the OpenTelemetry packages are not installed.
        """
        if self._endpoint is None:
            return
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
                OTLPSpanExporter,
            )
            from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        except ImportError as e:
            raise SettingsError(
                "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the packages that send traces are not installed. "
                "Install them, or unset it: python -m pip install opentelemetry-sdk "
                "opentelemetry-exporter-otlp-proto-http"
            ) from e
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence, as OpenTelemetry specifies.
        resource = Resource.create({"service.name": _SERVICE, "service.version": __version__}).merge(
            OTELResourceDetector().detect()
        )
        address = f"{self._endpoint.rstrip('/')}/v1/traces"
        self._processor = BatchSpanProcessor(exporter or OTLPSpanExporter(endpoint=address))
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer(_SERVICE, __version__)

    async def close(self) -> None:
        """Send the remaining spans, for `closing_seconds` at most, and create no more."""
        processor, self._processor, self._tracer = self._processor, None, None
        if processor is None:
            return
        # The exporter retries an unreachable collector for longer than the service may take to stop.
        closing = threading.Thread(target=processor.shutdown, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, self._closing_seconds)

    def request(
        self, method: str, route: str, headers: Iterable[tuple[bytes, bytes]], *, skip: bool = False
    ) -> AbstractContextManager[RequestSpan]:
        """Open the span of one request, as a child of the span in its W3C trace context."""
        if self._tracer is None or skip:
            return _NO_SPAN
        return _request_span(self._tracer, method, route, headers)

    def observing(self, observer: SearchObserver) -> SearchObserver:
        """Wrap a search observer so that every stage is also a span."""
        return _TracedStages(observer, self._tracer) if self._tracer else observer


class _LiveSpan(RequestSpan):
    def __init__(self, span: "Span") -> None:
        self._span = span
        context = span.get_span_context()
        self.fields = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}

    def completed(self, method: str, route: str, status: int) -> None:
        self._span.update_name(f"{method} {route}")
        self._span.set_attributes({"http.route": route, "http.response.status_code": status})
        if status >= _SERVER_ERRORS:
            _mark_failed(self._span)


@contextmanager
def _request_span(
    tracer: "Tracer", method: str, route: str, headers: Iterable[tuple[bytes, bytes]]
) -> Iterator[RequestSpan]:
    from opentelemetry.trace import SpanKind  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier = {
        name.decode("ascii"): value.decode("latin-1") for name, value in headers if name in _TRACE_HEADERS
    }
    with tracer.start_as_current_span(
        f"{method} {route}",
        # An invalid header counts as no header.
        context=TraceContextTextMapPropagator().extract(carrier),
        kind=SpanKind.SERVER,
        attributes={"http.request.method": method},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield _LiveSpan(span)


class _TracedStages:
    """A SearchObserver that creates spans and forwards to another observer."""

    def __init__(self, observer: SearchObserver, tracer: "Tracer") -> None:
        self._observer = observer
        self._tracer = tracer
        self.looked_up = observer.looked_up
        self.found = observer.found
        self.degraded = observer.degraded

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        with (
            self._tracer.start_as_current_span(
                stage, record_exception=False, set_status_on_exception=False
            ) as span,
            self._observer.stage(stage),
        ):
            try:
                yield
            except BaseException:
                _mark_failed(span)
                raise


def _mark_failed(span: "Span") -> None:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415

    # Without the text of the error, which may contain anything.
    span.set_status(StatusCode.ERROR)
