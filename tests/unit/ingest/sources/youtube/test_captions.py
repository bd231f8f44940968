from pathlib import Path

import msgspec
import pytest

from ingest.errors import SourceError
from ingest.sources.youtube.captions import (
    BLOCKED_IN_A_ROW,
    CaptionLine,
    Captions,
    CaptionsBlockedError,
    CaptionsFailedError,
    KnownCaptions,
    choose_track,
)
from ingest.sources.youtube.kept_captions import (
    FORGOTTEN_SECONDS,
    KEPT_SECONDS,
    MISSING_SECONDS,
    KeptCaptions,
    Spool,
)
from ingest.sources.youtube.retries import Patience, TryAgainError, read_retry_after
from ingest.sources.youtube.videos import read_duration

CAPTIONS = Captions("en", "manual", [CaptionLine(0.5, 2.0, "Hello world")])


class Track(msgspec.Struct):
    language_code: str
    is_generated: bool = False


class TableFetcher:
    """A CaptionFetcher that looks captions up, raising what is an error, and keeps what it was asked."""

    def __init__(self, answers: dict[str, Captions | Exception | None]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def fetch(self, video_id: str) -> Captions | None:
        self.asked.append(video_id)
        answer = self.answers[video_id]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Clock:
    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


def known(
    fetcher: TableFetcher, folder: Path | None = None, *, languages: tuple[str, ...] = ("en",), clock: Clock
) -> KnownCaptions:
    return KnownCaptions(fetcher, KeptCaptions(folder, languages, now=clock))


@pytest.mark.parametrize(
    ("tracks", "languages", "chosen"),
    [
        (["de", "en"], ("en",), "en"),
        (["en*", "en"], ("en",), "en"),
        (["de", "en*"], ("en",), "en*"),
        (["de", "en-GB*", "en*"], ("en",), "en*"),
        (["de", "en-GB"], ("EN",), "en-GB"),
        (["en*", "en-GB"], ("en",), "en-GB"),
        (["en", "de*"], ("de", "en"), "de*"),
        (["fr*", "de", "es"], ("en",), "de"),
        (["fr*"], ("en",), "fr*"),
        (["fr*", "de"], (), "de"),
        ([], ("en",), None),
        (["eng"], ("en",), "eng"),
    ],
)
def test_the_language_asked_for_comes_first_then_a_persons_captions(
    tracks: list[str], languages: tuple[str, ...], chosen: str | None
) -> None:
    """A star stands for automatic captions."""
    made = [Track(code.removesuffix("*"), code.endswith("*")) for code in tracks]
    track = choose_track(made, languages)
    assert (track and track.language_code + "*" * track.is_generated) == chosen


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT1H2M3S", 3723.0),
        ("PT15S", 15.0),
        ("PT4M", 240.0),
        ("P1DT2H", 93_600.0),
        ("P1W", 604_800.0),
        ("PT0.5S", 0.5),
        ("P0D", None),
        ("PT0S", None),
        ("P", None),
        ("1:02:03", None),
        ("P1Y", None),
        ("PT\u0661S", None),
        (None, None),
    ],
)
def test_durations(text: str | None, seconds: float | None) -> None:
    assert read_duration(text) == seconds


def test_captions_are_fetched_once_and_missing_ones_again_after_a_day() -> None:
    clock = Clock()
    fetcher = TableFetcher({"a": CAPTIONS, "b": None})
    captions = known(fetcher, clock=clock)
    for _ in range(2):
        assert captions.of_video("a", has_manual=True) == CAPTIONS
        assert captions.of_video("b", has_manual=False) is None
    assert fetcher.asked == ["a", "b"]
    clock.now += MISSING_SECONDS
    fetcher.answers["b"] = CAPTIONS
    assert captions.of_video("b", has_manual=False) == CAPTIONS
    clock.now += KEPT_SECONDS[1] - MISSING_SECONDS
    assert captions.of_video("a", has_manual=True) == CAPTIONS
    assert fetcher.asked == ["a", "b", "b", "a"]


def test_captions_that_a_person_made_since_are_fetched_at_once() -> None:
    automatic = msgspec.structs.replace(CAPTIONS, kind="automatic")
    fetcher = TableFetcher({"a": automatic})
    captions = known(fetcher, clock=Clock())
    assert captions.of_video("a", has_manual=False) == automatic
    fetcher.answers["a"] = CAPTIONS
    assert captions.of_video("a", has_manual=True) == CAPTIONS


def test_a_failure_is_never_kept() -> None:
    fetcher = TableFetcher({"a": CaptionsFailedError("No.")})
    captions = known(fetcher, clock=Clock())
    with pytest.raises(CaptionsFailedError):
        captions.of_video("a", has_manual=False)
    fetcher.answers["a"] = CAPTIONS
    assert captions.of_video("a", has_manual=False) == CAPTIONS


def test_none_is_not_believed_where_the_data_api_says_that_there_are_some() -> None:
    fetcher = TableFetcher({"a": None})
    captions = known(fetcher, clock=Clock())
    for _ in range(2):
        with pytest.raises(CaptionsFailedError, match="the Data API says that there are some"):
            captions.of_video("a", has_manual=True)
    assert fetcher.asked == ["a", "a"]


def test_nothing_is_asked_any_more_once_youtube_blocks_but_what_is_kept_is_given() -> None:
    blocked = CaptionsBlockedError("Blocked.")
    fetcher = TableFetcher({"kept": CAPTIONS, "new": blocked})
    captions = known(fetcher, clock=Clock())
    captions.of_video("kept", has_manual=False)
    for _ in range(BLOCKED_IN_A_ROW + 2):
        with pytest.raises(CaptionsBlockedError):
            captions.of_video("new", has_manual=False)
    assert fetcher.asked == ["kept"] + ["new"] * BLOCKED_IN_A_ROW
    assert captions.of_video("kept", has_manual=False) == CAPTIONS


def test_one_success_between_blocks_counts_anew() -> None:
    fetcher = TableFetcher({"blocked": CaptionsBlockedError("Blocked."), "none": None})
    captions = known(fetcher, clock=Clock())
    for number in range(2 * BLOCKED_IN_A_ROW):
        with pytest.raises(CaptionsBlockedError):
            captions.of_video("blocked", has_manual=False)
        if number == BLOCKED_IN_A_ROW - 2:
            captions.of_video("none", has_manual=False)
    assert fetcher.asked.count("blocked") == 2 * BLOCKED_IN_A_ROW - 1


def test_a_folder_keeps_captions_from_run_to_run_by_language(tmp_path: Path) -> None:
    clock = Clock()
    folder = tmp_path / "new" / "folder"
    fetcher = TableFetcher({"a": CAPTIONS})
    for languages in (("en",), ("en",), ("de", "en")):
        kept = KeptCaptions(folder, languages, now=clock)
        assert KnownCaptions(fetcher, kept).of_video("a", has_manual=False) == CAPTIONS
        kept.close()
    assert fetcher.asked == ["a", "a"]
    assert [file.name for file in folder.iterdir()] == ["captions.sqlite"]


def test_what_was_fetched_at_once_is_fetched_again_one_day_after_the_other() -> None:
    clock = Clock()
    videos = [f"video {number}" for number in range(400)]
    fetcher = TableFetcher(dict.fromkeys(videos, CAPTIONS))
    captions = known(fetcher, clock=clock)
    asked = []
    for _ in range(42):
        fetcher.asked.clear()
        for video_id in videos:
            captions.of_video(video_id, has_manual=True)
        asked.append(len(fetcher.asked))
        clock.now += 24 * 3600
    assert asked[0] == sum(asked[1:41]) == 400
    assert asked[1:20] == [0] * 19
    assert max(asked[20:41]) < 40


def test_what_cannot_be_fetched_again_stays_as_it_was(tmp_path: Path) -> None:
    clock = Clock()
    fetcher = TableFetcher({"a": CAPTIONS, "b": CAPTIONS, "none": None})
    captions = known(fetcher, tmp_path, clock=clock)
    for video_id in fetcher.answers:
        captions.of_video(video_id, has_manual=False)
    clock.now += KEPT_SECONDS[1]
    fetcher.answers = dict.fromkeys(fetcher.answers, CaptionsBlockedError("Blocked."))
    captions = known(fetcher, tmp_path, clock=clock)
    for _ in range(BLOCKED_IN_A_ROW):
        assert captions.of_video("a", has_manual=False) == CAPTIONS
    # Nor is it lost once YouTube is not asked any more. That there were none a month ago is no answer.
    assert captions.of_video("b", has_manual=False) == CAPTIONS
    with pytest.raises(CaptionsBlockedError):
        captions.of_video("none", has_manual=False)
    assert fetcher.asked == ["a", "b", "none"] + ["a"] * BLOCKED_IN_A_ROW
    corrected = msgspec.structs.replace(CAPTIONS, lines=[CaptionLine(0.5, 2.0, "Hello, world.")])
    fetcher.answers = dict.fromkeys(fetcher.answers, corrected)
    assert known(fetcher, tmp_path, clock=clock).of_video("a", has_manual=False) == corrected


def test_what_nobody_asked_for_in_a_year_is_deleted_on_opening(tmp_path: Path) -> None:
    clock = Clock()
    kept = KeptCaptions(tmp_path, ("en",), now=clock)
    kept.keep("a", b"answer", is_missing=False)
    kept.keep("none", b"null", is_missing=True)
    kept.close()
    for later, found in ((KEPT_SECONDS[1], b"answer"), (FORGOTTEN_SECONDS + 1, None)):
        clock.now += later
        kept = KeptCaptions(tmp_path, ("en",), now=clock)
        clock.now -= later
        assert kept.find("a", even_if_due=True) == found
        assert kept.find("none") == (b"null" if found else None)
        kept.close()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "captions.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(SourceError, match=r"captions\.sqlite: cannot keep what was fetched .* delete it"):
        KeptCaptions(tmp_path, ("en",))
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot keep"):
        KeptCaptions(tmp_path / "file", ("en",))


def test_what_was_kept_in_another_form_is_fetched_again(tmp_path: Path) -> None:
    clock = Clock()
    kept = KeptCaptions(tmp_path, ("en",), now=clock)
    kept.keep("a ", b'{"language": "en"}', is_missing=False)
    fetcher = TableFetcher({"a": CAPTIONS})
    for _ in range(2):
        assert KnownCaptions(fetcher, kept).of_video("a", has_manual=False) == CAPTIONS
    assert fetcher.asked == ["a"]
    kept.close()


def test_a_spool_is_read_in_order_by_several_readers_at_once() -> None:
    spool = Spool()
    for number in range(1000):
        spool.add(str(number).encode())
    expected = [str(number).encode() for number in range(1000)]
    assert list(zip(spool, spool, strict=True)) == list(zip(expected, expected, strict=True))
    spool.close()


def test_patience_pauses_longer_each_time_and_ends() -> None:
    pauses: list[float] = []
    patience = Patience(tries=6, first_pause=1.0, longest_pause=5.0, sleep=pauses.append)
    final = ValueError("It never passed.")

    def ask() -> None:
        raise TryAgainError(final)

    with pytest.raises(ValueError, match="never passed"):
        patience.call(ask)
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(pauses, (1, 2, 4, 5, 5), strict=True))


def test_patience_waits_as_long_as_the_server_asks_or_not_at_all() -> None:
    pauses: list[float] = []
    patience = Patience(tries=3, first_pause=0.5, longest_pause=30.0, sleep=pauses.append)
    asked = iter([TryAgainError(KeyError(), 7.0), TryAgainError(KeyError(), 31.0)])

    def ask() -> None:
        raise next(asked)

    with pytest.raises(KeyError):
        patience.call(ask)
    assert pauses == [7.0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("12", 12.0), ("soon", None), ("-1", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert read_retry_after(header) == seconds


def test_retry_after_a_date_to_come() -> None:
    seconds = read_retry_after("Wed, 21 Oct 2099 07:28:00 GMT")
    assert seconds is not None
    assert seconds > 1e9
