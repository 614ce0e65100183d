"""The collector while a daemon begins, and afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from engine.daemon.memory import SELDOM, made_to_stay


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    usual = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*usual)


class Knot:
    """Garbage that only the collector finds."""

    gone = 0

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        Knot.gone += 1


def test_the_collector_looks_seldom_within_and_as_usual_afterwards() -> None:
    usual = gc.get_threshold()
    with made_to_stay():
        assert gc.isenabled()
        assert gc.get_threshold() == (SELDOM, *usual[1:])
    assert gc.get_threshold() == usual


def test_what_was_made_is_kept_from_the_collector_and_what_was_dropped_is_collected() -> None:
    before, gone = gc.get_freeze_count(), Knot.gone
    with made_to_stay():
        Knot()
        kept = [[index] for index in range(1000)]
    assert Knot.gone == gone + 1
    assert gc.get_freeze_count() >= before + len(kept)
    assert not any(each is kept for each in gc.get_objects())


def test_it_ends_so_whatever_happens() -> None:
    usual = gc.get_threshold()
    with pytest.raises(RuntimeError), made_to_stay():
        raise RuntimeError
    assert gc.get_threshold() == usual


def test_two_that_overlap_leave_it_as_it_was() -> None:
    usual = gc.get_threshold()
    first, second = made_to_stay(), made_to_stay()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert gc.get_threshold() == usual


def test_what_somebody_else_sets_meanwhile_stays() -> None:
    with made_to_stay():
        gc.set_threshold(5000, 7, 7)
    assert gc.get_threshold() == (5000, 7, 7)
