"""Without a network the API starts, its documentation renders, and it opens no connection to other hosts."""

import subprocess
import sys

import msgspec
import pytest

from tests.support.no_network import ASKED, Told, shut_off
from tests.support.processes import PATIENCE, REPOSITORY, Ingest, can_unshare, command, environment, free_port

pytestmark = pytest.mark.skipif(not can_unshare("--net"), reason="This machine allows no network namespace.")


def told_of(program: list[str], **own: str) -> Told:
    finished = subprocess.run(
        shut_off(program),
        cwd=REPOSITORY,
        env=environment(PORT=str(free_port()), PYTHONPATH=str(REPOSITORY), **own),
        check=False,
        capture_output=True,
        timeout=2 * PATIENCE,
    )
    assert finished.returncode == 0, finished.stderr.decode()
    return msgspec.json.decode(finished.stdout, type=Told)


def test_it_starts_and_answers_without_a_network_and_contacts_no_host(ingest: Ingest) -> None:
    told = told_of(command("api"), INDEX_DIR=str(ingest.index_dir), MODEL_DIR=str(ingest.model_dir))
    assert told.ready_in is not None
    sys.stdout.write(f"ready in {told.ready_in:.2f} s: {told}\n")
    assert (told.unrouted, told.datagrams) == (0, 0)
    assert told.elsewhere in ([], None)
    # The service itself serves every script and style of its pages.
    assets = told.answers.keys() - set(ASKED)
    assert len([path for path in assets if path.startswith("/schema/assets/")]) >= 4
    assert len([path for path in assets if path.startswith("/app/assets/")]) >= 3
    assert {status for status, _ in told.answers.values()} == {200}
    assert all(length for _, length in told.answers.values())
