"""Programs whose isolates are processes: who is hurt when one dies, and who is not."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta

import pytest

from engine.errors import Code, ExpressionError
from engine.language.javascript import JavaScriptCompiler

MEMORY = 2**24
FATAL = "let s = 'x'; while (s.length < 2 ** 28) s += s; return /x/g[Symbol.match](s).length"
ENDLESS = "return Array.from({length: 2 ** 32 - 1})"


@pytest.fixture
def compiler(processes):
    made = JavaScriptCompiler(isolation="process", timeout=timedelta(seconds=30), memory=MEMORY)
    yield made
    made.close()
    assert not processes.all()


async def test_compiling_starts_no_process_and_a_call_starts_two(compiler, processes):
    program = compiler.compile("export default 1")
    assert not processes.all()
    assert await program(None) == 1
    assert (len(processes.zygotes()), len(processes.isolates())) == (1, 1)
    program.close()
    processes.wait_until(lambda: not processes.isolates())


async def test_in_a_thread_there_is_no_process(processes):
    compiler = JavaScriptCompiler(isolation="thread")
    assert await compiler.compile("export default 1")(None) == 1
    assert not processes.all()
    compiler.close()


async def test_who_ends_the_process_fails_alone(compiler):
    program = compiler.compile(f"let n = 0; export default (a) => {{ n++; if (a === 7) {{ {FATAL} }} return a }}")
    bystander = compiler.compile("let n = 0; export default () => ++n")
    assert await bystander(None) == 1
    results = await asyncio.gather(*(program(n) for n in range(20)), return_exceptions=True)
    error = results.pop(7)
    assert isinstance(error, ExpressionError)
    assert "more than 16 MiB" in str(error)
    assert results == [n for n in range(20) if n != 7]
    assert await bystander(None) == 2


async def test_so_does_who_ends_it_behind_an_await(compiler):
    program = compiler.compile(f"export default async (a) => {{ await null; if (a === 3) {{ {FATAL} }} return a }}")
    results = await asyncio.gather(*(program(n) for n in range(6)), return_exceptions=True)
    assert isinstance(results.pop(3), ExpressionError)
    assert results == [0, 1, 2, 4, 5]


async def test_what_looks_at_no_interrupt_is_killed_at_its_deadline(processes):
    # With memory enough for the time that it runs.
    compiler = JavaScriptCompiler(isolation="process", timeout=timedelta(milliseconds=200), memory=2**30)
    program = compiler.compile(f"export default (a) => {{ if (a) {{ {ENDLESS} }} return 'fine' }}")
    assert await program(0) == "fine"
    before = processes.isolates()
    with pytest.raises(ExpressionError) as caught:
        await program(1)
    assert caught.value.code is Code.DEADLINE
    processes.wait_until(lambda: not before & processes.all())
    assert await program(0) == "fine"
    compiler.close()


async def test_a_process_that_was_killed_at_rest_is_replaced_and_the_log_tells(compiler, processes, caplog):
    program = compiler.compile("let n = 0; export default () => ++n")
    assert [await program(None), await program(None)] == [1, 2]
    (child,) = processes.isolates()
    os.kill(child, signal.SIGKILL)
    processes.wait_until(lambda: "a JavaScript process ended: SIGKILL" in caplog.text)
    assert await program(None) == 1


async def test_what_a_call_leaves_behind_may_kill_and_nobody_else_fails(compiler):
    program = compiler.compile(
        f"export default (a) => {{ if (a) Promise.resolve().then(() => {{ {FATAL} }}); return 'fine' }}"
    )
    assert await program(1) == "fine"
    assert await program(0) == "fine"


async def test_closing_ends_what_runs_at_once(compiler, processes):
    program = compiler.compile(f"export default (a) => {{ if (a) {{ {ENDLESS} }} }}")
    await program(0)
    running = asyncio.ensure_future(program(1))
    await asyncio.sleep(0)
    compiler.close()
    assert not processes.all()
    with pytest.raises(ExpressionError, match="closed"):
        await running
