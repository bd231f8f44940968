"""What the videos of a source are like in numbers: when they appeared, what has a transcript, how long it is.

Counted video by video, so that memory holds two numbers a year and one a bin, however many videos there are.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from ingest.embedding.passages import count_words
from retrieval.catalogue.video import Video

WORDS: Final = (0, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000)
MINUTES: Final = (0, 1, 3, 10, 30, 60, 120, 240)
"""Where the bins of a histogram begin, on a scale that is roughly logarithmic; the last one has no end."""


class Coverage(msgspec.Struct, frozen=True):
    """How many videos there are, and how many of them have a transcript."""

    videos: int
    transcribed: int


class YearCoverage(msgspec.Struct, frozen=True):
    """The coverage of the videos that were published in one year, UTC."""

    year: int
    videos: int
    transcribed: int


class Bin(msgspec.Struct, frozen=True):
    """How many videos have a length of `at_least` and less than `below`, which is None for the last bin."""

    at_least: int
    below: int | None
    videos: int


class Histogram(msgspec.Struct, frozen=True):
    """How many videos have which length. `without` have none that is known, `total` sums up the others'."""

    bins: tuple[Bin, ...]
    without: int
    total: float

    @property
    def known(self) -> int:
        """How many videos have a length."""
        return sum(bin_.videos for bin_ in self.bins)


class CatalogueProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The videos of a source. `years` ascend and leave out those without videos; `undated` have no date.

    `words` are those of the transcripts, `minutes` the videos' own.
    """

    coverage: Coverage
    years: tuple[YearCoverage, ...]
    undated: Coverage
    words: Histogram
    minutes: Histogram


class ProfileCounts:
    """What was counted of the videos of a source so far."""

    def __init__(self) -> None:
        """Begin with no videos."""
        self._videos: Counter[int | None] = Counter()
        self._transcribed: Counter[int | None] = Counter()
        self._words = _Lengths(WORDS)
        self._minutes = _Lengths(MINUTES)

    def add(self, video: Video) -> None:
        """Count a video."""
        year = video.published_at.year if video.published_at else None
        self._videos[year] += 1
        self._transcribed[year] += video.transcript is not None
        self._words.add(None if video.transcript is None else count_words(video.transcript))
        self._minutes.add(None if video.duration is None else video.duration / 60)

    def profile(self) -> CatalogueProfile:
        """Sum up."""
        years = sorted(year for year in self._videos if year is not None)
        return CatalogueProfile(
            coverage=Coverage(self._videos.total(), self._transcribed.total()),
            years=tuple(YearCoverage(year, self._videos[year], self._transcribed[year]) for year in years),
            undated=Coverage(self._videos[None], self._transcribed[None]),
            words=self._words.histogram(),
            minutes=self._minutes.histogram(),
        )


def bin_number(length: float, beginnings: Sequence[int]) -> int:
    """Say in which bin a length of 0 or more falls; `beginnings` ascend from 0."""
    return bisect_right(beginnings, length) - 1


def bins_of(counts: Mapping[int, int], beginnings: Sequence[int]) -> tuple[Bin, ...]:
    """Name the bins of these numbers, empty ones too."""
    ends = [*beginnings[1:], None]
    return tuple(
        Bin(begin, end, counts.get(number, 0))
        for number, (begin, end) in enumerate(zip(beginnings, ends, strict=True))
    )


class _Lengths:
    """The lengths of videos, counted by bin."""

    def __init__(self, beginnings: Sequence[int]) -> None:
        self._beginnings = beginnings
        self._counts: Counter[int] = Counter()
        self._without = 0
        self._total = 0.0

    def add(self, length: float | None) -> None:
        if length is None:
            self._without += 1
            return
        self._counts[bin_number(length, self._beginnings)] += 1
        self._total += length

    def histogram(self) -> Histogram:
        return Histogram(bins_of(self._counts, self._beginnings), self._without, round(self._total, 1))
