import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.observability.recent_searches import MINUTES, Figures, RecentSearches
from tests.support.clock import Clock

NOTHING = Figures()


@pytest.fixture
def searches(clock: Clock) -> RecentSearches:
    return RecentSearches(clock=clock)


def answer(searches: RecentSearches, seconds: float = 0.004, *, times: int = 1) -> None:
    for _ in range(times):
        searches.completed(200, seconds)


def refuse(searches: RecentSearches, status: int = 503) -> None:
    searches.completed(status, 0.0001)


def counts(searches: RecentSearches) -> dict[int, tuple[int, int]]:
    """Return (answered, refused) by age in minutes, for the minutes that have searches."""
    minutes = searches.hour().minutes
    assert len(minutes) == MINUTES
    return {
        ago: (figures.answered, figures.refused)
        for ago, figures in enumerate(reversed(minutes))
        if figures != NOTHING
    }


def test_a_new_service_has_a_whole_hour() -> None:
    searches = RecentSearches(clock=Clock(0.0))
    answer(searches)
    assert counts(searches) == {0: (1, 0)}


def test_a_search_counts_in_its_minute_and_is_dropped_after_an_hour(
    searches: RecentSearches, clock: Clock
) -> None:
    answer(searches, times=2)
    refuse(searches)
    clock.now += 59.9
    answer(searches)
    assert counts(searches) == {0: (3, 1)}
    clock.now += 0.1
    answer(searches)
    clock.now += 180
    assert counts(searches) == {4: (3, 1), 3: (1, 0)}
    clock.now += 55 * 60
    assert counts(searches) == {59: (3, 1), 58: (1, 0)}
    clock.now += 60
    assert counts(searches) == {59: (1, 0)}
    # The same slot of the ring, an hour later.
    answer(searches)
    assert counts(searches) == {59: (1, 0), 0: (1, 0)}
    assert searches.hour().whole.answered == 2


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        *((status, (1, 0)) for status in (200, 206, 304)),
        *((status, (0, 1)) for status in (429, 500, 503)),
        *((status, None) for status in (400, 401, 403, 404, 405, 413, 499)),
    ],
)
def test_a_status_counts_as_answered_refused_or_not_at_all(
    searches: RecentSearches, status: int, counted: tuple[int, int] | None
) -> None:
    searches.completed(status, 0.1)
    assert counts(searches) == ({0: counted} if counted else {})


def test_latencies_are_those_of_answered_searches(searches: RecentSearches, clock: Clock) -> None:
    answer(searches, 0.004, times=90)
    answer(searches, 0.2, times=10)
    refuse(searches)
    clock.now += 60
    answer(searches, 1.0)
    *_, before, last = searches.hour().minutes
    assert before.median == pytest.approx(0.004, rel=0.05)
    assert before.p95 == pytest.approx(0.2, rel=0.05)
    assert last.median == last.p95 == pytest.approx(1.0, rel=0.05)
    clock.now += 60
    refuse(searches)
    assert searches.hour().minutes[-1] == Figures(refused=1)
    assert searches.hour().whole.median == pytest.approx(0.004, rel=0.05)


@pytest.mark.parametrize(("seconds", "told"), [(0.0, 0.0005), (1e-6, 0.0005), (60.0, 10.0)])
def test_extreme_latencies_are_reported_as_the_first_or_last_bound(
    searches: RecentSearches, seconds: float, told: float
) -> None:
    answer(searches, seconds)
    assert searches.hour().whole.p95 == pytest.approx(told, rel=0.1)


@given(st.lists(st.floats(0.0005, 10.0), min_size=1, max_size=40))
def test_quantiles_are_close_to_the_exact_ones(durations: list[float]) -> None:
    searches = RecentSearches(clock=Clock())
    for seconds in durations:
        answer(searches, seconds)
    whole = searches.hour().whole
    ordered = sorted(durations)
    for told, share in ((whole.median, 0.5), (whole.p95, 0.95)):
        true = ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
        assert told == pytest.approx(true, rel=0.05)


@given(
    st.lists(
        st.tuples(st.floats(-4000.0, 4000.0), st.sampled_from((200, 429, 503, 404))), min_size=1, max_size=60
    )
)
def test_counts_are_exact_even_if_the_clock_jumps(
    steps: list[tuple[float, int]],
) -> None:
    clock = Clock()
    searches = RecentSearches(clock=clock)
    ended: list[tuple[int, int]] = []
    newest = 0
    for seconds, status in steps:
        clock.now = max(0.0, clock.now + seconds)
        searches.completed(status, 0.01)
        if status != 404:
            newest = max(newest, int(clock.now // 60))
            ended.append((newest, status))
    newest = max(newest, int(clock.now // 60))
    kept = [status for minute, status in ended if minute > newest - MINUTES]
    hour = searches.hour()
    assert (hour.whole.answered, hour.whole.refused) == (kept.count(200), kept.count(429) + kept.count(503))
    assert sum(figures.answered for figures in hour.minutes) == hour.whole.answered
    assert sum(figures.refused for figures in hour.minutes) == hour.whole.refused
    assert all((figures.median is None) is (not figures.answered) for figures in hour.minutes)
