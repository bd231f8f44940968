"""Keys, rate limits and refusals of `python -m api`, as operators and clients see them."""

import contextlib
import http.client
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.access.key_file import read_keys
from api.access.keys import Keyring
from tests.support.processes import (
    PATIENCE,
    REPOSITORY,
    Api,
    Ingest,
    command,
    environment,
    eventually,
    free_port,
    run_module,
    running_api,
)

EVERYWHERE = "0.0.0.0"  # noqa: S104 - the test checks that this is refused.
SEARCH = "/v1/search"
CLOSED = 401
OPEN = 503
"""The status of an accepted request, as there is no index."""


@pytest.fixture
def keys_file(folder: Path) -> Path:
    return folder / "keys" / "keys.json"


def keys(keys_file: Path, *arguments: str) -> str:
    """Run a `keys` command that must succeed, and return its output."""
    finished = run_module("api", "keys", *arguments, KEYS_FILE=str(keys_file))
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def ask(api: Api, key: str | None = None, **headers: str) -> httpx.Response:
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    return httpx.get(f"{api.address}{SEARCH}", params={"query": "x"}, headers=headers, timeout=PATIENCE)


def test_keys_are_added_and_revoked_without_a_restart(empty: Ingest, keys_file: Path) -> None:
    own = {"HOST": EVERYWHERE, "KEYS_FILE": str(keys_file)}
    with running_api(empty.index_dir, empty.model_dir, "--open", **own) as api:
        assert ask(api).status_code == OPEN
        key = keys(keys_file, "add", "web", "--scope", "search")
        eventually(lambda: ask(api).status_code == CLOSED or None)
        assert ask(api, key).status_code == OPEN
        assert ask(api, "wrong").status_code == CLOSED
        assert api.get("/livez").status_code == 200
        keys(keys_file, "revoke", "web")
        eventually(lambda: ask(api, key).status_code == CLOSED or None)
        # Without any key left, the service is closed instead of open.
        assert ask(api).status_code == CLOSED
        assert api.stop() == 0
    logged = next(empty.index_dir.parent.glob("api-*.log")).read_text()
    assert key not in logged
    assert "Traceback" not in logged


def test_a_public_address_needs_a_key(empty: Ingest, keys_file: Path) -> None:
    own = {**empty.environment, "HOST": EVERYWHERE, "PORT": str(free_port()), "KEYS_FILE": str(keys_file)}
    refused = run_module("api", **own)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1
    assert "python -m api keys add" in refused.stderr
    assert "--open" in refused.stderr

    key, line = keys(keys_file, "add", "web", "--scope", "search", "--print-env").splitlines()
    with running_api(
        empty.index_dir, empty.model_dir, HOST=EVERYWHERE, API_KEYS=line.partition("=")[2]
    ) as api:
        assert ask(api).status_code == CLOSED
        assert ask(api, key).status_code == OPEN


def test_two_writers_lose_no_key(keys_file: Path) -> None:
    names = [f"key-{number}" for number in range(3)]
    adding = [
        subprocess.Popen(
            command("api", "keys", "add", name, "--scope", "search"),
            cwd=REPOSITORY,
            env=environment(KEYS_FILE=str(keys_file)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    printed = [process.communicate(timeout=PATIENCE)[0].strip() for process in adding]
    assert [process.returncode for process in adding] == [0] * len(names)
    kept = read_keys(keys_file) or ()
    assert sorted(key.name for key in kept) == names
    ring = Keyring(kept)
    found = [ring.find(key.encode()) for key in printed]
    assert [key and key.name for key in found] == names


# Kills its own process right before the file system change with this number.
STOPPING = """
import os, sys
steps = int(sys.argv[1])
def stop(event, arguments):
    global steps
    change = event in ("os.rename", "os.mkdir") or (
        event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR) and "keys.json" in str(arguments[0]))
    if change:
        steps -= 1
        if steps == 0:
            os._exit(77)
from api.command_line import main
sys.addaudithook(stop)
sys.exit(main(["keys", "add", "late", "--scope", "search"]))
"""


def test_an_add_that_is_killed_at_any_step_leaves_the_old_keys(keys_file: Path) -> None:
    keys(keys_file, "add", "first", "--scope", "search")
    before = keys_file.read_bytes()
    codes = []
    for step in range(1, 10):
        stopped = subprocess.run(
            [sys.executable, "-c", STOPPING, str(step)],
            cwd=REPOSITORY,
            env=environment(KEYS_FILE=str(keys_file)),
            capture_output=True,
            check=False,
        )
        codes.append(stopped.returncode)
        if stopped.returncode != 77:
            break
        assert keys_file.read_bytes() == before
        assert stopped.stdout == b""
    # The steps: make the folder, open the lock, write the temporary file, rename it.
    assert codes == [77, 77, 77, 77, 0]
    assert [key.name for key in read_keys(keys_file) or ()] == ["first", "late"]


@pytest.fixture
def limited(empty: Ingest) -> Iterator[Api]:
    with running_api(empty.index_dir, empty.model_dir, RATE_LIMIT_ADDRESS="3/hour") as api:
        yield api


def test_a_rate_limit_is_announced_and_ignores_forwarded_addresses(limited: Api) -> None:
    answers = [ask(limited, **{"x-forwarded-for": f"192.0.2.{number}"}) for number in range(5)]
    assert [answer.status_code for answer in answers] == [OPEN, OPEN, OPEN, 429, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0", "0"]
    assert answers[3].json()["code"] == "rate-limited"
    assert 1100 < int(answers[3].headers["retry-after"]) <= 1200
    assert limited.get("/livez").status_code == 200


def test_only_the_address_that_a_trusted_proxy_added_is_limited(empty: Ingest) -> None:
    own = {"RATE_LIMIT_ADDRESS": "1/hour", "TRUSTED_PROXIES": "127.0.0.1"}
    with running_api(empty.index_dir, empty.model_dir, **own) as api:
        asked = [
            ("192.0.2.1", OPEN),
            ("192.0.2.1", 429),
            # Addresses before the one that the proxy added were sent by the client.
            ("198.51.100.9, 192.0.2.1", 429),
            ("192.0.2.2", OPEN),
            ("2001:db8::1", OPEN),
            ("2001:db8::2", 429),
            ("2001:db8:0:1::1", OPEN),
        ]
        assert [ask(api, **{"x-forwarded-for": sent}).status_code for sent, _ in asked] == [
            status for _, status in asked
        ]


@contextlib.contextmanager
def connected(api: Api) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(api.address.rpartition(":")[2]), timeout=PATIENCE
    )
    try:
        yield connection
    finally:
        connection.close()


def test_a_chunked_body_is_refused_at_the_limit(small_api: Api) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b" " * 65_536

    with connected(small_api) as connection:
        with contextlib.suppress(ConnectionError):
            connection.request(
                "POST",
                f"{SEARCH}/batch",
                endless(),
                {"content-type": "application/json"},
                encode_chunked=True,
            )
        answer = connection.getresponse()
        assert (answer.status, answer.headers["content-type"]) == (413, "application/problem+json")


def test_an_unexpected_body_is_not_read(small_api: Api) -> None:
    with connected(small_api) as connection:
        connection.request("GET", "/livez", b"x" * 1_000_000)
        assert connection.getresponse().read() == b'{"status":"pass"}'
        connection.request("GET", "/livez")
        assert connection.getresponse().status == 200
