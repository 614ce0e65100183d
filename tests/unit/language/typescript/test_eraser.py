from __future__ import annotations

import itertools
import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Code, ExpressionError, Place
from engine.language.javascript.tokens import place_at, tokenize
from engine.language.typescript.eraser import Eraser


@pytest.fixture(scope="module")
def eraser():
    made = Eraser()
    yield made
    made.close()


def words(code: str) -> str:
    return " ".join(token.text for token in tokenize(code))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("let a: number = 1", "let a = 1"),
        ("let a!: number", "let a"),
        ("f(a as any, b as unknown as string, c!)", "f(a, b, c)"),
        ("const a = {b: 1} satisfies T", "const a = {b: 1}"),
        ("let a = <T>b", "let a = b"),
        ("const a = [1] as const", "const a = [1]"),
        ("new Map<string, Array<number>>()", "new Map()"),
        ("f<T>(x); a?.b<T>(c); tag<T>`x`", "f(x); a?.b(c); tag`x`"),
        ("(a < b, c > d)", "(a < b, c > d)"),
        ("const f = <T,>(a: T, b?: T): a is T => a", "const f = (a, b) => a"),
        ("const f = async <T>(a: T) => a", "const f = async (a) => a"),
        ("function f<const T extends object>(this: W, ...rest: T[]): asserts rest {}", "function f(...rest) {}"),
        ("function f({a}: {a: number} = {a: 1}, [b]?: T[]) {}", "function f({a} = {a: 1}, [b]) {}"),
        ("function f(a: 1): 1; function f(a: 2): 2; function f(a: any) {}", "function f(a) {}"),
        ("const a = b ? (c): number => 1 : 2", "const a = b ? (c) => 1 : 2"),
        ("const a = b ? (c) : (d): number => 1", "const a = b ? (c) : (d) => 1"),
        ("type A = {b: `x${string}`}; interface B extends A { (c: 1): void }", ""),
        ("declare const a: number; declare function b(): void; declare class C {}; declare global {}", ";"),
        ("declare namespace N { namespace M { const a: number } } declare module 'm' {}", ""),
        ("import type {A} from 'a'; import {type B, C} from 'b'; let c: C", "let c"),
        ("export type A = 1; export interface B {}", ""),
        ("export type {A}; export {type B, c}", "; export {c}"),
        ("export default abstract class A { abstract a(): void }", "export default class A { }"),
        ("class A<T> extends B<T> implements C, D { }", "class A extends B { }"),
        ("class A { private readonly a = 1; static override b?: T; declare c: T; [k: string]: T }",
         "class A { a = 1; static b; ; }"),
        ("class A { m(): void; m(a?: any) {} get b(): T { return 1 } }", "class A { m(a) {} get b() { return 1 } }"),
        ("class A { constructor(private a: T, readonly b = 2) { f() } }",
         "class A { constructor(a, b = 2) { ; this.a = a; this.b = b; f() } }"),
        ("try {} catch (e: unknown) {}", "try {} catch (e) {}"),
        ("for (const a of b as T[]) ;", "for (const a of b) ;"),
        ("export = f", "module.exports = f"),
        ("type = 1; declare = 2; namespace = 3; abstract = as", "type = 1; declare = 2; namespace = 3; abstract = as"),
    ],
)  # fmt: skip
def test_types_are_taken_out(eraser, source, expected):
    assert words(eraser.erase(source).code) == words(expected)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = 1\ntype T = 1\n[b].c()", "a = 1 ; [b].c()"),
        ("a\ninterface T {}\n(b)", "a ; (b)"),
        ("a\ndeclare const t: T\n`b`", "a ; `b`"),
        ("a = b as T\n(c)", "a = b ; (c)"),
        ("a = b satisfies T\n[c]", "a = b ; [c]"),
        ("a = b as number\n+ c", "a = b + c"),
        ("f<T>\n(a)", "f(a)"),
        ("class A { a = 1\n m(): void\n [b] = 2 }", "class A { a = 1 ; [b] = 2 }"),
    ],
)
def test_statements_that_a_type_kept_apart_stay_apart(eraser, source, expected):
    assert words(eraser.erase(source).code) == words(expected)


@pytest.mark.parametrize(
    ("source", "message", "line", "column"),
    [
        ("let a: = 1", "Unexpected token", 1, 8),
        ("let a: T b", 'Unexpected token, expected ";"', 1, 10),
        ("\n  const f = (a: number): T => {\n    let b: T = ;\n  }", "Unexpected token", 3, 16),
        ("enum A { b c }", "a `,` or `}` is missing in an enum", 1, 12),
        ("enum A { [b] = 1 }", "a member of an enum needs a name", 1, 10),
        ("\nnamespace A.B { export let c = 1 }", "namespaces are not available", 2, 1),
        ("type T = 1\nmodule M { }", "namespaces are not available", 2, 1),
        ("export namespace A { }", "namespaces are not available", 1, 8),
        ("let x: T; @a class B {}", "decorators are not available", 1, 11),
        ("class A { @b c: T }", "decorators are not available", 1, 11),
        ("import a = require('a')", "import is not available", 1, 1),
        ("export import a = b.c", "import is not available", 1, 8),
        ("class A { constructor(private {a}: T) {} }", "Expected identifier after access modifiers", 1, 31),
        ("function f() { return <T>\n(a) }", "a line ends after `return`", 1, 23),
        ("class A { a = 1\n declare b: T\n [c] = 2 }", "this line would continue", 3, 2),
        ("a\nimport type {T} from 't'\n(b)", "this line would continue", 3, 1),
        ('let a: "😀"; let b: = 1', "Unexpected token", 1, 20),
        ("let a = <b/>", "Unexpected token", 1, 13),
        ("(class { m(: T })", "Unexpected token", 1, 12),
    ],
)
def test_what_cannot_be_translated_has_its_place(eraser, source, message, line, column):
    with pytest.raises(ExpressionError) as caught:
        eraser.erase(source)
    assert message in str(caught.value)
    assert caught.value.place == Place(line=line, column=column)


@pytest.mark.parametrize(
    "source",
    ["let a: " + "A<" * 100_000, "(" * 100_000, "type A = " + "[" * 100_000, "`${" * 50_000],
)  # fmt: skip
def test_deep_nesting_ends_in_an_error(eraser, source):
    with pytest.raises(ExpressionError, match="the code is nested too deeply"):
        eraser.erase(source)
    assert eraser.erase("a as T").code.strip() == "a"


def test_a_source_that_takes_too_long_is_given_up_and_hurts_nobody_else():
    eraser = Eraser(timeout=timedelta(seconds=1))
    eraser.erase("a")
    with pytest.raises(ExpressionError, match="too much time") as caught:
        eraser.erase("let f = " + "<T>(" * 40 + "1" + ")" * 40)
    assert caught.value.code is Code.TOO_LARGE
    assert eraser.erase("a as T").code == "a "
    eraser.close()
    with pytest.raises(ExpressionError, match="closed"):
        eraser.erase("a")
    eraser.close()


def test_a_source_after_one_that_was_given_up_is_translated():
    eraser = Eraser(timeout=timedelta(seconds=60), memory=10 * 2**20)
    with pytest.raises(ExpressionError, match="too much memory") as caught:
        eraser.erase("f(a as T);" * 26_000)
    assert caught.value.code is Code.TOO_LARGE
    assert eraser.erase("a as T").code == "a "
    eraser.close()


# ---------------------------------------------------------------------- properties

_ATOMS = ["1", "m", "'a: b'", '"<T>"', "`x${m}`", "/a as b/g", "null", "this", "0x1f", "m?.m", "'😀'"]


def _plain(inner):
    operators = st.sampled_from(["+", "<", ">", "??", "&&", "in", ",", "=="])
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("[{}, ...{}]".format, inner, inner),
        st.builds("({{m: {}, [{}]: 1, m() {{}}}})".format, inner, inner),
        st.builds("m({}, {})".format, inner, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("((m, {{m: n}} = {}) => {})".format, inner, inner),
        st.builds("(async function* (m) {{ yield {} }})".format, inner),
        st.builds("(class {{ #m = {}; static m() {{}} get m() {{ return 1 }} }})".format, inner),
    )


def _typed(inner):
    return st.one_of(
        _plain(inner),
        st.builds("({} as Array<{{m: T}}>)".format, inner),
        st.builds("({} satisfies T)".format, inner),
        st.builds("{}!".format, inner),
        st.builds("(<T,>(m: Map<T, `a${{T}}`>, n?: T): m is T => {})".format, inner),
        st.builds("m<T, {{m: T}}>({})".format, inner),
        st.builds("(class<T> extends m<T> implements T {{ private m?: T = {}; declare n: T; m(): T }})".format, inner),
    )


PLAIN = st.recursive(st.sampled_from(_ATOMS), _plain, max_leaves=8)
TYPED = st.recursive(st.sampled_from(_ATOMS), _typed, max_leaves=8)


def statements(expressions):
    return st.one_of(
        st.builds("let m = {};".format, expressions),
        st.builds("if ({}) {{ m }} // x: T\n".format, expressions),
        st.builds("for (const m of {}) m;".format, expressions),
        st.sampled_from(["/* m: T */", "m: for (;;) break m;", "export default (m) => m"]),
    )


TYPED_STATEMENTS = st.one_of(
    statements(TYPED),
    st.builds("let m: (n: T) => T[] = {};".format, TYPED),
    st.builds("enum E {{ A = {}, B, 'c-d' }}".format, TYPED),
    st.builds("class C {{ constructor(private a: T = {}) {{ m }} }}".format, TYPED),
    st.sampled_from(["type T = {m: 1}", "interface T { m: T }", "declare const m: T;"]),
)


def numbered(source: str) -> str:
    """The source with each `m` made a name of its own."""
    numbers = itertools.count()
    return re.sub(r"\bm\b", lambda _: f"m_{next(numbers)}", source)


@given(st.lists(TYPED_STATEMENTS, max_size=6).map("\n".join))
def test_every_name_that_stays_goes_back_to_where_it_stood(eraser, source):
    source = numbered(source)
    erased = eraser.erase(source)
    for token in tokenize(erased.code):
        if token.kind != "name" or not token.text.startswith("m_"):
            continue
        place = erased.place(place_at(erased.code, token.start))
        line = source.split("\n")[place.line - 1]
        assert line[place.column - 1 :].startswith(token.text)


@given(st.lists(statements(PLAIN), max_size=6).map("\n".join))
def test_javascript_stays_as_it_is(eraser, source):
    assert eraser.erase(source).code == source


@given(st.lists(TYPED_STATEMENTS, max_size=6).map("\n".join))
def test_lines_stay_where_they_are(eraser, source):
    assert eraser.erase(source).code.count("\n") == source.count("\n")
