"""Every function with arguments of every kind: a value or an error of ours, never Python's own."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import ErrorValue, ExpressionError
from engine.language import cel
from engine.language.cel.library import make_library

LIBRARY = make_library(max_size=1000)
FUNCTIONS = [(name, method) for method in (False, True) for name in LIBRARY.names(method=method)]

SAMPLES = [
    None, True, 0, -1, 3, 2**63 - 1, -(2**63), 2**70, cel.UInt(0), cel.UInt(2**64 - 1), 0.0, -2.5, 1e300, float("nan"),
    float("inf"), "", "a", "5", "%s %d", "(", "10.0.0.1", "10.0.0.0/8", "1h", "2024-02-29T00:00:00Z", "\ud800", "[1]",
    b"", b"\xff", [], [1, 2], ["a", "b"], [None, [1]], (1,), {}, {"a": 1}, {1: 2}, datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, tzinfo=UTC), timedelta(-1), timedelta.max, cel.Type("int"), ErrorValue("e"),
]  # fmt: skip


def _combinations(count: int):
    if count <= 1:
        return itertools.product(SAMPLES, repeat=count)
    # Not security: the same choice each time is what is wanted.
    chosen = random.Random(count)
    return ([chosen.choice(SAMPLES) for _ in range(count)] for _ in range(600))


def _strange_error(program, bindings) -> str | None:
    """The text of an error that is Python's own; `None` for a value and for an error that says what is wrong."""
    try:
        program(bindings)
    except ExpressionError as error:
        return str(error) if "cannot evaluate" in str(error) else None
    return None


@pytest.mark.parametrize(("name", "method"), FUNCTIONS)
def test_arguments_of_any_kind(name, method) -> None:
    function = LIBRARY.find(name, method=method)
    assert function is not None
    if name.startswith("@"):
        return
    for count in sorted({len(overload.params) for overload in function.overloads}):
        names = [f"x{number}" for number in range(count)]
        source = f"x0.{name}({', '.join(names[1:])})" if method else f"{name}({', '.join(names)})"
        program = cel.compile(source, limits=cel.Limits(size=1000))
        for values in _combinations(count):
            assert _strange_error(program, dict(zip(names, values, strict=True))) is None, f"{source} {values!r}"


FORMS = [
    "a == b", "a != b", "a < b", "a <= b", "a > b", "a >= b", "a + b", "a - b", "a * b", "a / b", "a % b", "a in b",
    "a && b", "a || b", "a[b]", "a[?b]", "a.x", "a.?x", "has(a.x)", "!a", "-a", "a ? 1 : 2", "a.map(x, x)", "{a: b}",
    "[?a]", "a.sortBy(x, x)", "a.exists(x, x == b)", "a.transformMap(k, v, [k, v])", "a.optMap(x, x)",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_operands_of_any_kind(form) -> None:
    program = cel.compile(form)
    for left, right in itertools.product(SAMPLES, repeat=2):
        assert _strange_error(program, {"a": left, "b": right}) is None, f"{form} {left!r} {right!r}"
