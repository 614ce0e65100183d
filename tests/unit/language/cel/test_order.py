"""Ordering."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import ExpressionError
from engine.language.cel.order import greater, greater_equal, less, less_equal
from engine.language.cel.values import UInt

DAY = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (1, 2),
        (1, 1.5),
        (UInt(1), 2),
        (-1, UInt(0)),
        (1.5, UInt(2)),
        ("a", "b"),
        ("Z", "a"),
        (b"a", b"b"),
        (False, True),
        (DAY, DAY + timedelta(1)),
        (timedelta(1), timedelta(2)),
        (1.0, 2**5000),
    ],
)
def test_ordered(small, large) -> None:
    assert (less(small, large), less(large, small), less(small, small)) == (True, False, False)
    assert (less_equal(small, large), less_equal(large, small), less_equal(small, small)) == (True, False, True)
    assert (greater(large, small), greater(small, large), greater(small, small)) == (True, False, False)
    assert (greater_equal(large, small), greater_equal(small, large), greater_equal(small, small)) == (
        True,
        False,
        True,
    )


@pytest.mark.parametrize("operator", [less, less_equal, greater, greater_equal])
@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, "1"), (True, 1), (None, None), ([], []), ({}, {}), ("a", b"a"), (DAY, timedelta()), (1.0, False),
        (DAY, DAY.replace(tzinfo=None)),
    ],
)  # fmt: skip
def test_not_ordered(operator, left, right) -> None:
    with pytest.raises(ExpressionError, match="no such overload"):
        operator(left, right)


@pytest.mark.parametrize("operator", [less, less_equal, greater, greater_equal])
def test_nan_is_beside_every_number(operator) -> None:
    assert operator(float("nan"), 1) is False
    assert operator(1, float("nan")) is False
