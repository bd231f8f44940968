from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.reports.profile import (
    MINUTES,
    WORDS,
    Bin,
    CatalogueProfile,
    Coverage,
    ProfileCounts,
    YearCoverage,
    bin_number,
)
from retrieval.catalogue.video import Video

VIDEOS = st.lists(
    st.builds(
        Video,
        video_id=st.just("v"),
        title=st.just("t"),
        transcript=st.none() | st.integers(0, 400).map("word ".__mul__) | st.text(max_size=40),
        published_at=st.none() | st.datetimes(timezones=st.just(UTC)),
        duration=st.none() | st.floats(0, 1e9),
    ),
    max_size=30,
)


def profile_of(*videos: Video) -> CatalogueProfile:
    counts = ProfileCounts()
    for video in videos:
        counts.add(video)
    return counts.profile()


def video(year: int | None = None, transcript: str | None = None, duration: float | None = None) -> Video:
    published_at = datetime(year, 6, 1, tzinfo=UTC) if year else None
    return Video(video_id="v", title="t", transcript=transcript, published_at=published_at, duration=duration)


def test_coverage_is_counted_by_year_and_as_a_whole() -> None:
    found = profile_of(video(2021, "one"), video(2019), video(2021), video(2019, "two"), video(None, "three"))
    assert found.coverage == Coverage(videos=5, transcribed=3)
    assert found.years == (YearCoverage(2019, 2, 1), YearCoverage(2021, 2, 1))
    assert found.undated == Coverage(videos=1, transcribed=1)


def test_lengths_are_counted_by_bin() -> None:
    found = profile_of(video(), video(transcript="word " * 10, duration=59.9), video(duration=4 * 3600))
    assert found.words.bins[:3] == (Bin(0, 10, 0), Bin(10, 30, 1), Bin(30, 100, 0))
    assert (found.words.without, found.words.known, found.words.total) == (2, 1, 10)
    assert (found.minutes.bins[0], found.minutes.bins[-1]) == (Bin(0, 1, 1), Bin(240, None, 1))
    assert (found.minutes.without, found.minutes.known) == (1, 2)


def test_where_there_are_no_blanks_a_character_is_a_word() -> None:
    assert profile_of(video(transcript="这是一个关于面包的视频")).words.total == 11


def test_no_videos_have_a_profile_too() -> None:
    found = profile_of()
    assert found.coverage == found.undated == Coverage(0, 0)
    assert found.years == ()
    assert found.words.known == found.minutes.known == 0


@pytest.mark.parametrize("beginnings", [WORDS, MINUTES])
def test_a_bin_begins_with_its_own_number(beginnings: tuple[int, ...]) -> None:
    assert [bin_number(begin, beginnings) for begin in beginnings] == [*range(len(beginnings))]
    assert bin_number(beginnings[1] - 0.01, beginnings) == 0


@given(VIDEOS)
def test_bins_and_years_add_up_to_the_videos(videos: list[Video]) -> None:
    found = profile_of(*videos)
    for histogram in (found.words, found.minutes):
        assert histogram.known + histogram.without == len(videos) == found.coverage.videos
        for bin_, following in zip(histogram.bins, histogram.bins[1:], strict=False):
            assert bin_.below == following.at_least
    assert sum(year.videos for year in found.years) + found.undated.videos == len(videos)
    assert sum(y.transcribed for y in found.years) + found.undated.transcribed == found.coverage.transcribed
    assert found.words.known == found.coverage.transcribed
