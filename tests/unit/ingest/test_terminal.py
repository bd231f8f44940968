import io
import subprocess
import sys
from subprocess import PIPE

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.terminal import Terminal, wrapped

PATH = "/srv/catalogues/of/the/whole/company/" + "talks-" * 10 + ".jsonl"


def test_a_message_is_wrapped_between_words_and_continued_with_an_indent() -> None:
    assert wrapped("rejected: talks.csv, line 3: is empty; give every video a title", 30).split("\n") == [
        "rejected: talks.csv, line 3:",
        "  is empty; give every video a",
        "  title",
    ]


def test_a_long_word_stays_whole_and_lines_stay_lines() -> None:
    assert wrapped(f"See {PATH} for all of them\n  one two", 12).split("\n") == [
        "See",
        PATH,
        "for all of",
        "them",
        "  one two",
    ]


def test_wide_characters_count_twice() -> None:
    assert wrapped("東京 東京", 8) == "東京\n東京"


@given(st.text("ab :\n", max_size=80), st.integers(1, 30))
def test_wrapping_keeps_every_word(message: str, width: int) -> None:
    lines = wrapped(message, width).split("\n")
    assert " ".join(lines).split() == message.split()
    assert all(len(line) <= width or len(line.split()) <= 1 for line in lines)


@pytest.mark.parametrize("kind", ["error", "rejected", "warning", "note"])
def test_each_kind_has_a_word_everywhere_and_a_colour_on_a_terminal(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    message = f"{kind}: [red]{PATH}[/red] :smile: 5"
    out, shown, plain = io.StringIO(), io.StringIO(), io.StringIO()
    Terminal(file=out).print(message)
    Terminal(file=shown, force_terminal=True, width=200, color_system="standard").print(message)
    monkeypatch.setenv("NO_COLOR", "1")
    Terminal(file=plain, force_terminal=True, width=200, color_system="standard").print(message)
    assert out.getvalue() == f"{message}\n"
    assert shown.getvalue().startswith("\x1b[")
    assert shown.getvalue().endswith(f"m{kind}:\x1b[0m {message.partition(' ')[2]}\n")
    for colour in range(30, 38):
        assert f"{colour}m" not in plain.getvalue()


@pytest.mark.parametrize("is_terminal", [False, True])
def test_control_characters_are_shown_and_not_sent(is_terminal: bool) -> None:  # noqa: FBT001
    out = io.StringIO()
    Terminal(file=out, force_terminal=is_terminal, color_system=None).print("a\x1b[31m\x07\x9b\r.csv\nb")
    assert out.getvalue() == "a\\x1b[31m\\x07\\x9b\\x0d.csv\nb\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_leaves_early_does_not_end_the_run(stream: str) -> None:
    script = (
        "import sys\n"
        "from ingest.terminal import Terminal\n"
        f"console = Terminal(stderr={stream == 'stderr'})\n"
        "sys.stdin.read()\n"
        "for _ in range(5):\n"
        "    console.print('one more line')\n"
        "sys.exit(7)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        read, other = (process.stdout, process.stderr)[:: 1 if stream == "stdout" else -1]
        read.close()
        process.stdin.close()
        assert other.read() == ""
        assert process.wait() == 7


def test_colours_differ() -> None:
    shown = set()
    for kind in ("error", "rejected", "warning", "note"):
        out = io.StringIO()
        Terminal(file=out, force_terminal=True, color_system="standard", no_color=False).print(f"{kind}: x")
        shown.add(out.getvalue().partition("m")[0])
    assert len(shown) == 4
