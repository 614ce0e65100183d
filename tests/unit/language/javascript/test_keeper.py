from __future__ import annotations

import logging
import threading
import time

import pytest

from engine.language.javascript.keeper import Keeper


@pytest.fixture
def keeper():
    made = Keeper("test-keeper")
    yield made
    made.close()


def test_nothing_runs_before_it_is_needed(keeper):
    assert "test-keeper" not in [t.name for t in threading.enumerate()]
    keeper.close()


def test_jobs_run_in_order_on_its_thread(keeper):
    seen, done = [], threading.Event()
    for n in range(3):
        keeper.call(lambda n=n: seen.append((n, threading.current_thread().name)))
    keeper.call(done.set)
    assert done.wait(10)
    assert seen == [(n, "test-keeper") for n in range(3)]


def at(keeper, when, action):
    alarm = keeper.alarm(action)
    alarm.set(when)
    return alarm


def test_an_earlier_deadline_wakes_it(keeper):
    seen, done = [], threading.Event()
    now = time.monotonic()
    at(keeper, now + 3600, lambda: seen.append("late"))
    at(keeper, now + 0.02, done.set)
    at(keeper, now + 0.01, lambda: seen.append("first"))
    assert done.wait(10)
    assert seen == ["first"]


def test_an_alarm_that_was_cleared_does_nothing_and_can_be_set_again(keeper):
    seen, done = [], threading.Event()
    now = time.monotonic()
    alarm = at(keeper, now + 0.005, lambda: seen.append("rang"))
    alarm.clear()
    alarm.clear()
    assert not alarm.is_due
    at(keeper, now + 0.01, done.set)
    assert done.wait(10)
    assert seen == []
    again = threading.Event()
    alarm.action = again.set
    alarm.set(0.0)
    assert alarm.is_due
    assert again.wait(10)


def test_an_alarm_rings_when_it_was_last_set_to(keeper):
    rang = threading.Event()
    now = time.monotonic()
    alarm = at(keeper, now + 0.005, rang.set)
    for n in range(1, 50):
        alarm.set(now + 0.005 + n / 1000)
    assert rang.wait(10)
    assert time.monotonic() >= now + 0.054
    rang.clear()
    alarm.set(now + 3600)
    alarm.set(time.monotonic())
    assert rang.wait(10)


def test_to_set_an_alarm_later_plans_nothing_new(keeper):
    planned = []
    keeper.plan = lambda alarm, when: planned.append(when)
    alarm = keeper.alarm(lambda: None)
    alarm.set(10.0)
    alarm.planned = 10.0  # as the keeper notes it
    alarm.set(11.0)
    alarm.clear()
    alarm.set(12.0)
    assert planned == [10.0]
    alarm.set(9.0)
    assert planned == [10.0, 9.0]


def test_a_failing_action_does_not_end_it(keeper, caplog):
    done = threading.Event()
    with caplog.at_level(logging.ERROR):
        keeper.call(lambda: 1 / 0)
        keeper.call(done.set)
        assert done.wait(10)
    assert "ZeroDivisionError" in caplog.text


def test_close_runs_the_jobs_that_wait_and_ends_the_thread(keeper):
    seen = []
    for n in range(100):
        keeper.call(lambda n=n: seen.append(n))
    at(keeper, time.monotonic() + 3600, lambda: seen.append("never"))
    keeper.close()
    assert seen == list(range(100))
    assert "test-keeper" not in [t.name for t in threading.enumerate()]
