import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.pages.charts import HEIGHT, WIDTH, Bar, Stack, draw_line, scale_top, stack_bars

COUNTS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000)), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("largest", "top"),
    [
        (0.3, 2),
        (1, 2),
        (2, 2),
        (3, 4),
        (5, 6),
        (9, 10),
        (11, 12),
        (17, 20),
        (41, 60),
        (161, 200),
        (999, 1000),
    ],
)
def test_the_scale_top_a_scale_is_a_round_number(largest: float, top: float) -> None:
    assert scale_top(largest) == top


@given(st.floats(0, 1e6))
def test_the_top_is_above_the_largest_value_but_not_far(largest: float) -> None:
    top = scale_top(largest)
    assert largest <= top <= max(2, 2 * largest)
    assert top / 2 == int(top / 2)


def test_bars_are_stacked() -> None:
    none, lower, both = stack_bars([0, 5, 5], [0, 0, 5], 10)
    assert none == Stack(None, None)
    assert lower == Stack(Bar(201.0, 100.0, 198.0, 100.0), None)
    assert both == Stack(Bar(401.0, 100.0, 198.0, 100.0), Bar(401.0, 0.0, 198.0, 99.0))


@example([(1, 3963)])
@example([(3999, 1)])
@given(COUNTS)
def test_every_bar_is_visible_and_inside_the_chart(counts: list[tuple[int, int]]) -> None:
    lower, upper = zip(*counts, strict=True)
    stacks = stack_bars(lower, upper, scale_top(max(map(sum, counts))))
    for (first, second), stack in zip(counts, stacks, strict=True):
        assert (stack.lower is not None, stack.upper is not None) == (first > 0, second > 0)
        for bar in filter(None, (stack.lower, stack.upper)):
            assert 0 <= bar.x < bar.x + bar.width <= WIDTH
            assert 0 <= bar.y < bar.y + bar.height <= HEIGHT + 0.11  # Rounded twice.
            assert bar.height >= 1.9
        if stack.lower and stack.upper:
            assert stack.upper.y + stack.upper.height < stack.lower.y


def test_a_line_has_a_gap_at_a_missing_value() -> None:
    assert draw_line([1.0, 2.0, None, None, 0.0, 2.0], 2.0) == "M50 100L150 0 M450 200L550 0"


@given(st.lists(st.one_of(st.none(), st.floats(0, 10)), min_size=1, max_size=60))
def test_every_value_is_a_point_inside_the_chart(values: list[float | None]) -> None:
    points = re.findall(r"[ML]([\d.]+) ([\d.]+)", draw_line(values, 10.0))
    assert len(points) == sum(value is not None for value in values)
    assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in points)
