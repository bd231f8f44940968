"""What a person reads on a terminal of 80 columns: real processes on a pseudo-terminal."""

import re
import socket
from pathlib import Path

import pytest

from tests.integration.conftest import ROWS
from tests.support.documents import write_jsonl
from tests.support.processes import Ingest, command, environment, free_port
from tests.support.terminals import Screen, on_a_terminal

COLOUR = re.compile(r"\x1b\[(?:\d+;)*3[0-7]m")
BAD: list[dict[str, object]] = [
    {
        "video_id": "untimed",
        "title": "A title that is long enough " * 4,
        "transcript": "words",
        "url": "ftp:x",
    },
    {"video_id": "silent", "title": "A talk without a word"},
    {"video_id": "tomato", "title": "Growing tomatoes again"},
    {"video_id": "untitled", "title": None},
]


@pytest.fixture
def catalogue(empty: Ingest) -> Path:
    return write_jsonl(empty.index_dir.parent / "a-catalogue-with-a-long-name-of-talks.jsonl", [*ROWS, *BAD])


def shown(ingest: Ingest, *arguments: str | Path, **more: str) -> Screen:
    return on_a_terminal(command("ingest", *arguments), environment(**ingest.environment, **more))


def words(lines: list[str]) -> list[str]:
    return " ".join(lines).split()


def test_a_sync_is_wrapped_between_words_and_its_kinds_have_words_and_colours(
    empty: Ingest, catalogue: Path
) -> None:
    first = shown(empty, "sync", catalogue)
    assert first.code == 1
    lines = first.lines
    assert all(len(line) <= 80 or len(line.split()) == 1 for line in lines)
    text = " ".join(words(lines))
    assert "9 rows read: 7 to add, 2 rejected: 1 repeated id, 1 without a title." in text
    assert "Warnings: 1 unusable address." in text
    assert "note: 2 videos have no transcript; searches find them by title only:" in text
    assert "silent: A talk without a word" in text
    assert "Next: a running API loads this version within two seconds." in text
    assert text.index("Next: ") < text.index("note: 5 transcripts, 1 with times: ")
    assert text.endswith("see docs/ingest.md.")
    kinds = {
        kind: re.search(rf"\x1b\[([\d;]+)m{kind}:", first.raw) for kind in ("rejected", "warning", "note")
    }
    assert len({found[1] for found in kinds.values() if found}) == len(kinds)

    # In a pipe the same lines are not wrapped.
    again, piped = shown(empty, "sync", catalogue, NO_COLOR="1"), empty("sync", catalogue)
    assert words(again.lines) == words(piped.stdout.splitlines())
    assert max(map(len, piped.stdout.splitlines())) > 80
    assert not COLOUR.search(again.raw)
    assert "\x1b" not in piped.stdout


def test_errors_have_a_colour_and_are_wrapped(empty: Ingest) -> None:
    screen = shown(empty, "sync", "https://www.youtube.com/@handle")
    assert screen.code == 3
    assert re.search(r"\x1b\[[\d;]+merror:\x1b", screen.raw)
    assert all(len(line) <= 80 for line in screen.lines)
    assert "    https://www.youtube.com/@handle" in screen.lines


def test_a_start_ends_with_the_search_page_and_how_to_stop(
    small_index: tuple[Path, str], model_dir: Path
) -> None:
    port = free_port()
    own = {"INDEX_DIR": str(small_index[0]), "MODEL_DIR": str(model_dir.resolve()), "PORT": str(port)}
    screen = on_a_terminal(command("api"), environment(**own), stop_after="Stop: Ctrl-C")
    assert screen.code == 0
    assert screen.lines[:4] == [
        f"Search page: http://127.0.0.1:{port}/",
        f"API documentation: http://127.0.0.1:{port}/schema",
        f"Try: curl 'http://127.0.0.1:{port}/v1/search?query=your+question'",
        "Stop: Ctrl-C",
    ]
    with socket.create_server(("127.0.0.1", port)):
        refused = on_a_terminal(command("api"), environment(**own))
    assert refused.code == 1
    assert refused.lines == [f"Port {port} is in use. Choose another one, for example: PORT=9000 make run"]
