from __future__ import annotations

import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ErrorValue, ExpressionError, InvalidError, Place
from engine.language.protocol import Options
from engine.language.registry import default_languages

ENGINES = ["v8", "quickjs"]


@pytest.fixture(scope="module")
def languages():
    made = default_languages()
    yield made
    made.close()


@pytest.fixture(params=ENGINES)
def options(request):
    return Options(engine=request.param)


async def call(program, payload=None):
    result = program(payload)
    return await result if inspect.isawaitable(result) else result


@pytest.mark.parametrize(
    ("source", "payload", "expected"),
    [
        ("export default function (a: number): number { return a + 1 }", 1, 2),
        ("enum L { Low = 1, High, X = 'x', 'a-b' = High * 4 }\nexport default () => [L.High, L[2], L.X, L['a-b']]", None,
         [2, "High", "x", 8]),
        ("const enum L { A, B }\nexport default () => L.B", None, 1),
        (("class P { constructor(readonly a: number, private b = 2) {} sum() { return this.a + this.b } }\n"
         "export default (a: number) => new P(a).sum()"), 3, 5),
        (("abstract class A { abstract f(): number; g() { return this.f() } }\n"
         "class B extends A { override f(): number { return 7 } }\nexport default () => new B().g()"), None, 7),
        ("function f(a: string): string\nfunction f(a: number): number\nfunction f(a: any) { return a }\nexport { f as default }",
         "x", "x"),
        ("import type { T } from 'elsewhere'\ntype U = T[]\nexport type V = U\nconst f = (a: U): V => a\nexport default f", [1], [1]),
        ("export = function (a: number) { return a * 2 }", 4, 8),
        ("let n: number = 0\nexport default (): number => ++n", None, 1),
    ],
)  # fmt: skip
async def test_it_runs(languages, options, source, payload, expected):
    program = languages.compile("typescript", source, options)
    assert await call(program, payload) == expected
    program.close()


async def test_an_async_function_is_awaited(languages):
    program = languages.compile("ts", "export default async <T>(a: Promise<T>): Promise<T> => await a")
    assert await call(program, 1) == 1


BEFORE = """\
type T = { a: string }
interface U extends T {
  b: `x${string}`
}
enum L { Low, High = 5 }
class P { constructor(private a: T | null) {} }
"""


@pytest.mark.parametrize(
    "line",
    [
        "const f = (a: any, b?: Map<string, T>): T => { const c: T = a!; throw¦ new Error('boom') }",
        "const f = (a: any): T => { const q = new P(null) as any as P; const c: '😀' = '😀'; throw¦ new Error('boom') }",
        "const f = function <X extends T>(this: void, a: X) { return (a as any satisfies X) || [1].map((x: number): T => { throw¦ new Error('boom') }) }",
    ],
)  # fmt: skip
async def test_an_error_tells_its_place_in_the_typescript(languages, options, line):
    # The one counts from `new`, the other from what stands behind it.
    column = line.index("¦") + (2 if options.engine == "v8" else 6)
    source = f"{BEFORE}{line.replace('¦', '')}\nexport default f\n"
    program = languages.compile("ts", source, options)
    with pytest.raises(ExpressionError, match="boom") as caught:
        await call(program)
    assert caught.value.place == Place(line=7, column=column)
    assert f"snippet.ts:7:{column}" in caught.value.value.details["stack"]
    assert "snippet.js" not in caught.value.value.details["stack"]


async def test_a_stack_tells_every_place_in_the_typescript(languages):
    source = (
        "const f = (a: number): number => { throw new Error('x') }\nexport default (a: number) => f<T>(a as any) as T"
    )
    with pytest.raises(ExpressionError) as caught:
        await call(languages.compile("ts", source.replace("f<T>", "f")), 1)
    assert [
        line.split("snippet.ts:")[1].strip(")") for line in caught.value.value.details["stack"].split("\n")[1:]
    ] == [
        "1:42",
        "2:31",
    ]


async def test_an_error_value_that_is_thrown_on_keeps_its_own_place(languages, options):
    original = ErrorValue("elsewhere", place=Place(line=3, column=5))
    program = languages.compile("ts", "type T = 1\n\n\nexport default (a: unknown): never => { throw a }", options)
    with pytest.raises(ExpressionError) as caught:
        await call(program, original)
    assert caught.value.place == original.place


@pytest.mark.parametrize(
    ("source", "message", "line", "column"),
    [
        ("type A = 1\nexport default (a: number) => { let b: A = 1; let b: A = 2 }", "'b'", 2, 51),
        ("let a: number = 1; import b from 'b'; export default b", "import is not available", 1, 20),
        ("let a: string = '', b: T = 1; export default 1; export default 2", "one default export only", 1, 49),
        ("export const a: number = 1", "exports nothing by default", 1, 1),
        ("export default (a: number) => {\n  return a as T +\n}", "Unexpected token", 3, 1),
        ("let a: T = 1, 😀: T = 2; export default a", "unexpected character", 1, 15),
    ],
)
def test_a_complaint_tells_its_place_in_the_typescript(languages, source, message, line, column):
    with pytest.raises(ExpressionError) as caught:
        languages.compile("ts", source)
    assert message in str(caught.value)
    assert caught.value.place == Place(line=line, column=column)


def test_half_a_character_is_refused(languages):
    with pytest.raises(ExpressionError, match="lone surrogate"):
        languages.compile("ts", "export default '\ud800'")


def test_options_are_those_of_javascript(languages):
    with pytest.raises(InvalidError, match="unknown JavaScript engine 'v9'"):
        languages.compile("ts", "export default (a: number) => a", Options(engine="v9"))


async def test_javascript_and_typescript_share_one_ceiling_of_isolates():
    languages = default_languages(javascript_isolates=1)
    keeps = languages.compile("js", "let n = 0; export default () => ++n")
    typed = languages.compile("ts", "export default (a: number): number => a")
    assert await keeps(None) == 1
    with pytest.raises(ExpressionError, match="all 1 JavaScript isolates are held"):
        await typed(1)
    languages.close()


async def test_after_close_nothing_is_compiled_and_nothing_runs():
    languages = default_languages()
    compiler = languages.compiler("ts")
    program = compiler.compile("export default (a: number): number => a")
    assert await program(1) == 1
    languages.close()
    with pytest.raises(ExpressionError, match="closed"):
        await program(1)
    with pytest.raises(ExpressionError, match="closed"):
        compiler.compile("export default 1")


# ---------------------------------------------------------------------- plain JavaScript means the same

_VALUES = st.recursive(
    st.sampled_from(["0", "1", "'a'", "null", "a", "b", "-1.5", "`t${a}`", "[]"]),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "<", ">", "??", "&&", "|", "==="]), inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("[{}, {}].length".format, inner, inner),
        st.builds("((b) => {})({})".format, inner, inner),
        st.builds("({{x: {}}}).x".format, inner),
        st.builds("{}.y.z".format, inner),
        st.builds("new (class {{ x = {}; get v() {{ return this.x }} }})().v".format, inner),
    ),
    max_leaves=10,
)
_PROGRAMS = st.builds(
    "let b = {};\nfor (const c of [1, 2]) {{ if ({}) b = c; else b += c }}\nexport default (a) => {}".format,
    _VALUES.map(lambda value: value.replace("a", "0")),
    _VALUES.map(lambda value: value.replace("a", "b")),
    _VALUES,
)


def outcome(languages, language, source):
    try:
        program = languages.compile(language, source, Options(engine="quickjs"))
    except ExpressionError:
        return "refused", "each in words of its own"
    try:
        return "value", program(3)
    except ExpressionError as error:
        return "error", str(error), error.place
    finally:
        program.close()


@settings(max_examples=60)
@given(_PROGRAMS)
def test_plain_javascript_means_the_same(languages, source):
    assert outcome(languages, "typescript", source) == outcome(languages, "javascript", source)
