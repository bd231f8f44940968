import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.observability.logs import LogFormat, LogLevel, configure_logging, with_fields

SECRET = "why does my zebra"  # noqa: S105 - a query.
CHANGED = ("", "api", "retrieval", "uvicorn", "httpx", "opentelemetry")

OTHERS = {"httpcore": "info", "httpx": "warning", "uvicorn.error": "error"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, levels = root.handlers[:], {name: logging.getLogger(name).level for name in CHANGED}
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def configured(
    log_format: LogFormat = "json", level: LogLevel = "info", stream: io.StringIO | None = None
) -> io.StringIO:
    stream = stream or io.StringIO()
    configure_logging(stream, log_format=log_format, level=level)
    return stream


def told(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail(query: str) -> None:
    raise ZeroDivisionError(len(query))


def test_every_record_is_one_line_of_json() -> None:
    stream = configured()
    logging.getLogger("retrieval.index.live_index").info("Serving index version %s", "v1")
    logging.getLogger("uvicorn.error").error("[Errno 98] taken\nindeed", extra={"color_message": "x"})
    logging.getLogger("api.observability.request_log").info(
        "request", extra={"status": 200, "route": "/search"}
    )
    one, two, three = told(stream)
    assert abs(datetime.fromisoformat(one.pop("timestamp")) - datetime.now(UTC)) < timedelta(seconds=10)
    assert one == {
        "event": "Serving index version v1",
        "level": "info",
        "logger": "retrieval.index.live_index",
    }
    assert (two["event"], two["level"]) == ("[Errno 98] taken\nindeed", "error")
    assert "color_message" not in two
    assert (three["status"], three["route"]) == (200, "/search")


def test_fields_are_added_to_records_in_the_block() -> None:
    stream = configured()
    logger = logging.getLogger("api.wire.problems")
    with with_fields(request_id="r1"):
        with with_fields(trace_id="t1"):
            logger.info("within")
        logger.info("around")
    logger.info("after")
    ids = [(line.get("request_id"), line.get("trace_id")) for line in told(stream)]
    assert ids == [("r1", "t1"), ("r1", None), (None, None)]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_variable(log_format: LogFormat) -> None:
    stream = configured(log_format)
    try:
        fail(SECRET)
    except ZeroDivisionError:
        logging.getLogger("api.wire.problems").exception("Unexpected error in GET /v1/search")
    text = stream.getvalue()
    assert "Unexpected error in GET /v1/search" in text
    assert "ZeroDivisionError: 17" in text
    assert "in fail" in text
    assert SECRET not in text
    if log_format == "json":
        assert len(told(stream)) == 1


@pytest.mark.parametrize(
    ("log_format", "stream", "is_json"),
    [
        ("auto", io.StringIO(), True),
        ("auto", Terminal(), False),
        ("json", Terminal(), True),
        ("console", io.StringIO(), False),
    ],
)
def test_a_terminal_gets_a_readable_form(
    log_format: LogFormat, stream: io.StringIO, *, is_json: bool
) -> None:
    configured(log_format, stream=stream)
    logging.getLogger("api.observability.request_log").info(
        "request", extra={"status": 200, "route": "/v1/search"}
    )
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("{") is is_json
    plain = re.sub(r"\x1b\[\d+m", "", line)
    assert "request" in plain
    assert is_json or re.search(r"\[info *\] request .*route=/v1/search", plain)
    # Colours are for eyes.
    assert (plain != line) is (not is_json and isinstance(stream, Terminal))


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("debug", {"api": "debug", "retrieval": "debug", **OTHERS}),
        ("info", {"api": "info", "retrieval": "info", **OTHERS}),
        ("error", dict.fromkeys(("api", "retrieval", *OTHERS), "error")),
    ],
)
def test_below_info_only_our_own_records_are_logged(level: LogLevel, heard: dict[str, str]) -> None:
    stream = configured(level=level)
    for name in heard:
        for severity in ("debug", "info", "warning", "error"):
            logging.getLogger(f"{name}.part").log(logging.getLevelNamesMapping()[severity.upper()], "x")
    lowest: dict[str, str] = {}
    for line in told(stream):
        lowest.setdefault(line["logger"].removesuffix(".part"), line["level"])
    assert lowest == heard


def test_configuring_again_replaces() -> None:
    first, second = configured(), configured()
    logging.getLogger("api").info("x")
    assert (first.getvalue(), len(told(second))) == ("", 1)
