from functools import partial
from pathlib import Path

import pytest
import uvicorn

from api import app, command_line
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


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_prints_its_address_and_an_example_request(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    host: str,
    shown: str,
) -> None:
    configs: list[uvicorn.Config] = []

    async def startup(server: uvicorn.Server, *_: object) -> None:
        configs.append(server.config)
        server.should_exit = True

    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    # This checkout may have keys.
    monkeypatch.setenv("KEYS_FILE", str(tmp_path / "keys.json"))
    monkeypatch.setenv("HOST", host)
    # Logging is configured once per process, and the test runner has its own.
    monkeypatch.setattr(command_line, "configure_logging", lambda *_, **__: None)
    create_app = partial(app.create_app, open_search=opens(EchoSearcher()))
    monkeypatch.setattr(command_line, "create_app", create_app)
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
