import pytest

from api.observability.recent_searches import MINUTES, Figures, Hour
from api.pages.activity_view import view_activity

NOTHING = Figures()
BUSY = Figures(answered=1200, refused=3, median=0.0042, p95=0.035)
REFUSED = Figures(refused=2)


def hour(*last: Figures, whole: Figures = NOTHING, seconds: float = 3600.0) -> Hour:
    """Return an hour that ends with these minutes."""
    return Hour((NOTHING,) * (MINUTES - len(last)) + last, whole, seconds)


@pytest.mark.parametrize(
    ("seconds", "period"),
    [
        *((0.0, "Since the service started less than a minute ago"),),
        *((60.0, "Since the service started 1 minute ago"),),
        *((3599.0, "Since the service started 59 minutes ago"),),
        *((3600.0, "In the last hour"), (1e6, "In the last hour")),
    ],
)
def test_names_the_period(seconds: float, period: str) -> None:
    assert view_activity(hour(seconds=seconds)).period == period


def test_a_busy_hour() -> None:
    whole = Figures(answered=1200, refused=5, median=0.0042, p95=0.035)
    view = view_activity(hour(BUSY, REFUSED, NOTHING, whole=whole))
    assert (view.answered, view.refused, view.any_refused) == ("1,200", "5 (<1%)", True)
    assert (view.median, view.p95) == ("4.2 ms", "35 ms")
    assert view.rate
    assert view.latency
    assert (view.rate.axis.top, view.rate.axis.half) == ("1,600", "800")
    assert (view.latency.axis.top, view.latency.axis.half) == ("40 ms", "20 ms")
    assert "1,200 answered, 5 refused or failed, 1,203 in the busiest minute" in view.rate.description
    assert "median 4.2 ms, 95th percentile 35 ms" in view.latency.description
    assert len(view.rate.stacks) == MINUTES
    assert view.rate.stacks[-3].lower
    assert view.rate.stacks[-2].lower is None
    assert view.latency.median == "M575 179m-3 0h6"


def test_only_minutes_with_searches_are_listed_the_last_one_first() -> None:
    view = view_activity(hour(BUSY, REFUSED, NOTHING, REFUSED, whole=BUSY))
    assert [(row.ago, row.position) for row in view.minutes] == [("now", 59), ("2", 57), ("3", 56)]
    assert [row.tooltip for row in view.minutes] == [
        "This minute: 0 answered, 2 refused or failed",
        "2 minutes ago: 0 answered, 2 refused or failed",
        "3 minutes ago: 1,200 answered, 3 refused or failed; median 4.2 ms, 95th percentile 35 ms",
    ]


def test_if_every_search_was_refused_there_is_no_latency() -> None:
    view = view_activity(hour(REFUSED, whole=REFUSED))
    assert view.rate
    assert view.latency is None
    assert view.refused == "2 (100%)"
    assert view_activity(hour(BUSY, whole=Figures(answered=9, median=0.1, p95=0.1))).refused == "0"
