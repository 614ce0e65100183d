from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import ErrorValue
from nodes.control.expression import is_true


@pytest.mark.parametrize("value", [False, 0, 0.0, -0.0, "", None, [], {}, ()])
def test_false(value):
    assert is_true(value) is False


@pytest.mark.parametrize(
    "value",
    [True, 1, -1, 0.5, float("nan"), "0", "false", [0], [None], {"a": None}, b"", b"x", timedelta(0),
     datetime(2024, 1, 1, tzinfo=UTC), ErrorValue(""), object()],
)  # fmt: skip
def test_true(value):
    assert is_true(value) is True
