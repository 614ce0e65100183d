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


def test_an_earlier_deadline_wakes_it(keeper):
    seen, done = [], threading.Event()
    now = time.monotonic()
    keeper.at(now + 3600, lambda: seen.append("late"))
    keeper.at(now + 0.02, done.set)
    keeper.at(now + 0.01, lambda: seen.append("first"))
    assert done.wait(10)
    assert seen == ["first"]


def test_a_cancelled_deadline_does_nothing(keeper):
    seen, done = [], threading.Event()
    now = time.monotonic()
    cancelled = keeper.at(now + 0.005, lambda: seen.append("cancelled"))
    cancelled.cancel()
    cancelled.cancel()
    keeper.at(now + 0.01, done.set)
    assert done.wait(10)
    assert seen == []


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
    keeper.at(time.monotonic() + 3600, lambda: seen.append("never"))
    keeper.close()
    assert seen == list(range(100))
    assert "test-keeper" not in [t.name for t in threading.enumerate()]
