"""Source to tree: what parses, what does not and where, and that nothing but ExpressionError comes out."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ExpressionError
from engine.language import cel
from engine.language.cel.parser import parse
from engine.language.cel.source import Source


def tree(text: str):
    return parse(Source(text), max_nesting=128)


BAD = [
    ("", 1, 1, "empty"),
    ("  // nothing", 1, 1, "empty"),
    ("1 +", 1, 4, "expected a value, found the end"),
    ("1 2", 1, 3, "expected an operator or the end"),
    ("a = 1", 1, 3, "unexpected character '='"),
    ("a &\n b", 1, 3, "unexpected character '&'"),
    ("(1", 1, 3, r"expected \), found the end"),
    ("[1, 2", 1, 6, r"expected \]"),
    ("{1 2}", 1, 4, "expected :"),
    ("a.", 1, 3, "expected a field name"),
    ("a.true", 1, 3, "expected a field name"),
    ("f(1,)", 1, 5, "expected an argument"),
    ("'abc", 1, 1, "text without its closing '"),
    ("'a\nb'", 1, 1, "text without its closing '"),
    ("'''abc", 1, 1, "text without its closing '''"),
    (r"'\q'", 1, 2, "no such escape"),
    (r"'ab\ud800'", 1, 4, "no character of Unicode"),
    (r"b'\u0041'", 1, 3, "no meaning in bytes"),
    ("9223372036854775808", 1, 1, "does not fit an int"),
    ("18446744073709551616u", 1, 1, "does not fit a uint"),
    ("1e999", 1, 1, "does not fit a double"),
    ("12abc", 1, 1, "no number"),
    ("if", 1, 1, "reserved word"),
    ("1 +\n\n  while", 3, 3, "reserved word"),
    ("x.y{a: 1}", 1, 4, "messages are not known"),
    ("has(a)", 1, 1, "has\\(\\) takes a field"),
    ("[1].map(a.b, 1)", 1, 10, "plain name"),
    ("[1].all(a, a, true)", 1, 12, "different names"),
    ("!-a", 1, 2, "expected a value"),
    ("cel.index(0)", 1, 5, "declared around"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), BAD)
def test_bad_source_has_a_place(text, line, column, message) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        cel.compile(text)
    assert (caught.value.place.line, caught.value.place.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3 - 4", 3),
        ("(1 + 2) * 3", 9),
        ("10 - 2 - 3", 5),
        ("1 < 2 == true", True),
        ("true || false && false", True),
        ("false ? 1 : true ? 2 : 3", 2),
        ("-2 + -(-3)", 1),
        ("-9223372036854775808", -(2**63)),
        ("0x1F + -0x1", 30),
        (".5 + 1e1 + 1.5E+1", 25.5),
        ("[1, 2, ][1]", 2),
        ("{'a': 1, }.a", 1),
        ("[?optional.of(1), ?optional.none()]", [1]),
        ("{?'a': optional.none(), 'b': 2}", {"b": 2}),
        ("{'a-b': 1}.`a-b`", 1),
        ("1 // comment\n + 1", 2),
        (r"'\x41\u0042\U00000043\104\n\\\''", "ABCD\n\\'"),
        (r"r'\n' + R'\d'", "\\n\\d"),
        ("'''a'b\n''c'''", "a'b\n''c"),
        ('"""a"b"""', 'a"b'),
        (r"b'\xff\377é'", b"\xff\xff\xc3\xa9"),
        (r"br'\x'", b"\\x"),
        ("5u - 2U", 3),
        ("!!true", True),
        ("--5", 5),
        ("---5", -5),
        ("-5.0", -5.0),
    ],
)
def test_values(text, expected) -> None:
    result = cel.compile(text)({})
    assert result == expected
    assert type(result) is type(expected) or isinstance(result, cel.UInt)


PIECES = [
    "1", "2u", ".5", "a", "self", "has", "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "+", "-", "*", "/", "%", "!",
    "==", "!=", "<", "<=", "&&", "||", "in", "'x'", '"""', "b'", "r'\\", "`a b`", "map", "all", "x", "true", "null", "cel",
    "bind", "block", "index", "\n", " ", "//", "\\", "é", "\ud800", "0x", "1e5", "size", "optMap", "@", "$", "int", "or",
]  # fmt: skip


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=40))
def test_random_text_is_a_program_or_an_expression_error(text) -> None:
    failed = None
    try:
        cel.CelCompiler().compile(text)({"a": [1, "x"], "x": 1})
    except ExpressionError as error:
        failed = error
    assert failed is None or failed.place is not None


ORACLE_SOURCES = st.recursive(
    st.sampled_from(["1", "a", "'x'", "2.5", "true", "b.c"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "*", "==", "<", "&&", "||", "in"]), inner).map(" ".join),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"!({text})"),
        inner.map(lambda text: f"[{text}]"),
        st.tuples(inner, inner, inner).map(lambda parts: "({} ? {} : {})".format(*parts)),
        st.tuples(inner, inner).map(lambda parts: "f({}, {})".format(*parts)),
        st.tuples(st.sampled_from(["a", "b"]), inner).map(lambda parts: "{}[{}].d".format(*parts)),
        # Broken on purpose, so that both sides must refuse the same.
        inner.map(lambda text: f"{text} +"),
        inner.map(lambda text: f"({text}"),
    ),
    max_leaves=6,
)


def test_the_grammar_agrees_with_another_parser() -> None:
    with _quiet():
        celparser = pytest.importorskip("celpy.celparser", reason="cel-python is not installed")
        reference = celparser.CELParser()

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(text=ORACLE_SOURCES)
    def compare(text) -> None:
        try:
            reference.parse(text)
            theirs = True
        except celparser.CELParseError:
            theirs = False
        try:
            tree(text)
            ours = True
        except ExpressionError:
            ours = False
        assert ours is theirs, text

    compare()


def _quiet():
    import warnings

    return warnings.catch_warnings(action="ignore")
