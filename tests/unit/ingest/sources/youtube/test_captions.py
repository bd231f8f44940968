import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import SourceError
from ingest.sources.captions.choice import CaptionTrack, order_tracks
from ingest.sources.youtube.caption_cache import (
    CACHED_SECONDS,
    DELETED_SECONDS,
    MISSING_SECONDS,
    CaptionCache,
)
from ingest.sources.youtube.captions import (
    BLOCKED_IN_A_ROW,
    CachedCaptions,
    Captions,
    CaptionsBlockedError,
    CaptionsFailedError,
    choose_track,
)
from ingest.sources.youtube.retries import RetryableError, RetryPolicy, read_retry_after
from ingest.sources.youtube.videos import read_duration
from retrieval.catalogue.video import Cue
from tests.support.clock import Clock

CAPTIONS = Captions("en", "manual", (Cue(0.5, 2.0, "Hello world"),))


class Track(msgspec.Struct):
    language_code: str
    is_generated: bool = False


class TableFetcher:
    """A CaptionFetcher with fixed captions and errors that records the requested ids."""

    def __init__(self, answers: dict[str, Captions | Exception | None]) -> None:
        self.answers = answers
        self.requested: list[str] = []

    def fetch(self, video_id: str) -> Captions | None:
        self.requested.append(video_id)
        answer = self.answers[video_id]
        if isinstance(answer, Exception):
            raise answer
        return answer


def known(
    fetcher: TableFetcher, folder: Path | None = None, *, languages: tuple[str, ...] = ("en",), clock: Clock
) -> CachedCaptions:
    return CachedCaptions(fetcher, CaptionCache(folder, languages, now=clock))


CHOICES = [
    (["de", "en"], ("en",), "en"),
    (["en*", "en"], ("en",), "en"),
    (["de", "en*"], ("en",), "en*"),
    (["de", "en-GB*", "en*"], ("en",), "en*"),
    (["de", "en-GB"], ("EN",), "en-GB"),
    (["en*", "en-GB"], ("en",), "en-GB"),
    (["en", "de*"], ("de", "en"), "de*"),
    (["de", "en"], ("en-GB",), "en"),
    (["de", "en*"], ("EN_gb",), "en*"),
    (["de", "en-GB"], ("en_gb",), "en-GB"),
    (["de", "en-US", "en*"], ("en-GB",), "en*"),
    (["de", "en-US"], ("en-GB",), "en-US"),
    (["de*", "es", "fr*"], ("en",), "es"),
    (["fr*"], ("en",), "fr*"),
    (["de", "fr*"], (), "de"),
    ([], ("en",), None),
    (["eng"], ("en",), "eng"),
]
"""Available tracks (a star marks automatic ones), the wanted languages, and the track to read."""


def chosen_on_youtube(tracks: list[str], languages: tuple[str, ...]) -> str | None:
    made = [Track(code.removesuffix("*"), code.endswith("*")) for code in tracks]
    track = choose_track(made, languages)
    return track and track.language_code + "*" * track.is_generated


def chosen_in_a_folder(tracks: list[str], languages: tuple[str, ...]) -> str | None:
    made = [
        CaptionTrack(
            Path(f"{number:02}.vtt"), code.removesuffix("*"), "automatic" if code.endswith("*") else "manual"
        )
        for number, code in enumerate(tracks)
    ]
    track = next(iter(order_tracks(made, languages)), None)
    return track and f"{track.language}{'*' * (track.kind == 'automatic')}"


@pytest.mark.parametrize(("tracks", "languages", "chosen"), CHOICES)
def test_the_wanted_language_comes_first_then_captions_by_a_person(
    tracks: list[str], languages: tuple[str, ...], chosen: str | None
) -> None:
    assert chosen_on_youtube(tracks, languages) == chosen
    assert chosen_in_a_folder(tracks, languages) == chosen


codes = st.sampled_from(["en", "en-GB", "EN_gb", "en-US", "de", "de-AT", "fr", "zh-Hans", "zh-Hant", "zh"])


@given(
    st.lists(st.builds(str.__add__, codes, st.sampled_from(["", "*"])), unique=True, max_size=6),
    st.lists(codes, max_size=3).map(tuple),
)
def test_youtube_and_folders_choose_the_same_track(tracks: list[str], languages: tuple[str, ...]) -> None:
    assert chosen_on_youtube(tracks, languages) == chosen_in_a_folder(tracks, languages)


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
    assert fetcher.requested == ["a", "b"]
    clock.now += MISSING_SECONDS
    fetcher.answers["b"] = CAPTIONS
    assert captions.of_video("b", has_manual=False) == CAPTIONS
    clock.now += CACHED_SECONDS[1] - MISSING_SECONDS
    assert captions.of_video("a", has_manual=True) == CAPTIONS
    assert fetcher.requested == ["a", "b", "b", "a"]


def test_new_captions_by_a_person_are_fetched_at_once() -> None:
    automatic = msgspec.structs.replace(CAPTIONS, kind="automatic")
    fetcher = TableFetcher({"a": automatic})
    captions = known(fetcher, clock=Clock())
    assert captions.of_video("a", has_manual=False) == automatic
    fetcher.answers["a"] = CAPTIONS
    assert captions.of_video("a", has_manual=True) == CAPTIONS


def test_a_failure_is_not_cached() -> None:
    fetcher = TableFetcher({"a": CaptionsFailedError("No.")})
    captions = known(fetcher, clock=Clock())
    with pytest.raises(CaptionsFailedError):
        captions.of_video("a", has_manual=False)
    fetcher.answers["a"] = CAPTIONS
    assert captions.of_video("a", has_manual=False) == CAPTIONS


def test_a_success_resets_the_count_of_blocks() -> None:
    fetcher = TableFetcher({"blocked": CaptionsBlockedError("Blocked."), "none": None})
    captions = known(fetcher, clock=Clock())
    for number in range(2 * BLOCKED_IN_A_ROW):
        with pytest.raises(CaptionsBlockedError):
            captions.of_video("blocked", has_manual=False)
        if number == BLOCKED_IN_A_ROW - 2:
            captions.of_video("none", has_manual=False)
    assert fetcher.requested.count("blocked") == 2 * BLOCKED_IN_A_ROW - 1


def test_a_folder_caches_captions_between_runs_by_language(tmp_path: Path) -> None:
    clock = Clock()
    folder = tmp_path / "new" / "folder"
    fetcher = TableFetcher({"a": CAPTIONS})
    for languages in (("en",), ("EN",), ("de", "en")):
        kept = CaptionCache(folder, languages, now=clock)
        assert CachedCaptions(fetcher, kept).of_video("a", has_manual=False) == CAPTIONS
        kept.close()
    assert fetcher.requested == ["a", "a"]
    assert [file.name for file in folder.iterdir()] == ["captions.sqlite"]


def test_captions_fetched_on_one_day_are_fetched_again_on_different_days() -> None:
    clock = Clock()
    videos = [f"video {number}" for number in range(400)]
    fetcher = TableFetcher(dict.fromkeys(videos, CAPTIONS))
    captions = known(fetcher, clock=clock)
    asked = []
    for _ in range(42):
        fetcher.requested.clear()
        for video_id in videos:
            captions.of_video(video_id, has_manual=True)
        asked.append(len(fetcher.requested))
        clock.now += 24 * 3600
    assert asked[0] == sum(asked[1:41]) == 400
    assert asked[1:20] == [0] * 19
    assert max(asked[20:41]) < 40


def test_captions_that_cannot_be_fetched_again_stay_as_they_were(tmp_path: Path) -> None:
    clock = Clock()
    fetcher = TableFetcher({"a": CAPTIONS, "b": CAPTIONS, "none": None})
    captions = known(fetcher, tmp_path, clock=clock)
    for video_id in fetcher.answers:
        captions.of_video(video_id, has_manual=False)
    clock.now += CACHED_SECONDS[1]
    fetcher.answers = dict.fromkeys(fetcher.answers, CaptionsBlockedError("Blocked."))
    captions = known(fetcher, tmp_path, clock=clock)
    for _ in range(BLOCKED_IN_A_ROW):
        assert captions.of_video("a", has_manual=False) == CAPTIONS
    # They also stay after the requests have stopped. An entry without captions is not used again.
    assert captions.of_video("b", has_manual=False) == CAPTIONS
    with pytest.raises(CaptionsBlockedError):
        captions.of_video("none", has_manual=False)
    assert fetcher.requested == ["a", "b", "none"] + ["a"] * BLOCKED_IN_A_ROW
    corrected = msgspec.structs.replace(CAPTIONS, lines=(Cue(0.5, 2.0, "Hello, world."),))
    fetcher.answers = dict.fromkeys(fetcher.answers, corrected)
    assert known(fetcher, tmp_path, clock=clock).of_video("a", has_manual=False) == corrected


def test_entries_older_than_a_year_are_deleted_on_opening(tmp_path: Path) -> None:
    clock = Clock()
    kept = CaptionCache(tmp_path, ("en",), now=clock)
    kept.store("a", b"answer", is_missing=False)
    kept.store("none", b"null", is_missing=True)
    kept.close()
    for later, found in ((CACHED_SECONDS[1], b"answer"), (DELETED_SECONDS + 1, None)):
        clock.now += later
        kept = CaptionCache(tmp_path, ("en",), now=clock)
        clock.now -= later
        assert kept.find("a", even_if_expired=True) == found
        assert kept.find("none") == (b"null" if found else None)
        kept.close()


def of_a(fetcher: TableFetcher, folder: Path, clock: Clock) -> Captions | None:
    cache = CaptionCache(folder, ("en",), now=clock)
    try:
        return CachedCaptions(fetcher, cache).of_video("a", has_manual=False)
    finally:
        cache.close()


def random_bytes(content: bytes) -> bytes:
    return Random(1).randbytes(len(content))


def random_bytes_after_the_header(content: bytes) -> bytes:
    return content[:100] + Random(1).randbytes(len(content) - 100)


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("damage", [random_bytes, random_bytes_after_the_header, truncated])
def test_a_damaged_cache_file_is_replaced_with_one_line_and_captions_are_fetched_again(
    damage: Callable[[bytes], bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    fetcher = TableFetcher({"a": CAPTIONS})
    assert of_a(fetcher, tmp_path, clock) == CAPTIONS
    file = tmp_path / "captions.sqlite"
    file.write_bytes(damage(file.read_bytes()))
    for _ in range(2):
        assert of_a(fetcher, tmp_path, clock) == CAPTIONS
    assert fetcher.requested == ["a", "a"]
    (record,) = caplog.records
    assert record.getMessage().startswith(f"Starting a new caption cache: {file} is damaged (")


@pytest.mark.parametrize(
    "change",
    [
        "answer = randomblob(40)",
        "answer = substr(answer, 1, 20)",
        "answer = 'text'",
        "answer = NULL",
        "answer = 7",
        "fetched_at = 'yesterday'",
        "answer = x'789c010b00f4ff7b226c616e67223a22656e227d'",  # Truncated zlib data.
    ],
)
def test_a_damaged_cache_entry_is_discarded_with_one_line_and_fetched_again(
    change: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    fetcher = TableFetcher({"a": CAPTIONS})
    assert of_a(fetcher, tmp_path, clock) == CAPTIONS
    database = sqlite3.connect(tmp_path / "captions.sqlite")
    with database:
        database.execute(f"UPDATE captions SET {change}")  # noqa: S608 - from the list above.
    database.close()
    for _ in range(2):
        assert of_a(fetcher, tmp_path, clock) == CAPTIONS
    assert fetcher.requested == ["a", "a"]
    (record,) = caplog.records
    assert record.getMessage().startswith("Discarding a damaged entry of the caption cache (a): ")


@pytest.mark.parametrize("entry", [b'{"language": "en"}', b"[1]", b'"text"', b"\xff"])
def test_an_entry_in_another_format_is_fetched_again(entry: bytes, tmp_path: Path) -> None:
    cache = CaptionCache(tmp_path, ("en",), now=Clock())
    cache.store("a ", entry, is_missing=False)
    fetcher = TableFetcher({"a": CAPTIONS})
    for _ in range(2):
        assert CachedCaptions(fetcher, cache).of_video("a", has_manual=False) == CAPTIONS
    assert fetcher.requested == ["a"]
    cache.close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match=r"captions\.sqlite: cannot store fetched captions"):
        CaptionCache(tmp_path / "file", ("en",))


def test_pauses_grow_and_retries_end() -> None:
    pauses: list[float] = []
    retries = RetryPolicy(attempts=6, first_pause=1.0, longest_pause=5.0, sleep=pauses.append)
    final = ValueError("It never passed.")

    def ask() -> None:
        raise RetryableError(final)

    with pytest.raises(ValueError, match="never passed"):
        retries.call(ask)
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(pauses, (1, 2, 4, 5, 5), strict=True))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("12", 12.0),
        ("soon", None),
        ("-1", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        (f"Wed, 21 Oct {'9' * 20} 07:28:00 GMT", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert read_retry_after(header) == seconds


def test_retry_after_a_date_to_come() -> None:
    seconds = read_retry_after("Wed, 21 Oct 2099 07:28:00 GMT")
    assert seconds is not None
    assert seconds > 1e9
