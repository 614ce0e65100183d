from __future__ import annotations

import asyncio
import gc
import linecache
import sys
from datetime import timedelta

import pytest

from engine.errors import Code, ErrorValue, ExpressionError, Place
from engine.language.protocol import Options
from engine.language.python import PythonCompiler


def test_a_snippet_may_change_its_argument_and_keeps_what_it_returned(compile):
    program = compile("kept = []\ndef main(p):\n  p['a'].append(1)\n  kept.append(1)\n  return [p, kept]")
    payload = {"a": []}
    first = program(payload)
    assert payload == {"a": []}
    assert first == [{"a": [1]}, [1]]
    program(payload)
    assert first == [{"a": [1]}, [1]]


def test_a_result_is_checked(compile, fails):
    assert fails(compile("{payload}"), 1).value.message == "a value of type set cannot be in the result"
    assert fails(compile("payload"), {1}).value.message == "a value of type set cannot be in the argument"


@pytest.mark.parametrize("stop", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "asyncio.CancelledError"])
def test_nothing_that_a_plain_snippet_raises_gets_past_the_call(compile, fails, stop):
    program = compile(f"import asyncio\ndef main(p):\n  raise {stop}")
    error = fails(program, None)
    assert error.value.message == stop.removeprefix("asyncio.")
    assert error.place == Place(line=3, column=3)


def test_an_error_of_the_top_level_is_one_of_the_call_and_tried_again(compile, fails):
    program = compile("kept = 1\n1 / 0\ndef main(p): return 1")
    for _ in range(2):
        error = fails(program, None)
        assert (error.value.message, error.place) == ("division by zero", Place(line=2, column=1))


def test_a_call_that_raises_keeps_the_state(compile, fails):
    program = compile("n = 0\ndef main(p):\n  global n\n  n += 1\n  if p: raise ValueError\n  return n")
    fails(program, True)
    assert program(False) == 2


def test_a_plain_main_that_gives_a_coroutine_is_told_what_to_write(compile, fails):
    error = fails(compile("async def f(): pass\ndef main(p): return f()"), None)
    assert error.value.message == "`main` gave a coroutine"
    assert "async def main" in error.hint


def test_an_error_value_can_be_passed_on(compile):
    value = ErrorValue("no", Code.NOT_FOUND)
    assert compile("payload")(value) is value
    assert compile("payload.error()")(value) == "no"


def test_print_goes_to_the_log(compile):
    lines = []
    program = compile("print('top')\ndef main(p): print(p)", log=lambda *line: lines.append(line))
    program(1)
    assert lines == [("info", "top"), ("info", "1")]


def test_a_closed_program_says_so(run, compile, fails):
    program, waiting = compile("payload"), compile("async def main(p): return p")
    assert program(1) == 1
    for each in (program, waiting):
        each.close()
        each.close()
    assert fails(program, 1).code is Code.UNAVAILABLE

    async def main():
        with pytest.raises(ExpressionError, match="closed"):
            await waiting(1)

    run(main)


# --- programs that await


def test_calls_overlap_where_they_await(run, compile):
    program = compile(
        "import asyncio\ngate = asyncio.Event()\nseen = []\nasync def main(p):\n  seen.append(p)\n"
        "  if len(seen) == 2: gate.set()\n  await gate.wait()\n  return seen"
    )

    async def main():
        return await asyncio.gather(program(1), program(2))

    assert run(main) == [[1, 2], [1, 2]]


def test_a_timeout_cancels_at_an_await_and_is_a_deadline(run, compile):
    program = compile(
        "import asyncio\nended = []\nasync def main(p):\n  if p: return ended\n  try:\n"
        "    await asyncio.Event().wait()\n  finally:\n    ended.append(1)",
        timeout=timedelta(milliseconds=1),
    )

    async def main():
        with pytest.raises(ExpressionError) as caught:
            await program(0)
        assert caught.value.code is Code.DEADLINE
        assert caught.value.value.message == "the code ran longer than 1 ms and was stopped"
        assert await program(1) == [1]

    run(main)


def test_a_timeout_of_the_snippets_own_is_an_error_of_the_snippet(run, compile):
    program = compile("async def main(p):\n  raise TimeoutError('mine')", timeout=timedelta(hours=1))

    async def main():
        with pytest.raises(ExpressionError) as caught:
            await program(0)
        assert (caught.value.code, caught.value.value.message) == (Code.EXPRESSION, "mine")
        assert caught.value.place == Place(line=2, column=3)

    run(main)


def test_cancelling_passes_through(run, compile):
    program = compile("import asyncio\nasync def main(p):\n  await asyncio.Event().wait()")

    async def main():
        task = asyncio.ensure_future(program(0))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run(main)


@pytest.mark.parametrize("stop", ["SystemExit", "KeyboardInterrupt", "asyncio.CancelledError"])
def test_nothing_that_an_awaiting_snippet_raises_stops_the_loop(run, compile, stop):
    program = compile(f"import asyncio\nasync def main(p):\n  await asyncio.sleep(0)\n  raise {stop}")

    async def main():
        with pytest.raises(ExpressionError, match=stop.removeprefix("asyncio.")):
            await asyncio.ensure_future(program(0))

    run(main)


def test_a_call_that_nobody_awaits_any_more_can_be_closed(run, compile):
    program = compile("import asyncio\nasync def main(p):\n  await asyncio.sleep(0)")

    async def main():
        call = program(0)
        call.send(None)
        call.close()

    run(main)


def test_a_decorator_may_make_something_plain_of_an_async_main(run, compile):
    program = compile("@(lambda f: lambda p: p + 1)\nasync def main(p): pass")

    async def main():
        return await program(1)

    assert run(main) == 2


# --- reloading


def test_reloading_leaves_nothing_behind():
    compiler = PythonCompiler()
    source = "import json\nclass A: pass\nstate = [A()]\ndef main(p):\n  if p: raise ValueError(str(p))\n  return 1\n# "

    def reload(number):
        program = compiler.compile(f"{source}{number}", Options(log=lambda *_line: None))
        program(0)
        with pytest.raises(ExpressionError):
            program(number)
        program.close()

    for number in range(1, 50):
        reload(number)
    gc.collect()
    modules, cached, objects = set(sys.modules), len(linecache.cache), len(gc.get_objects())
    for number in range(1, 1_000):
        reload(number)
    gc.collect()
    assert set(sys.modules) == modules
    assert len(linecache.cache) == cached
    assert len(gc.get_objects()) - objects < 100
