"""How long to wait before a worker is started again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.daemon.supervisor.backoff import FIRST, LONGEST, STEADY, Backoff


def test_one_that_has_served_is_started_again_at_once():
    backoff = Backoff(lambda: 1.0)
    assert [backoff.delay(STEADY) for _ in range(3)] == [0.0, 0.0, 0.0]


def test_the_first_quick_death_may_be_an_accident():
    assert Backoff(lambda: 1.0).delay(0.1) == 0.0


def test_quick_deaths_in_a_row_wait_longer_and_longer():
    backoff = Backoff(lambda: 1.0)
    assert [backoff.delay(0.1) for _ in range(6)] == [0.0, FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST, 16 * FIRST]


def test_serving_for_a_while_makes_good():
    backoff = Backoff(lambda: 1.0)
    for _ in range(5):
        backoff.delay(0.1)
    assert backoff.delay(STEADY) == 0.0
    assert [backoff.delay(0.1) for _ in range(2)] == [0.0, FIRST]


@pytest.mark.parametrize(("chance", "part"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_chance_spreads_them(chance, part):
    backoff = Backoff(lambda: chance)
    backoff.delay(0.1)
    assert backoff.delay(0.1) == FIRST * part


@given(st.lists(st.floats(0, 2 * STEADY), max_size=40), st.floats(0, 1))
def test_it_never_waits_too_long(lives, chance):
    backoff = Backoff(lambda: chance)
    assert all(0 <= backoff.delay(lived) <= LONGEST for lived in lives)


def test_years_of_deaths_are_no_overflow():
    backoff = Backoff(lambda: 1.0)
    assert [backoff.delay(0.0) for _ in range(3000)][-1] == LONGEST
