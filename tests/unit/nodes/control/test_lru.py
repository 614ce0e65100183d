from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.control.lru import Lru


def test_the_one_used_longest_ago_is_forgotten_first():
    lru = Lru(2)
    lru.put("a", 1, 0)
    lru.put("b", 2, 0)
    assert lru.get("a", 0) == 1
    lru.put("c", 3, 0)
    assert [lru.get(key, 0) for key in "abc"] == [1, None, 3]


def test_a_value_is_good_until_its_lifetime_is_over():
    lru = Lru(0, lifetime=10)
    lru.put("a", 1, 5)
    assert lru.get("a", 14.9) == 1
    assert lru.get("a", 15, default="gone") == "gone"
    assert len(lru) == 0


def test_using_a_value_does_not_keep_it_good():
    lru = Lru(0, lifetime=10)
    lru.put("a", 1, 0)
    assert lru.get("a", 9) == 1
    assert lru.get("a", 10) is None


def test_without_capacity_stale_values_do_not_pile_up():
    lru = Lru(0, lifetime=1)
    for n in range(10_000):
        lru.put(n, n, n)
        assert len(lru) <= 64


def test_clear():
    lru = Lru(2)
    lru.put("a", 1, 0)
    lru.clear()
    assert lru.get("a", 0) is None


@given(st.integers(1, 4), st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=60))
@settings(derandomize=True, deadline=None)
def test_it_agrees_with_a_list_of_uses(capacity, steps):
    lru = Lru(capacity)
    uses: list[int] = []
    for now, (put, key) in enumerate(steps):
        if put:
            lru.put(key, key, now)
            uses = [*[k for k in uses if k != key], key][-capacity:]
        else:
            assert lru.get(key, now) == (key if key in uses else None)
            if key in uses:
                uses = [*[k for k in uses if k != key], key]
