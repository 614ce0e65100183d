"""Deadlines that share timers: nobody is ended early, late, or after it was removed."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.flow.deadlines import SPAN, Deadlines


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time is set by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.25
        self.timers = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when, callback, *args, context=None):
        self.timers += 1
        return super().call_at(when, callback, *args, context=context)

    def let(self, seconds: float) -> None:
        """Let time go by, in steps of 1/64 s."""

        async def nothing() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        for _ in range(round(seconds * 64)):
            self.now += 1 / 64
            self.run_until_complete(nothing())


class One:
    def __init__(self, loop: Clock, delay: float) -> None:
        self.loop = loop
        self.deadline = loop.now + delay
        self.came: list[float] = []

    def expire(self) -> None:
        self.came.append(self.loop.now)


@pytest.fixture
def loop():
    loop = Clock()
    yield loop
    loop.close()


def add(loop: Clock, deadlines: Deadlines, *ones: One) -> None:
    async def now() -> None:
        for one in ones:
            deadlines.add(one)

    loop.run_until_complete(now())


steps = st.lists(st.tuples(st.integers(1, 300).map(lambda each: each / 64), st.booleans()), max_size=12)


@given(steps)
def test_each_comes_once_and_on_time(steps):
    loop = Clock()
    try:
        deadlines = Deadlines()
        ones = [One(loop, delay) for delay, _ in steps]
        add(loop, deadlines, *ones)
        kept = []
        for one, (_, removed) in zip(ones, steps, strict=True):
            if removed:
                deadlines.remove(one)
            else:
                kept.append(one)
        loop.let(6)
        assert all(len(one.came) == (one in kept) for one in ones)
        assert all(0 <= one.came[0] - one.deadline <= 2 / 64 for one in kept)
        assert not deadlines._near
        assert not deadlines._spans
    finally:
        loop.close()


def test_those_of_one_span_share_a_timer(loop):
    deadlines = Deadlines()
    ones = [One(loop, 30.25 + each / 1000) for each in range(100)]
    assert len({one.deadline // SPAN for one in ones}) == 1
    add(loop, deadlines, *ones)
    assert loop.timers == 1


def test_one_that_is_removed_while_it_is_near_does_not_come(loop):
    deadlines = Deadlines()
    one, other = One(loop, 1.5), One(loop, 1.5)
    add(loop, deadlines, one, other)
    loop.let(1)
    assert set(deadlines._near) == {one, other}
    deadlines.remove(one)
    loop.let(1)
    assert (len(one.came), len(other.came)) == (0, 1)
    deadlines.remove(other)
