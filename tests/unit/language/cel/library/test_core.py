"""Conversions and basic methods that the conformance suite leaves out."""

from __future__ import annotations

import pytest

from engine.errors import ExpressionError
from engine.language import cel


def run(source, payload=None):
    return cel.CelCompiler().compile(source)(payload)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("size(self)", 2),
        ("self.size()", 2),
        ("string(1.0) + string(2u) + string(true)", "12true"),
        ("int('-5')", -5),
        ("uint('5')", 5),
        ("double('1e3')", 1000.0),
        ("double('-Infinity')", float("-inf")),
        ("string(bytes('é'))", "é"),
        ("type(type(1)) == type", True),
        ("string(timestamp(0))", "1970-01-01T00:00:00Z"),
    ],
)
def test_values(source, expected) -> None:
    assert run(source, [1, 2]) == expected


@pytest.mark.parametrize(
    "source",
    [
        "int(' 1')", "int('1_0')", "int('')", "int('9223372036854775808')", "uint('-1')", "uint(-0.5)",
        "double('1_0')", "double('x')", "double('')", "int(double('NaN'))", "string(b'\\xff')", "bool('yes')", "int('٣')",
    ],
)  # fmt: skip
def test_refused(source) -> None:
    with pytest.raises(ExpressionError):
        run(source)


def test_payloads_beyond_the_range() -> None:
    assert run("string(self)", 2**64) == str(2**64)
    for source, payload in [("int(self)", 2**64), ("double(self)", 10**400), ("string(self)", 10**5000)]:
        with pytest.raises(ExpressionError, match="range error"):
            run(source, payload)
    with pytest.raises(ExpressionError, match="surrogate"):
        run("bytes(self)", "\ud800")
