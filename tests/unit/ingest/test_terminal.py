import io

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


def test_colours_differ() -> None:
    shown = set()
    for kind in ("error", "rejected", "warning", "note"):
        out = io.StringIO()
        Terminal(file=out, force_terminal=True, color_system="standard", no_color=False).print(f"{kind}: x")
        shown.add(out.getvalue().partition("m")[0])
    assert len(shown) == 4
