from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn

from api import app, command_line
from api.settings import SETTINGS, ApiSettings
from retrieval.errors import IncompatibleIndexError, ModelUnavailableError, VidsearchError
from retrieval.search.searcher import Searcher
from tests.unit.api.fakes import EchoSearcher, opens


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    # This checkout may have keys.
    monkeypatch.setenv("KEYS_FILE", str(tmp_path / "keys.json"))
    # Logging is configured once per process, and the test runner has its own.
    monkeypatch.setattr(command_line, "configure_logging", lambda *_, **__: None)


def test_help_lists_settings_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command_line.main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    names = [setting.name for setting in SETTINGS if setting.used_by != "ingest"]
    assert all(text in shown for text in [*names, "examples:", "exit codes:"])


def test_an_unknown_option_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command_line.main(["--nope"])
    assert stopped.value.code == 2
    assert "--nope" in capsys.readouterr().err


def test_a_bad_setting_prints_one_line_and_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", "none")
    assert command_line.main([]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert "PORT" in printed.err


@pytest.mark.parametrize(
    "error", [ModelUnavailableError("no\nmodel"), IncompatibleIndexError("other model"), VidsearchError("x")]
)
def test_a_search_that_cannot_be_opened_prints_one_line_and_exits_with_3(
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
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"{' '.join(str(error).split())}\n")


@pytest.fixture
def no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        command_line,
        "create_app",
        lambda s, draining: app.create_app(s, draining=draining, open_search=opens(EchoSearcher())),
    )


@pytest.mark.usefixtures("no_search")
def test_an_address_in_use_prints_one_line_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def startup(*_: object) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(uvicorn.Server, "startup", startup)
    assert command_line.main([]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (
        "",
        "Cannot listen on http://127.0.0.1:8080. Set another HOST or PORT.\n",
    )


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_prints_its_address_and_an_example_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str, shown: str
) -> None:
    configs: list[uvicorn.Config] = []

    async def startup(server: uvicorn.Server, *_: object) -> None:
        configs.append(server.config)
        server.should_exit = True

    monkeypatch.setenv("HOST", host)
    monkeypatch.setattr(uvicorn.Server, "startup", startup)
    assert command_line.main([]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out == (
        f"vidsearch listens on http://{shown}:8080. "
        f"Try: curl 'http://{shown}:8080/v1/search?query=your+question'\n"
    )
    (config,) = configs
    assert (config.timeout_graceful_shutdown, config.access_log, config.server_header) == (5, False, False)
