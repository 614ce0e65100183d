"""The operators with their ranges, against exact integers."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Code, ExpressionError
from engine.language.cel.arithmetic import add, divide, modulo, multiply, negate, subtract
from engine.language.cel.values import UInt

INTS = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)
UINTS = (st.integers(0, 2**64 - 1) | st.integers(0, 5)).map(UInt)
EXACT = {
    add: lambda a, b: a + b,
    subtract: lambda a, b: a - b,
    multiply: lambda a, b: a * b,
    divide: lambda a, b: math.trunc(Fraction(a, b)),
    modulo: lambda a, b: a - b * math.trunc(Fraction(a, b)),
}


def _apply(operator, left, right):
    return operator(left, right, 100) if operator is add else operator(left, right)


@pytest.mark.parametrize("operator", EXACT)
@settings(derandomize=True, max_examples=80)
@given(data=st.data())
def test_integers_are_exact_or_an_error(operator, data) -> None:
    numbers, lowest, highest = data.draw(st.sampled_from([(INTS, -(2**63), 2**63 - 1), (UINTS, 0, 2**64 - 1)]))
    left, right = data.draw(numbers), data.draw(numbers)
    exact = None
    if right != 0 or operator not in {divide, modulo}:
        exact = EXACT[operator](int(left), int(right))
        overflowing_quotient = operator is modulo and right == -1 and left == -(2**63)
        exact = exact if lowest <= exact <= highest and not overflowing_quotient else None
    if exact is None:
        with pytest.raises(ExpressionError):
            _apply(operator, left, right)
        return
    result = _apply(operator, left, right)
    assert result == exact
    assert type(result) is type(left)


@pytest.mark.parametrize("operator", EXACT)
def test_kinds_do_not_mix(operator) -> None:
    for left, right in [(1, 1.0), (1, UInt(1)), (True, 1), (True, True), ("a", 1), (None, None), ([], {})]:
        with pytest.raises(ExpressionError, match="no such overload"):
            _apply(operator, left, right)


def test_payload_integers_beyond_64_bits_overflow_when_computed_with() -> None:
    for left, right in [(2**70, -(2**70)), (1, 2**64), (2**64, 0)]:
        for operator in (add, subtract, multiply):
            with pytest.raises(ExpressionError, match="overflow"):
                _apply(operator, left, right)
    with pytest.raises(ExpressionError, match="overflow"):
        divide(2**70, 2**69)
    with pytest.raises(ExpressionError, match="overflow"):
        negate(-(2**63))


def test_doubles_follow_ieee() -> None:
    assert divide(1.0, 0.0) == math.inf
    assert divide(1.0, -0.0) == -math.inf
    assert divide(-1.0, 0.0) == -math.inf
    assert math.isnan(divide(0.0, 0.0))
    assert multiply(1e300, 1e300) == math.inf
    assert math.copysign(1, negate(0.0)) == -1


def test_lists_text_and_bytes() -> None:
    left = [1]
    assert add(left, (2,), 100) == [1, 2]
    assert left == [1]
    assert add("a", "b", 100) == "ab"
    assert add(b"a", b"b", 100) == b"ab"
    with pytest.raises(ExpressionError) as caught:
        add("ab", "cd", 3)
    assert caught.value.code is Code.LIMIT


def test_times() -> None:
    moment, hour = datetime(2024, 2, 28, 23, tzinfo=UTC), timedelta(hours=1)
    assert add(moment, hour, 0) == add(hour, moment, 0) == datetime(2024, 2, 29, tzinfo=UTC)
    assert subtract(moment, hour) == datetime(2024, 2, 28, 22, tzinfo=UTC)
    assert subtract(moment, moment) == timedelta()
    assert add(hour, hour, 0) == timedelta(hours=2)
    assert subtract(hour, hour) == timedelta()
    assert negate(hour) == -hour
    with pytest.raises(ExpressionError, match="timestamp out of range"):
        add(datetime.max.replace(tzinfo=UTC), hour, 0)
    with pytest.raises(ExpressionError, match="duration out of range"):
        subtract(datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))
    with pytest.raises(ExpressionError, match="no such overload"):
        negate(UInt(1))
