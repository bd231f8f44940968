from hypothesis import given
from hypothesis import strategies as st

from retrieval.search.result_cache import ResultCache

keys = st.integers(0, 6)
calls = st.lists(st.tuples(st.sampled_from(["get", "put"]), keys, st.integers(1, 99)), max_size=60)


@given(st.integers(0, 4), calls)
def test_it_stores_exactly_the_recently_used_values(size: int, sequence: list[tuple[str, int, int]]) -> None:
    cache, values = ResultCache[int, int](size), dict[int, int]()
    stored: list[int] = []  # Keys, least recently used first.
    for call, key, value in sequence:
        if call == "put":
            cache.put(key, value)
            values[key] = value
        else:
            assert cache.get(key) == (values[key] if key in stored else None)
            if key not in stored:
                continue
        stored = [*(other for other in stored if other != key), key][-size:] if size else []
    for key in range(7):
        assert cache.get(key) == (values[key] if key in stored else None)
