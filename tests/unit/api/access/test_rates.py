from hypothesis import given
from hypothesis import strategies as st

from api.access.rates import Buckets, Rate, spend

RATES = st.builds(Rate, limit=st.integers(1, 1000), seconds=st.sampled_from([1, 60, 3600, 86_400]))
PAUSES = st.lists(st.floats(0, 100, allow_nan=False), min_size=1, max_size=60)


@given(RATES, PAUSES)
def test_no_more_requests_pass_than_a_burst_plus_the_rate(rate: Rate, pauses: list[float]) -> None:
    buckets = Buckets(rate)
    now, through = 0.0, 0
    for pause in pauses:
        now += pause
        for _ in range(40):
            through += not spend([(buckets, "a")], 1, now).wait
        assert through <= rate.limit + now * rate.limit / rate.seconds + 1e-3


@given(RATES, st.integers(1, 2000), st.integers(0, 2000))
def test_a_request_passes_after_the_reported_wait_and_not_much_earlier(
    rate: Rate, cost: int, before: int
) -> None:
    buckets = Buckets(rate)
    buckets.take("a", min(before, rate.limit), 1000.0)
    wait = spend([(buckets, "a")], cost, 1000.0).wait
    if wait > 1:
        assert spend([(buckets, "a")], cost, 1000.0 + wait - 1.001).wait
    if wait:
        assert not spend([(buckets, "a")], cost, 1000.0 + wait).wait


@given(RATES, st.integers(1, 5000))
def test_a_cost_above_the_limit_leaves_a_debt(rate: Rate, cost: int) -> None:
    buckets = Buckets(rate)
    assert not spend([(buckets, "a")], cost, 0.0).wait
    owed = max(0, cost - rate.limit + 1) * rate.seconds / rate.limit
    assert spend([(buckets, "a")], 1, 0.0).wait >= owed - 1e-3


def test_returned_tokens_never_exceed_the_limit() -> None:
    buckets = Buckets(Rate(2, 60))
    buckets.take("a", 1, 0.0)
    buckets.take("a", -5, 0.0)
    assert [spend([(buckets, "a")], 1, 0.0).wait for _ in range(3)] == [0, 0, 30]


def test_the_least_recently_used_buckets_are_dropped() -> None:
    buckets = Buckets(Rate(2, 60), most=100)
    for number in range(10_000):
        spend([(buckets, "busy")], 1, 0.0)
        spend([(buckets, f"a{number}")], 1, 0.0)
        assert len(buckets) <= 100
    assert spend([(buckets, "busy")], 1, 0.0).wait
    assert not spend([(buckets, "a0")], 1, 0.0).wait
