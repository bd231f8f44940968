import errno
import logging
from functools import partial
from pathlib import Path

import pytest
import uvicorn

from api import app, command_line
from api.server.announcement import announce
from api.settings import SETTINGS
from tests.unit.api.fakes import EchoSearcher, opens


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


@pytest.fixture
def no_search(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A service without an index, with its default settings and no keys, whatever this checkout has."""
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.setenv("KEYS_FILE", str(tmp_path / "keys.json"))
    # Logging is configured once per process, and the test runner has its own.
    monkeypatch.setattr(command_line, "configure_logging", lambda *_, **__: None)
    create_app = partial(app.create_app, open_search=opens(EchoSearcher()))
    monkeypatch.setattr(command_line, "create_app", create_app)


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize(
    ("cause", "port", "line"),
    [
        (None, "8080", "Cannot listen on http://127.0.0.1:8080. Set another HOST or PORT.\n"),
        (errno.EADDRNOTAVAIL, "80", "Cannot listen on http://127.0.0.1:80. Set another HOST or PORT.\n"),
        (errno.EADDRINUSE, "80", "Port 80 is in use. Choose another one, for example: PORT=9000 make run\n"),
        (
            errno.EADDRINUSE,
            "9000",
            "Port 9000 is in use. Choose another one, for example: PORT=9001 make run\n",
        ),
        (errno.EACCES, "80", "This user may not listen on port 80. Set PORT to one above 1023.\n"),
    ],
)
def test_a_port_that_cannot_be_opened_prints_one_sentence_and_exits_with_1(
    cause: int | None,
    port: str,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def startup(*_: object) -> None:
        if cause:
            logging.getLogger("uvicorn.error").error(OSError(cause, "raw"))
        raise SystemExit(1)

    caplog.set_level(logging.ERROR, "uvicorn.error")  # As the service sets it.
    monkeypatch.setenv("PORT", port)

    monkeypatch.setattr(uvicorn.Server, "startup", startup)
    assert command_line.main([]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err, caplog.text) == ("", line, "")


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_prints_the_search_page_the_documentation_an_example_and_how_to_stop(
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
        f"Search page: http://{shown}:8080/\n"
        f"API documentation: http://{shown}:8080/schema\n"
        f"Try: curl 'http://{shown}:8080/v1/search?query=your+question'\n"
        "Stop: Ctrl-C\n"
    )
    (config,) = configs
    assert (config.timeout_graceful_shutdown, config.access_log, config.server_header) == (5, False, False)


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]")])  # noqa: S104
def test_announces_an_address_that_a_browser_can_open(
    host: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    announce(host, 80)
    assert capsys.readouterr().out.startswith(f"Search page: http://{shown}:80/\n")
