import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.catalogue.display_text import clean_for_display
from tests.support.processor_time import bounded

# Every character that a str may hold, lone surrogates included.
any_text = st.text(st.characters(codec=None, exclude_categories=()))

# Scraps of which entities come about in ways nobody plans for.
scraps = st.lists(
    st.sampled_from("&;#a \n\u00e9\u200b\u200d\u2800\u202e\ud83d\ude00")
    | st.sampled_from(["amp", "lt", "semi", "num", "zwj", "nbsp", "#38;", "x26", "8203", "&amp;", "&#8205;"]),
    max_size=30,
).map("".join)


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("", ""),
        ("plain", "plain"),
        ("  two \t\r\n words\u00a0here\u3000now\u2028then ", "two words here now then"),
        ("\u2800blank\u3164letters\uffa0", "blank letters"),
        ("AT&amp;T &lt;3 &quot;x&quot; &#39;y&#x27; caf&eacute;", "AT&T <3 \"x\" 'y' caf\u00e9"),
        ("twice &amp;amp;#39;escaped&amp;quot;", "twice 'escaped\""),
        ("a&nbsp;b&#160;c&NewLine;d", "a b c d"),
        ("https://a.b/?x=1&region=us&copy=2 &notanentity; &;&#; R&D", None),
        ("&notit; &ampx;", None),
        ("zero\u200bwidth\ufeff soft\u00adhyphen", "zerowidth softhyphen"),
        ("\u202eright\u202c \u200eto\u200f \u2066left\u2069", "right to left"),
        ("nul\x00 bell\x07 del\x7f c1\x9b", "nul bell del c1"),
        ("lone \ud800 and \udfff", "lone \ufffd and \ufffd"),
        ("pair \ud83d\ude00", "pair \U0001f600"),
        ("&#xD800; &#0; &#x110000; &#x80;", "\ufffd \ufffd \ufffd \u20ac"),
        ("lost joiner a\u200db \u200c", "lost joiner ab"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", None),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", None),
        ("\u4f60\u597d\uff0c\u4e16\u754c\u3002", None),
    ],
)
def test_shows_text_as_meant(given_text: str, shown: str | None) -> None:
    assert clean_for_display(given_text) == (given_text if shown is None else shown)


@settings(deadline=None)
@given(any_text | scraps)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = clean_for_display(text)
    assert clean_for_display(once) == once


@settings(deadline=None)
@given(any_text | scraps)
def test_gives_one_line_that_can_be_written_anywhere(text: str) -> None:
    shown = clean_for_display(text)
    shown.encode("utf-8")
    assert shown == " ".join(shown.split())
    assert not set(shown) & set("\x00\x1f\x7f\xad\u200b\u202e\u2066\ufeff")


@settings(deadline=None)
@given(st.lists(st.text(st.characters(categories=("L", "N")), min_size=1)))
def test_keeps_ordinary_words(words: list[str]) -> None:
    # The Hangul fillers are letters by category and blanks to the eye.
    visible = [word for word in words if not set(word) & {"\u3164", "\uffa0"}]
    assert clean_for_display("\n".join(visible)) == " ".join(visible)


@pytest.mark.parametrize(
    "hostile", ["&" + "amp;" * 60_000, "&semi" * 50_000 + ";", "&#38" * 60_000 + ";" * 60_000]
)
def test_takes_linear_time_for_hostile_text(hostile: str) -> None:
    with bounded(3):
        clean_for_display(hostile)
