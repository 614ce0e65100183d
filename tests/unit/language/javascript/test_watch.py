"""Who is late, with a keeper that does what the test says and clocks that are set by hand."""

from __future__ import annotations

import pytest

from engine.language.javascript import watch as watch_module
from engine.language.javascript.watch import Watch


class Alarm:
    def __init__(self, action):
        self.action = action
        self.until = None

    def set(self, when):
        self.until = when

    def clear(self):
        self.until = None

    @property
    def is_due(self):
        return self.until is not None


class Keeper:
    def alarm(self, action):
        self.made = Alarm(action)
        return self.made


@pytest.fixture
def used(monkeypatch):
    """The processor time of the watched thread, in a list."""
    seconds = [5.0]
    monkeypatch.setattr(watch_module, "_clock_of", lambda thread: lambda: seconds[0])
    return seconds


@pytest.fixture
def hindered():
    return []


@pytest.fixture
def keeper():
    return Keeper()


@pytest.fixture
def watch(keeper, hindered):
    return Watch(keeper, seconds=1.0, hinder=lambda: hindered.append(True))


def test_a_call_that_used_its_time_is_hindered_until_it_ends(watch, keeper, hindered, used):
    watch.begin()
    keeper.made.action()
    assert not hindered
    used[0] += 0.6
    keeper.made.action()
    assert not hindered
    used[0] += 0.6
    keeper.made.action()
    assert hindered == [True]
    assert watch.is_late
    keeper.made.action()
    assert hindered == [True]
    used[0] += 1.1
    keeper.made.action()
    assert hindered == [True, True]
    assert watch.end()
    assert not watch.is_late
    assert keeper.made.until is None


def test_a_call_whose_thread_does_not_get_to_run_is_not_late(watch, keeper, hindered, used):
    watch.begin()
    for _ in range(50):
        keeper.made.action()
    assert not hindered
    assert not watch.end()


def test_each_call_begins_anew(watch, keeper, hindered, used):
    watch.begin()
    keeper.made.action()
    used[0] += 0.9
    watch.end()
    watch.begin()
    keeper.made.action()
    used[0] += 0.9
    keeper.made.action()
    assert not hindered


def test_an_alarm_that_comes_behind_its_call_does_nothing(watch, keeper, hindered, used):
    watch.begin()
    watch.end()
    used[0] += 100
    keeper.made.action()
    keeper.made.until = 1.0
    keeper.made.action()
    assert not hindered


def test_the_clock_of_a_thread_counts_its_own_time_where_the_system_tells_it():
    import threading
    import time

    clock = watch_module._clock_of(threading.get_ident())
    if hasattr(time, "pthread_getcpuclockid"):
        assert abs(clock() - time.thread_time()) < 1
    else:
        assert abs(clock() - time.monotonic()) < 1
