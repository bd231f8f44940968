from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from api import app, command_line
from api.settings import ApiSettings
from retrieval.errors import IncompatibleIndexError, ModelUnavailableError, VidsearchError
from retrieval.search.searcher import Searcher
from tests.unit.api.fakes import EchoSearcher, opens

VARIABLES = [
    *("HOST", "PORT", "INDEX_DIR", "MODEL_DIR", "SEARCH_CACHE", "ENCODER_THREADS", "MAX_SEARCHES"),
    *("DRAIN_SECONDS", "HEALTH_LEAST_COVERAGE", "HEALTH_MOST_DAYS"),
    *("QDRANT_URL", "QDRANT_API_KEY", "QDRANT_GRPC_PORT", "QDRANT_COLLECTION"),
    *("METRICS_PORT", "METRICS_HOST", "LOG_FORMAT", "LOG_LEVEL", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    *("KEYS_FILE", "API_KEYS", "RATE_LIMIT_KEY", "RATE_LIMIT_ADDRESS"),
    *("CORS_ORIGINS", "ALLOWED_HOSTS", "TRUSTED_PROXIES", "PAGE_THUMBNAILS"),
]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    # Not this checkout's own keys.
    monkeypatch.setenv("KEYS_FILE", str(tmp_path / "keys.json"))
    # Logging is the process's, and the test runner has its own.
    monkeypatch.setattr(command_line, "configure_logging", lambda *_, **__: None)


def test_help_lists_variables_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command_line.main(["--help"])
    assert stopped.value.code == 0
    told = capsys.readouterr().out
    assert all(name in told for name in [*VARIABLES, "examples:", "exit codes:"])


def test_these_variables_are_all_that_are_read() -> None:
    class Recording(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.add(name)
            return default

    asked: set[str] = set()
    ApiSettings.from_environment(Recording())
    # What the batch job alone needs is its own help's.
    assert asked - set(VARIABLES) <= {"QDRANT_SHARDS", "QDRANT_REPLICAS", "QDRANT_WRITE_CONSISTENCY"}


def test_an_unknown_option_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command_line.main(["--nope"])
    assert stopped.value.code == 2
    assert "--nope" in capsys.readouterr().err


def test_a_bad_setting_is_2_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", "none")
    assert command_line.main([]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert "PORT" in told.err


@pytest.mark.parametrize(
    "error", [ModelUnavailableError("no\nmodel"), IncompatibleIndexError("other model"), VidsearchError("x")]
)
def test_what_cannot_be_searched_is_3_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: VidsearchError
) -> None:
    @asynccontextmanager
    async def open_search(_: ApiSettings) -> AsyncIterator[Searcher]:
        raise error
        yield EchoSearcher()

    monkeypatch.setattr(
        command_line,
        "create_app",
        lambda s, draining: app.create_app(s, draining=draining, open_search=open_search),
    )
    assert command_line.main([]) == 3
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"{' '.join(str(error).split())}\n")


@pytest.fixture
def no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        command_line,
        "create_app",
        lambda s, draining: app.create_app(s, draining=draining, open_search=opens(EchoSearcher())),
    )


@pytest.mark.usefixtures("no_search")
def test_an_address_that_is_taken_is_1_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def startup(*_: object) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(uvicorn.Server, "startup", startup)
    assert command_line.main([]) == 1
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "Cannot listen on http://127.0.0.1:8080. Set another HOST or PORT.\n")


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_says_where_it_listens_and_what_to_try(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str, shown: str
) -> None:
    configs: list[uvicorn.Config] = []

    async def startup(server: uvicorn.Server, *_: object) -> None:
        configs.append(server.config)
        server.should_exit = True

    monkeypatch.setenv("HOST", host)
    monkeypatch.setattr(uvicorn.Server, "startup", startup)
    assert command_line.main([]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out == (
        f"vidsearch listens on http://{shown}:8080. "
        f"Try: curl 'http://{shown}:8080/v1/search?query=your+question'\n"
    )
    (config,) = configs
    assert (config.timeout_graceful_shutdown, config.access_log, config.server_header) == (5, False, False)
