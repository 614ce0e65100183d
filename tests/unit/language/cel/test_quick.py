"""The quick forms say yes only where the rules say the same, at every border of the ranges too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Code, ExpressionError
from engine.language import cel

BORDERS = [0, 1, -1, 2, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64, -(2**62), -(2**63), -(2**63) - 1, -(2**70), 2**70]
NUMBERS = st.one_of(
    st.sampled_from(BORDERS),
    st.builds(lambda border, by: border + by, st.sampled_from(BORDERS), st.integers(-3, 3)),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False),
    st.sampled_from([True, cel.UInt(3), cel.UInt(2**64 - 1), "x", None]),
)


def _answer(source, payload):
    try:
        return cel.CelCompiler().compile(source)(payload)
    except ExpressionError as error:
        return str(error)


@given(left=NUMBERS, right=NUMBERS, operator=st.sampled_from("+-*"))
def test_numbers_as_the_rules_have_them(left, right, operator) -> None:
    payload = {"a": left, "b": right}
    quick = _answer(f"a {operator} b", payload)
    # What fails first is absorbed, by the strict way only.
    strict = _answer(f"(1 / 0 == 1 || a == a) ? a {operator} b : 0", payload)
    if {type(left), type(right)} == {int}:
        exact = {"+": left + right, "-": left - right, "*": left * right}[operator]
        fits = all(-(2**63) <= value < 2**63 for value in (left, right, exact))
        assert quick == (exact if fits else "integer overflow")
    assert repr(quick) == repr(strict)


@given(
    left=NUMBERS,
    right=st.sampled_from([number for number in BORDERS if -(2**63) < number < 2**63]),
    operator=st.sampled_from("+-*"),
)
def test_a_literal_beside_a_number(left, right, operator) -> None:
    written = f"({right})"
    assert _answer(f"a {operator} {written}", {"a": left}) == _answer(f"a {operator} b", {"a": left, "b": right})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'a' + b + 'c'", "aBc"),
        ("b + 'c' + b + b", "BcBB"),
        ("('a' + b) + ('c' + b)", "aBcB"),
        ("'n: ' + string(n) + '!'", "n: 5!"),
        ("'' + " + "b + " * 40 + "''", "B" * 40),
        ("[b, b].map(x, 'a' + x)", ["aB", "aB"]),
        ("[b].map(x, x + long)", ["B" + "y" * 5000]),
    ],
)
def test_joined_texts(source, expected) -> None:
    assert cel.CelCompiler().compile(source)({"b": "B", "n": 5, "long": "y" * 5000}) == expected


def test_joined_texts_have_a_limit_and_a_place() -> None:
    program = cel.CelCompiler(limits=cel.Limits(size=10)).compile("'a' + b +\n b")
    assert program({"b": "1234"}) == "a12341234"
    with pytest.raises(ExpressionError, match="larger than 10") as caught:
        program({"b": "12345"})
    assert caught.value.code is Code.LIMIT
    with pytest.raises(ExpressionError, match=r"_\+_ applied to \(string, int\)") as caught:
        program({"b": 1})
    assert (caught.value.place.line, caught.value.place.column) == (1, 5)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("self.?a.?b.orValue(9)", 1),
        ("self.?a.b.orValue(9)", 1),
        ("self.?q.?b.orValue(9)", 9),
        ("self.?a.?q.c.d.orValue(9)", 9),
        ("self.?n.orValue(9)", None),
        ("self.?a.?b.hasValue()", True),
        ("self.?q.or(self.?a).value()", {"b": 1}),
        ("self.?e.?message.orValue(9)", 9),
        ("[?self.?q, ?self.?n]", [None]),
        ("self.?a", {"b": 1}),
        ("self.?q", None),
        ("self.?q.optMap(x, x).orValue(3)", 3),
        ("string(self.?a.?b.orValue(0))", "1"),
    ],
)
def test_optionals_without_objects(source, expected) -> None:
    assert cel.CelCompiler().compile(source)({"a": {"b": 1}, "n": None}) == expected


def test_an_optional_field_of_no_map_is_an_error() -> None:
    with pytest.raises(ExpressionError, match="cannot read b of a int") as caught:
        cel.CelCompiler().compile("self.?a.?b.orValue(1)")({"a": 5})
    assert caught.value.place.column == 8


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("self.filter(x, x > 1).map(y, y * 2)", [4, 6]),
        ("self.filter(x, x > 1).filter(x, x < 3)", [2]),
        ("self.filter(x, x > 1).map(y, y < 3, y)", [2]),
        ("[5].map(x, self.filter(y, y < 3).map(z, x))", [[5, 5]]),
        ("[5].map(x, self.filter(x, x < 3).map(z, x + z))", [[6, 7]]),
        ("[5].map(x, self.filter(z, z < 3).map(x, x))", [[1, 2]]),
        ("self.filter(x, x > 1).transformList(i, x, i)", [0, 1]),
        ("self.filter(x, x > 1).all(y, y > 1)", True),
    ],
)
def test_filters_in_the_loop_behind_them(source, expected) -> None:
    assert cel.CelCompiler().compile(source)([1, 2, 3]) == expected
    # The strict way has them apart.
    assert cel.CelCompiler().compile(f"(1 / 0 == 1 || self[0] == 1) ? {source} : 0")([1, 2, 3]) == expected
