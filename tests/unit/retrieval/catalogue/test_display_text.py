from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.catalogue.display_text import clean_for_display
from tests.support.linear_time import assert_linear

# Any str, including lone surrogates.
any_text = st.text(st.characters(codec=None, exclude_categories=()))

# Parts that add up to entities in unexpected ways.
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
def test_text_is_cleaned(given_text: str, shown: str | None) -> None:
    assert clean_for_display(given_text) == (given_text if shown is None else shown)


@settings(deadline=None)
@given(any_text | scraps)
def test_cleaning_is_idempotent(text: str) -> None:
    once = clean_for_display(text)
    assert clean_for_display(once) == once


@settings(deadline=None)
@given(any_text | scraps)
def test_the_result_is_one_line_of_valid_unicode(text: str) -> None:
    shown = clean_for_display(text)
    shown.encode("utf-8")
    assert shown == " ".join(shown.split())
    assert not set(shown) & set("\x00\x1f\x7f\xad\u200b\u202e\u2066\ufeff")


@settings(deadline=None)
@given(st.lists(st.text(st.characters(categories=("L", "N")), min_size=1)))
def test_words_are_unchanged(words: list[str]) -> None:
    # The Hangul fillers are letters by category, but look like blanks.
    visible = [word for word in words if not set(word) & {"\u3164", "\uffa0"}]
    assert clean_for_display("\n".join(visible)) == " ".join(visible)


@pytest.mark.parametrize(
    "hostile",
    [
        lambda size: "&" + "amp;" * size,
        lambda size: "&semi" * size + ";",
        lambda size: "&#38" * size + ";" * size,
    ],
)
def test_hostile_text_takes_linear_time(hostile: Callable[[int], str]) -> None:
    assert_linear(lambda size: clean_for_display(hostile(size)), 5_000)
