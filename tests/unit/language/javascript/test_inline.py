"""Snippets on QuickJS: what holds up the event loop is ended, whatever it is, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta

import pytest

from engine.errors import Code, ExpressionError, InvalidError
from engine.language.javascript import JavaScriptCompiler
from engine.language.protocol import Options

BUDGET = timedelta(milliseconds=20)


@pytest.fixture
def compiler():
    made = JavaScriptCompiler(inline_timeout=BUDGET)
    yield made
    made.close()


@pytest.fixture
def compile(compiler):
    def compile(source, *, timeout=None, log=None):
        return compiler.compile(source, Options(engine="quickjs", timeout=timeout, log=log))

    return compile


def fails(program, payload=None):
    with pytest.raises(ExpressionError) as caught:
        program(payload)
    return caught.value


# What QuickJS itself would look at too late, or never. Without an end of ours each holds the thread for seconds, most for
# minutes: a test that hangs is a hole that is open again.
REFUSED = {
    "join": "Array(1e8).join()",
    "join of something like an array": "Array.prototype.join.call({length: 2 ** 53 - 1}, '')",
    "fill": "new Array(1e9).fill(1)",
    "sort": "Array(1e9).sort()",
    "sort as text": "Array.from({length: 100_000}, (_, i) => i * 7919 % 100_003).sort()",
    "concat": "[].concat(Array(2 ** 32 - 1))",
    "concat to": "Array(1e9).concat([1])",
    "slice": "Array(2 ** 32 - 1).slice(1)",
    "splice": "Array(2 ** 32 - 1).splice(0, 5)",
    "shift": "Array(1e9).shift()",
    "unshift": "Array(1e9).unshift(1)",
    "reverse": "Array(1e9).reverse()",
    "with": "Array(1e9).with(1, 2)",
    "flat": "Array(1e9).flat()",
    "flatMap": "Array(1e9).flatMap(x => x)",
    "lastIndexOf": "Array(2 ** 32 - 1).lastIndexOf(1)",
    "toLocaleString": "Array(1e9).toLocaleString()",
    "String": "String(Array(1e9))",
    "iterator": "Array(2 ** 32 - 1).values().drop(4e9).next()",
    "Set": "new Set(Array(2 ** 32 - 1))",
    "Array.from": "Array.from({length: 1e9})",
    "stringify": "JSON.stringify(Array(1e8))",
    "stringify with names": "JSON.stringify(1, Array(1e9))",
    "raw": "String.raw({raw: {length: 1e9}})",
    "repeat": "'x'.repeat(2 ** 29)",
    "search": "'a'.repeat(2e6).indexOf('a'.repeat(1e6) + 'b')",
    "split": "'a'.repeat(2e6).split('a'.repeat(1e6) + 'b')",
    "compare": "'ä'.repeat(1e6).localeCompare('ä'.repeat(1e6) + 'a')",
    "normal form": "'ä'.repeat(1e6).normalize('NFKD')",
    "digits": "BigInt('9'.repeat(300_000))",
}

STOPPED = {
    "spread": "const q = Array(100_000).fill(1); for (;;) [...q]",
    "caught": "for (;;) { try { Array(2e5).fill(1).slice() } catch {} }",
    "caught in calls": "for (;;) { try { Array(1e5).fill(1).slice().slice() } catch {} }",
    "caught twice": "for (;;) { try { for (;;) { try { Math.max(Array(1e5).fill(1).slice()); f() } catch {} } } catch {} }",
    "rest": "const o = {}; for (let i = 0; i < 20_000; i++) o['k' + i] = i; for (;;) { const {...p} = o }",
    "big integers": "let b = 3n ** 200_000n; for (;;) b * b",
    "big integers as text": "let b = 3n ** 60_000n; for (;;) String(b)",
    "power": "3n ** 600_000n",
    "typed sort": "const q = new Float64Array(16_000).map((_, i) => i * 7919 % 16_001); for (;;) q.slice().sort()",
    "typed fill": "const q = new Uint8Array(4e6); for (;;) q.fill(1)",
    "typed set": "const q = new Uint8Array(1e6), r = new Float32Array(1e6); for (;;) q.set(r)",
    "typed search": "const q = new Float64Array(9e5); for (;;) q.includes(1)",
    "search": "const h = 'a'.repeat(4000), n = 'a'.repeat(2000) + 'b'; for (;;) h.indexOf(n)",
    "upper case": "const q = 'ä'.repeat(1e6); for (;;) q.toUpperCase()",
    "key": "const q = 'x'.repeat(2e6), m = new Map([[q, 1]]); for (;;) m.get(q)",
    "parse": "const q = '[' + '1,'.repeat(2e5) + '1]'; for (;;) JSON.parse(q)",
    "shift": "const q = Array(200_000).fill(1); for (;;) q.push(q.shift())",
    "regular expression": "const q = 'a'.repeat(1e5); for (;;) /(?<=a*)b/.test(q)",
    "holes": "for (const x of Array(2 ** 32 - 1));",
    "garbage": "for (;;) { const x = {}; x.x = x }",
    "finally": "try { for (;;); } finally { for (;;); }",
    "thenable": "const t = {then(r) { r(t) }}; return Promise.resolve(t)",
    "async generator": "return (async () => { for await (const x of (async function* () { for (;;) yield 1 })()); })()",
    "microtasks": "const f = () => queueMicrotask(f); f(); return new Promise(() => {})",
}

# An interruption is read by the binding when no limit holds any more: none of this may run then.
TRAPS = {
    "toString": "Error.prototype.toString = () => { for (;;); }",
    "stack": "Object.defineProperty(Error.prototype, 'stack', {get() { for (;;); }})",
    "stack of its own": "Object.defineProperty(InternalError.prototype, 'stack', {get() { for (;;); }})",
    "toPrimitive": "InternalError.prototype[Symbol.toPrimitive] = () => { for (;;); }",
    "toPrimitive of all": "Object.prototype[Symbol.toPrimitive] = () => { for (;;); }",
    "prepareStackTrace": "Error.prepareStackTrace = () => { for (;;); }",
    "stackTraceLimit": "Error.stackTraceLimit = {valueOf() { for (;;); }}",
    "message": "Object.defineProperty(InternalError.prototype, 'message', {get() { for (;;); }})",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_what_would_hold_the_thread_for_minutes_is_refused(compile, body):
    program = compile(f"export default (a) => a ? {body} : 'fine'")
    error = fails(program, 1)
    assert "limit" in str(error) or "memory" in str(error)
    assert error.place.line == 1
    assert program(0) == "fine"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("body", STOPPED.values(), ids=STOPPED.keys())
def test_what_goes_on_within_builtins_is_stopped(compile, body):
    program = compile(f"export default (a) => {{ if (!a) return 'fine'; {body} }}")
    assert program(0) == "fine"
    error = fails(program, 1)
    assert error.code is Code.DEADLINE
    assert str(error) == "the code ran longer than 20 ms and was stopped"
    assert "engine: v8" in error.hint
    assert program(0) == "fine"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS.keys())
def test_no_code_of_the_snippet_runs_when_the_limit_is_gone(compile, trap):
    program = compile(f"export default (a) => {{ if (a) try {{ {trap} }} catch {{}}; for (;;) if (!a) return 'fine' }}")
    assert fails(program, 1).code is Code.DEADLINE
    assert program(0) == "fine"


def test_globals_that_would_run_code_without_a_limit_are_not_there(compile):
    program = compile("export default () => [typeof FinalizationRegistry, String(queueMicrotask).includes('native')]")
    assert program(None) == ["undefined", False]


def test_a_large_argument_does_not_hurt_a_full_heap(compile):
    program = compile("const kept = []; export default (a) => { kept.push(a); return a.length }")
    with pytest.raises(ExpressionError, match="more than 8 MiB of memory"):
        for _ in range(40):
            assert program("x" * 600_000) == 600_000
    assert program("xy") == 2


def test_a_result_put_together_of_many_parts_comes_whole(compile):
    program = compile("export default (n) => { let s = ''; for (let i = 0; i < n; i++) s += 'abcdefgh' + i; return s }")
    assert program(20_000) == "".join(f"abcdefgh{n}" for n in range(20_000))


def test_nothing_is_kept_of_calls_that_are_over(compile):
    program = compile("export default async (a) => { const x = {a}; x.x = x; await null; return a.length }")
    program("x")
    before = program._context._context.memory()["malloc_size"]
    for _ in range(3000):
        program("x" * 1000)
    assert program._context._context.memory()["malloc_size"] < before + 2**20


def test_places_in_the_log_are_those_of_the_snippet(compile):
    lines = []
    program = compile(
        "export default () => {\n  console.log(new Error('here')) }", log=lambda _, text: lines.append(text)
    )
    program(None)
    first, *frames = lines[0].split("\n")
    assert first == "Error: here"
    assert len(frames) == 1
    assert "snippet.js:2:" in frames[0]


def test_a_log_may_call_the_program_that_logs(compile):
    results = []
    program = compile(
        "export default (a) => { if (a) console.log(a); return a }", log=lambda *_: results.append(program(0))
    )
    assert program(1) == 1
    assert results == [0]


def test_a_timeout_may_be_shorter_and_not_longer_than_the_ceiling(compile):
    program = compile("export default () => { for (;;); }", timeout=timedelta(milliseconds=5))
    assert str(fails(program)) == "the code ran longer than 5 ms and was stopped"
    with pytest.raises(InvalidError, match="may take 20 ms, not 1 s") as caught:
        compile("export default 1", timeout=timedelta(seconds=1))
    assert "engine: v8" in caught.value.hint
    assert caught.value.value.details == {"option": "timeout"}


def test_an_engine_that_nobody_knows_names_the_option(compiler):
    with pytest.raises(InvalidError) as caught:
        compiler.compile("export default 1", Options(engine="rhino"))
    assert caught.value.hint == "use v8 or quickjs"
    assert caught.value.value.details == {"option": "engine"}


def test_a_nul_in_the_source_has_its_place(compile):
    with pytest.raises(ExpressionError, match="NUL") as caught:
        compile("export default\n 'a\0b'")
    assert (caught.value.place.line, caught.value.place.column) == (2, 4)


def test_a_closed_program_says_so(compile):
    program = compile("export default 1")
    assert program(None) == 1
    program.close()
    program.close()
    assert fails(program).code is Code.UNAVAILABLE


def test_one_program_on_many_threads(compile):
    program = compile("let n = 0; export default (a) => { try { (function f() { f() })() } catch {} return ++n }")
    results = []
    threads = [threading.Thread(target=lambda: results.extend(program(None) for _ in range(20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == list(range(1, 81))


def test_closing_ends_the_watching_thread(compiler, compile):
    compile("export default 1")(None)
    assert any(thread.name == "quickjs-watcher" for thread in threading.enumerate())
    compiler.close()
    assert not any(thread.name == "quickjs-watcher" for thread in threading.enumerate())


@pytest.mark.parametrize(("engine", "other"), [("quickjs", "py_mini_racer"), ("v8", "_quickjs")], ids=["quickjs", "v8"])
def test_one_engine_does_not_load_the_other(engine, other):
    code = (
        "import sys, asyncio, inspect, threading\n"
        "from engine.language.javascript import JavaScriptCompiler\n"
        f"compiler = JavaScriptCompiler(engine={engine!r})\n"
        "program = compiler.compile('export default 1')\n"
        "async def run():\n"
        "    return await program(0) if program.is_async else program(0)\n"
        "assert asyncio.run(run()) == 1\n"
        "compiler.close()\n"
        f"assert {other!r} not in sys.modules\n"
        "assert threading.active_count() == 1\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
