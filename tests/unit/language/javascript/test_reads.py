from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ErrorValue, ExpressionError
from engine.language.javascript import JavaScriptCompiler
from engine.language.javascript.module import rewrite
from engine.language.javascript.reads import Reads, project


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("export default (r) => r.query.page", {"query": {"page": None}}),
        ("export default r => r.a", {"a": None}),
        ("export default async r => r.a", {"a": None}),
        ("export default async (r) => { await null; return r.a }", {"a": None}),
        ("export default function (r) { return r.a }", {"a": None}),
        ("export default function f(r) { return r.a ? f({a: r.b}) : 0 }", {"a": None, "b": None}),
        ("export default async function* (r) { yield r.a }", {"a": None}),
        ("export default () => 1", {}),
        ("export default (unused) => 1", {}),
        ("export default (r, x = r.b) => r.a", {"a": None, "b": None}),
        ("export default (r = {}) => r.a", {"a": None}),
        ("export default (r) => r?.a?.b", {"a": {"b": None}}),
        ("export default (r) => r.headers['x-id'] ?? r[\"b\"].c", {"headers": {"x-id": None}, "b": {"c": None}}),
        ("export default (r) => r.items.map((item) => item.r)", {"items": None}),
        ("export default (r) => r.a.items.length + r.a.items[0].x", {"a": {"items": None}}),
        ("export default (r) => r.a.b + r.a", {"a": None}),
        ("export default (r) => r.a + r.a.b", {"a": None}),
        ("export default (r) => `${r.a} ${r.b.c}`", {"a": None, "b": {"c": None}}),
        ("export default (r) => ({...r.a, x: other.r, y: [...r.b]})", {"a": None, "b": None}),
        ("export default (r) => { r.a.b = 1; r.a.c++; return typeof r.d }", {"a": None, "d": None}),
        ("export default (r) => delete r.a.b", {"a": None}),
        ("export default (r) => (r.a.f)() + (r.b.f)`x`", {"a": None, "b": None}),
        ("export default (r) => r.a.toString", {"a": None}),
        ("const x = (r) => r; export default (r) => { return r.a }", {"a": None}),
        ("export default ({a, b: {c, d: e}, 'f-g': h}) => a", {"a": None, "b": {"c": None, "d": None}, "f-g": None}),
        (
            "export default ({a = {x: 1, y: 2}, b: {c} = {}, d: [e] = []}) => a",
            {"a": None, "b": {"c": None}, "d": None},
        ),
        ("export default ({a: {b}, a}) => b", {"a": None}),
        ("export default ({a, a: {b},}) => b", {"a": None}),
        ("export default ({}) => 1", {}),
    ],
)
def test_what_a_function_reads(source, reads):
    assert rewrite(source).reads == reads


@pytest.mark.parametrize(
    "body",
    [
        "r",
        "[r]",
        "({r})",
        "({...r})",
        "f(r)",
        "r[key]",
        "r['a' + 1]",
        "r['\\x61']",
        "r[0]",
        "r['1']",
        "r.f()",
        "r?.f()",
        "r.f?.()",
        "(r.f)()",
        "r.f`x`",
        "(r.f)`x`",
        "r.hasOwnProperty",
        "r.constructor.keys",
        "r.__proto__",
        "r.true",
        "r.a = 1",
        "r.a += 1",
        "r.a++",
        "++r.a",
        "delete r.a",
        "'a' in r",
        "(() => { for (const k in r) return k })()",
        "(() => { const {a} = r; return a })()",
        "(() => { const q = r; return q.a })()",
        "(() => { r = 1; return r.a })()",
        "(() => { const r = {a: 1}; return r.a })()",
        "((r) => r.a)(1)",
        "(r => r.a)(1)",
        "(({r}) => r.a)(1)",
        "(() => { try { throw 1 } catch (r) { return r.a } })()",
        "eval('r')",
        "r.a + \\u0072",
        "r.\\u0061",
        "r.#a",
        "Object.prototype.a + r.a",
        "r.a + ({})['__proto__'].x",
        "`${r}`",
        "r ? r.a : 0",
    ],
)
def test_everything_is_read_where_it_cannot_be_known(body):
    assert rewrite(f"export default (r) => {body}").reads is None


@pytest.mark.parametrize(
    "source",
    [
        "export default function (r) { return arguments[0] }",
        "export default ({a, ...rest}) => rest",
        "export default ({a: {b, ...rest}}) => rest",
        "export default ({[key]: a}) => a",
        "export default ({1: a}) => a",
        "export default ({valueOf}) => 1",
        "export default ({a}, b = eval('a')) => a",
        "export default ([a]) => a",
        "export default (...all) => all",
        "export default wrap((r) => r.a)",
        "export default (wrap)",
        "export default (a, b)",
        "export default async(a)",
        "export default class { constructor(r) { r.a } }",
        "export default {a: (r) => r.a}",
        "export default function f(r) { return r.a }\nf = (r) => r",
        "export default function f(r) { return r.a }\nfunction f(r) { return r }",
        "const f = (r) => r.a; export { f as default }",
        "const f = (r) => r.a; export default f",
        "module.exports = (r) => r.a",
    ],
)
def test_everything_is_read_by_what_is_no_plain_function(source):
    assert rewrite(source).reads is None


def test_project_keeps_what_is_read_and_lists_and_values_whole():
    reads = Reads(a=Reads(b=None), c=Reads(d=None), missing=None)
    error = ErrorValue("e")
    payload = {"a": {"b": [1], "x": 2}, "c": [{"d": 1, "e": 2}], "y": 3}
    assert project(payload, reads) == {"a": {"b": [1]}, "c": [{"d": 1, "e": 2}]}
    assert payload["y"] == 3
    for whole in (None, "text", [payload], error):
        assert project(whole, reads) is whole


NAMES = ["a", "b", "length", "message", "map", "x-y"]
leaves = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "text"]) | st.just(ErrorValue("e"))
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NAMES, "z"]), inner, max_size=4),
    max_leaves=12,
)


def path(names, optional):
    dots = [f"['{n}']" if "-" in n else (f"?.{n}" if optional else f".{n}") for n in names]
    return "r" + "".join(dots)


paths = st.builds(path, st.lists(st.sampled_from(NAMES), min_size=1, max_size=3), st.booleans())
pieces = st.one_of(
    paths,
    paths.map(lambda p: f"Object.keys({p} ?? {{}})"),
    paths.map(lambda p: f"typeof {p}"),
    paths.map(lambda p: f"{{...{p}}}"),
    paths.map(lambda p: f"({p}.hasOwnProperty('a'))"),
    paths.map(lambda p: f"{p}.map?.((r) => r)"),
    paths.map(lambda p: f"({p})?.toString()"),
    paths.map(lambda p: f"JSON.stringify({p})"),
    paths.map(lambda p: f"({p.replace('?.', '.')} = 7, {p})"),
    paths.map(lambda p: f"(delete {p}, {p})"),
    st.just("Object.keys(r)"),
    st.just("r.hasOwnProperty('b')"),
)
functions = st.lists(pieces, min_size=1, max_size=3).map(
    lambda found: "(r) => [" + ", ".join(p if p[0] != "{" else f"({p})" for p in found) + "]"
)


@pytest.fixture(scope="module")
def javascript():
    compiler = JavaScriptCompiler(timeout=timedelta(seconds=10), isolates=2)
    yield compiler
    compiler.close()


async def outcome(program, payload):
    try:
        return await program(payload)
    except ExpressionError as error:
        return str(error)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(functions, st.lists(values, min_size=1, max_size=8))
def test_a_function_cannot_tell_what_was_left_out(javascript, function, payloads):
    narrow = javascript.compile(f"export default {function}")
    whole = javascript.compile(f"const f = {function};\nexport default (payload) => f(payload)")

    async def both():
        return await asyncio.gather(
            asyncio.gather(*(outcome(narrow, p) for p in payloads)),
            asyncio.gather(*(outcome(whole, p) for p in payloads)),
        )

    left, right = asyncio.run(both())
    narrow.close()
    whole.close()
    assert left == right, json.dumps(function)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(["a", "b", "length"]), unique=True), values, st.booleans())
def test_a_pattern_cannot_tell_what_was_left_out(javascript, names, payload, nested):
    fields = ", ".join([*names, *(["message: {a: m, map: {b: n} = {}} = {}"] if nested else ["message: m = 5"])])
    function = f"({{{fields}}}) => [{', '.join([*names, 'm'])}]"
    narrow = javascript.compile(f"export default {function}")
    whole = javascript.compile(f"const f = {function};\nexport default (payload) => f(payload)")

    async def both():
        return await outcome(narrow, payload), await outcome(whole, payload)

    left, right = asyncio.run(both())
    narrow.close()
    whole.close()
    assert narrow._module.reads is not None
    assert left == right, function
