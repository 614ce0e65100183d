from __future__ import annotations

import threading

import pytest

from engine.errors import ExpressionError
from engine.language.javascript.racer import PARSE_ERROR, TERMINATED, TEXT, Context


@pytest.fixture
def context():
    made = Context(2**26)
    yield made
    made.close()


class Answers:
    """What tasks gave, for a thread to wait for."""

    def __init__(self):
        self.all = []
        self._more = threading.Semaphore(0)

    def __call__(self, kind, text):
        self.all.append((kind, text))
        self._more.release()

    def wait(self):
        assert self._more.acquire(timeout=10)
        return self.all[-1]


def test_a_text_goes_in_and_one_comes_out(context):
    answers = Answers()
    function = context.evaluate_to_handle("(function () { return this + '🙂\\0' })")
    arguments = context.evaluate_to_handle("[]")
    for text in ("", "a\0ü\ud800"):
        context.start(function, text, arguments, answers)
        answers.wait()
    assert answers.all[0] == (TEXT, "🙂\0")
    assert answers.all[1][1].startswith("a\0ü")


def test_the_newest_task_is_cancelled_though_its_starter_is_not_back_yet(context):
    first, second = Answers(), Answers()
    arguments = context.evaluate_to_handle("[]")
    function = context.evaluate_to_handle("(function () { while (this == 'spin'); return 'done' })")

    def go_on(kind, text):
        first(kind, text)
        context.start(function, "spin", arguments, second)

    original = context._functions.call
    overtaken = threading.Event()

    def slow(*args):
        task = original(*args)
        if threading.current_thread() is starter:
            overtaken.wait(0.2)  # time enough for the answer, and for the next task, if nothing held them back
        else:
            overtaken.set()
        return task

    starter = threading.Thread(target=context.start, args=(function, "go", arguments, go_on))
    context._functions = _With(context._functions, call=slow)
    starter.start()
    starter.join()
    first.wait()
    assert overtaken.wait(10)
    context.cancel()
    assert second.wait()[0] == TERMINATED


class _With:
    """Functions, one of them replaced."""

    def __init__(self, functions, *, call):
        self._functions = functions
        self.call = call

    def __getattr__(self, name):
        return getattr(self._functions, name)


def test_nothing_is_asked_of_a_context_that_is_closed(context):
    function = context.evaluate_to_handle("(function () { return 'x' })")
    read = context.integers(context.evaluate_to_handle("new Int32Array([7]).buffer"))
    assert read(0) == 7
    context.close()
    context.close()
    assert read(0) == 0
    answers = Answers()
    context.start(function, "x", function, answers)
    context.cancel()
    context.set_limit(0)
    assert not context.limit_reached
    assert answers.all == []


def test_our_own_scripts_must_not_fail(context):
    with pytest.raises(ExpressionError, match="could not be made"):
        context.evaluate_to_handle("throw new Error('x')")
    assert context.evaluate("'a' + 1") == (TEXT, "a1")
    assert context.evaluate("(")[0] == PARSE_ERROR
