from hypothesis import given
from hypothesis import strategies as st

from retrieval.search.result_cache import ResultCache

keys = st.integers(0, 6)
uses = st.lists(st.tuples(st.sampled_from(["get", "put"]), keys, st.integers(1, 99)), max_size=60)


def test_the_one_unused_for_longest_goes_first() -> None:
    cache = ResultCache[str](2)
    cache.put("a", "A")
    cache.put("b", "B")
    assert cache.get("a") == "A"
    cache.put("c", "C")
    assert cache.get("b") is None
    assert cache.get("a") == "A"
    assert cache.get("c") == "C"


def test_a_value_put_again_replaces_the_old_one() -> None:
    cache = ResultCache[str](2)
    cache.put("a", "old")
    cache.put("a", "new")
    assert cache.get("a") == "new"


def test_a_cache_of_no_size_keeps_nothing() -> None:
    cache = ResultCache[str](0)
    cache.put("a", "A")
    assert cache.get("a") is None


def test_an_empty_answer_is_kept_too() -> None:
    cache = ResultCache[tuple[str, ...]](1)
    cache.put("a", ())
    assert cache.get("a") == ()


@given(st.integers(0, 4), uses)
def test_it_never_lies_and_keeps_exactly_the_latest_used(size: int, done: list[tuple[str, int, int]]) -> None:
    cache, values = ResultCache[int](size), dict[int, int]()
    used: list[int] = []  # Least recently used first, of those that are kept.
    for what, key, value in done:
        if what == "put":
            cache.put(key, value)
            values[key] = value
        else:
            assert cache.get(key) == (values[key] if key in used else None)
            if key not in used:
                continue
        used = [*(other for other in used if other != key), key][-size:] if size else []
    for key in range(7):
        assert cache.get(key) == (values[key] if key in used else None)
