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


LONG = "let s = 'x'; while (s.length < 2 ** 28) s += s;"
GROWS = (
    "const big = [1], grow = () => { big.length = 2 ** 32 - 1 }, refuse = () => { throw new RangeError('refused') };"
)

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


# Each would end the process, or hold the thread, if a guard could be got around.
GUARDED = {
    "for in": f"{LONG} for (const k in s) return k",
    "for in of two": f"{LONG} for (const k in 1, s) return k",
    "for in with a comment": f"{LONG} for (const k in/* for */s) return k",
    "for in in a template": f"{LONG} return `${{(() => {{ for (const k in s) return k }})()}}`",
    "eval": "return eval('1')",
    "eval, indirectly": "return (0, eval)('1')",
    "Function": "return new Function('return 1')()",
    "Function by constructor": "return (() => 1).constructor('return 1')()",
    "AsyncFunction": "return (async () => 1).constructor('return 1')()",
    "GeneratorFunction": "return (function* () {}).constructor('yield 1')().next().value",
    "Function by Reflect": "return Reflect.construct((() => 1).constructor, ['return 1'])()",
    "length that changes": "return Array.prototype.join.call({n: 0, get length() { return this.n++ ? 2 ** 31 : 0 }}, '')",
    "length of a function": "return Array.prototype.slice.call(Object.defineProperty(() => 1, 'length', {value: 2 ** 53 - 1}))",
    "length of a number": "Number.prototype.length = 2 ** 53 - 1; return Array.prototype.join.call(5)",
    "length by a proxy": "return new Proxy(Array(2 ** 32 - 1), {n: 0, get(t, k) { if (k !== 'length') return t[k]; delete this.get; return 0 }}).join()",
    "length by a bare proxy": "return new Proxy(Array(2 ** 32 - 1), {}).reverse()",
    "length by a revocable proxy": "return Proxy.revocable(Array(2 ** 32 - 1), {}).proxy.reverse()",
    "length by a prototype": "return Array.prototype.fill.call(Object.create({get length() { return 2 ** 53 - 1 }}))",
    "length by a proxy for a prototype": "return Array.prototype.fill.call(Object.create(new Proxy({length: 2 ** 53 - 1}, {})))",
    "length by pollution": "Object.prototype.value = 0; return Array.prototype.fill.call({get length() { return 2 ** 53 - 1 }})",
    "flat": "return [Array(2 ** 32 - 1)].flat()",
    "flat of a proxy": "return [new Proxy(Array(2 ** 32 - 1), {})].flat()",
    "flatMap": "return [1].flatMap(() => Array(2 ** 32 - 1))",
    "concat of what is like a list": "return [].concat({length: 2 ** 53 - 1, [Symbol.isConcatSpreadable]: true})",
    "concat of a proxy": "return [].concat(new Proxy(Array(2 ** 32 - 1), {}))",
    "concat by species": f"{GROWS} const q = [1]; q.constructor = {{get [Symbol.species]() {{ return grow() }}}}; return q.concat(big).length > 9 || refuse()",
    "concat by a getter": f"{GROWS} const q = [1]; Object.defineProperty(q, 0, {{get: grow}}); return q.concat(big).length > 9 || refuse()",
    "concat by spreading": f"{GROWS} Object.defineProperty(Array.prototype, Symbol.isConcatSpreadable, {{get: grow}}); return [].concat(big)",
    "concat by a constructor": f"{GROWS} Object.defineProperty(Array.prototype, 'constructor', {{get: grow}}); return [].concat(big)",
    "iterator that grows": f"{GROWS} const i = big.values(); grow(); return new Set(i)",
    "iterator that grows, dropped": f"{GROWS} const i = big.values(); grow(); return i.drop(2 ** 40).next()",
    "iterator that grows, as a set": f"{GROWS} return new Set([1]).union({{size: 1, has() {{}}, keys() {{ const i = big.values(); grow(); return i }}}})",
    "iterator that grows, in a set": f"{GROWS} const q = new Set([1]); q.keys = () => {{ const i = big.values(); grow(); return i }}; return q.union(q)",
    "iterator that grows, looked through": f"{GROWS} const i = big.values(); grow(); return i.includes(5)",
    "iterator that grows, joined": f"{GROWS} const i = big.values(); grow(); return i.join()",
    "guard by an iterator": "Array.prototype[Symbol.iterator] = function* () { yield 0 }; return 'x'.repeat(2 ** 28)",
    "array of another class": "return Reflect.construct(Array, [], Object)",
    "array of another class by a proxy": "return Reflect.construct(new Proxy(Array, {}), [], Object)",
    "integer": "return 2n ** 1000000n",
    "integer thrown": "throw 2n ** 1000000n",
}  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("body", GUARDED.values(), ids=GUARDED.keys())
def test_guards_hold(compile, body):
    program = compile(f"export default (a) => {{ if (!a) return 'fine'; {body} }}")
    error = fails(program, 1)
    assert error.code in (Code.EXPRESSION, Code.DEADLINE)
    assert program(0) == "fine"


def test_bind_does_not_end_the_process_when_there_is_no_memory(compile):
    program = compile(
        "export default (a) => { if (!a) return 'fine'; const all = [], f = () => all;"
        " for (;;) try { for (;;) all.push(f.bind(null, 1, 2)) } catch { all.length -= 3 } }"
    )
    for _ in range(5):
        fails(program, 1)
        assert program(0) == "fine"


def test_what_was_replaced_does_what_it_should(compile):
    program = compile(
        """export default () => {
          const add = function (a, b, c) { return [this, new.target !== undefined, a, b, c] };
          const bound = add.bind("self", 1);
          class P { constructor(a, b) { this.p = [a, b] } }
          const made = new (P.bind(null, 1))(2);
          const keys = [];
          for (const k in "ab") keys.push(k);
          for (const k in {c: 1}) keys.push(k);
          for (const k in null) keys.push(k);
          for (const k in 5) keys.push(k);
          return {
            bound: [bound(2, 3), bound.length, bound.name],
            made: [made.p, made instanceof P],
            keys,
            concat: [1].concat([2, [3]], 4, "five", {six: 6}, null),
            concatOfText: Array.prototype.concat.call("a", "b").length,
            flat: [[1, [2, [3]]], 4, , 5].flat(),
            deep: [[1, [2, [3]]]].flat(Infinity),
            shallow: [[1]].flat(0),
            flatMap: [1, 2].flatMap((n, i, all) => [n, i, all.length]),
            flatMapOne: [[1], [2]].flatMap((n) => [n]),
            set: [...new Set([1, 1, 2]), ...new Set("ab"), new Set().size, new Set(null).size],
            map: [...new Map([[1, 2]]), ...new Map(new Map([[3, 4]]))],
            weak: new WeakMap([[keys, 1]]).get(keys),
            union: [...new Set([1]).union(new Set([2]))],
            subset: new Set([1]).isSubsetOf(new Map([[1, 2]])),
            drop: [...[1, 2, 3].values().drop(1)],
            like: [Array.prototype.slice.call({length: 2, 0: "a", 1: "b"}), (function () { return Array.prototype.join.call(arguments) })(1, 2)],
            none: Array.prototype.slice.call({}),
            from: [Array.from({length: 2}, (_, i) => i), Array.from(new Uint8Array([7])), Array.from("ab")],
            typed: [[...new Uint8Array([3, 1]).sort()], new Float64Array([1]).indexOf(1), [...new Uint8Array(2).fill(1)]],
            construct: [Reflect.construct(Array, [1, 2]), Reflect.construct(P, [1, 2]).p, Reflect.construct(Set, [[1]], class extends Set {}).size,
              new (new Proxy(P, {construct: (t, args, self) => Reflect.construct(t, args, self)}))(3, 4).p],
            proxy: [new Proxy({a: 1}, {}).a, Object.keys(new Proxy([5], {})), Proxy.revocable({b: 2}, {}).proxy.b],
            function: [(() => 1) instanceof Function, typeof Function, (() => 1).call(), Math.max.apply(null, [1, 2])],
            text: "wait for it" + `, for ${1} in` + /for/.test("for"),
          };
        }"""
    )
    assert program(None) == {
        "bound": [["self", False, 1, 2, 3], 2, "bound add"],
        "made": [[1, 2], True],
        "keys": ["0", "1", "c"],
        "concat": [1, 2, [3], 4, "five", {"six": 6}, None],
        "concatOfText": 2,
        "flat": [1, [2, [3]], 4, 5],
        "deep": [1, 2, 3],
        "shallow": [[1]],
        "flatMap": [1, 0, 2, 2, 1, 2],
        "flatMapOne": [[1], [2]],
        "set": [1, 2, "a", "b", 0, 0],
        "map": [[1, 2], [3, 4]],
        "weak": 1,
        "union": [1, 2],
        "subset": True,
        "drop": [2, 3],
        "like": [["a", "b"], "1,2"],
        "none": [],
        "from": [[0, 1], [7], ["a", "b"]],
        "typed": [[1, 3], 0, [1, 1]],
        "construct": [[1, 2], [1, 2], 1, [3, 4]],
        "proxy": [1, ["0"], 2],
        "function": [True, "function", 1, 2],
        "text": "wait for it, for 1 intrue",
    }


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("module.exports = (a) => { with (a) return b }", "`with` is not available"),
        ("export default {\n for() {} }", "neither `;` nor `of` nor `in`"),
        ("export default () => {\n return String.raw`for ${1}` }", "a template with a tag"),
    ],
)
def test_what_could_get_around_the_guard_of_a_loop_does_not_compile(compile, source, message):
    with pytest.raises(ExpressionError, match=message) as caught:
        compile(source)
    assert caught.value.place.line == source.count("\n") + 1


def test_places_behind_a_guard_are_those_of_the_source(compile):
    source = (
        "export default () => { /* for */ for (const k in {a: 1}) { const t = 'ä for 🙂'; throw new Error(t + k) } }"
    )
    error = fails(compile(source))
    assert str(error) == "ä for 🙂a"
    begin = source.index("new Error") + 1
    assert begin <= error.place.column <= begin + len("new Error(t + k)")


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
