import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.access.key_file import read_keys
from api.access.keys import Keyring, from_variable, make_key, to_variable
from api.command_line import main

KEY = re.compile(r"vs_[0-9a-f]{12}_[0-9a-f]{40}")


@pytest.fixture(autouse=True)
def keys_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "folder" / "keys.json"
    monkeypatch.setenv("KEYS_FILE", str(path))
    monkeypatch.delenv("API_KEYS", raising=False)
    return path


def test_a_key_is_printed_once_and_stored(keys_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "add", "web", "--scope", "metrics", "--scope", "search", "--scope", "search"]) == 0
    shown = capsys.readouterr().out
    assert KEY.fullmatch(shown.removesuffix("\n"))
    found = Keyring(read_keys(keys_file) or ()).find(shown.strip().encode())
    assert found
    assert (found.name, found.scopes) == ("web", ("search", "metrics"))

    assert main(["keys", "list"]) == 0
    told = capsys.readouterr().out
    assert re.search(
        rf"^web +search\+metrics +{shown[:15]} +\d{{4}}-\d\d-\d\d \d\d:\d\d +", told, re.MULTILINE
    )
    assert shown.strip()[16:] not in told


def test_a_name_is_unique(keys_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "add", "web", "--scope", "search"]) == 0
    before = keys_file.read_bytes()
    capsys.readouterr()
    assert main(["keys", "add", "web", "--scope", "admin"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "web" in told.err
    assert keys_file.read_bytes() == before


def test_a_revoked_key_is_deleted_and_keys_stay_required_after_the_last(
    keys_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("web", "other"):
        main(["keys", "add", name, "--scope", "search"])
    assert main(["keys", "revoke", "web"]) == 0
    assert [key.name for key in read_keys(keys_file) or ()] == ["other"]
    assert "still need one" not in capsys.readouterr().err
    assert main(["keys", "revoke", "other"]) == 0
    assert read_keys(keys_file) == ()
    assert "still need one" in capsys.readouterr().err


def test_an_unknown_key_cannot_be_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "revoke", "web"]) == 2
    assert "no key named 'web'" in capsys.readouterr().err


def test_an_empty_list_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "list"]) == 0
    assert capsys.readouterr().out == "There are no keys.\n"


def test_a_key_for_the_environment_is_not_stored(
    keys_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "add", "web", "--scope", "search", "--print-env"]) == 0
    key, line = capsys.readouterr().out.splitlines()
    name, _, value = line.partition("=")
    assert name == "API_KEYS"
    assert Keyring(from_variable(value)).find(key.encode())
    assert not keys_file.exists()

    # A second one comes with the first.
    monkeypatch.setenv("API_KEYS", value)
    assert main(["keys", "add", "other", "--scope", "search", "--print-env"]) == 0
    both = capsys.readouterr().out.splitlines()[1].partition("=")[2]
    assert [each.name for each in from_variable(both)] == ["web", "other"]


def test_keys_of_the_environment_are_listed_but_revoked_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("API_KEYS", to_variable(make_key("web", ["admin"], datetime.now(UTC))[1]))
    main(["keys", "list"])
    assert re.search(r"^web +admin +vs_\w+ +unknown +API_KEYS$", capsys.readouterr().out, re.MULTILINE)
    assert main(["keys", "revoke", "web"]) == 2
    assert "API_KEYS" in capsys.readouterr().err
    assert main(["keys", "add", "web", "--scope", "search"]) == 2


@pytest.mark.parametrize(
    "arguments",
    [["keys"], ["keys", "add"], ["keys", "add", "web"], ["keys", "add", "web", "--scope", "all"], ["key"]],
)
def test_an_incomplete_command_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2


def test_an_invalid_name_exits_with_2(keys_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "add", "a b", "--scope", "search"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not keys_file.exists()
