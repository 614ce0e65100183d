"""The math extension: rounding, bits, and the greatest and least of some numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from engine.errors import ExpressionError
from engine.language.cel.functions import function
from engine.language.cel.values import INT_MIN, UINT_MAX, UInt, no_overload, type_name

_NUMBERS = frozenset({"int", "uint", "double"})
_BITS = 64


def _numbers(name: str, args: tuple[Any, ...]) -> Iterable[Any]:
    values = args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
    if not values:
        raise ExpressionError(f"{name} of an empty list")
    for value in values:
        if type_name(value) not in _NUMBERS:
            raise no_overload(name, *args)
    return values


def _greatest(*args: Any) -> Any:
    return max(_numbers("math.greatest", args))


def _least(*args: Any) -> Any:
    return min(_numbers("math.least", args))


def _whole(value: float, rounded: Any) -> float:
    """`rounded(value)` as a double; infinities and NaN round to themselves."""
    return math.copysign(float(rounded(value)), value) if math.isfinite(value) else value


def _ceil(value: float) -> float:
    return _whole(value, math.ceil)


def _floor(value: float) -> float:
    return _whole(value, math.floor)


def _trunc(value: float) -> float:
    return _whole(value, math.trunc)


def _round(value: float) -> float:
    """To the nearest whole number, halves away from zero."""
    if not math.isfinite(value):
        return value
    whole = _trunc(value)
    return whole + math.copysign(1.0, value) if abs(value - whole) >= 0.5 else whole


def _abs(value: int) -> int:
    if value <= INT_MIN:
        raise ExpressionError("integer overflow")
    return abs(value)


def _same(value: Any) -> Any:
    return value


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def _sign_of_uint(value: UInt) -> UInt:
    return UInt(_sign(value))


def _sign_of_double(value: float) -> float:
    if math.isnan(value):
        return value
    return math.copysign(1.0, value) if value else 0.0


def _is_finite(value: float) -> bool:
    return math.isfinite(value)


def _sqrt(value: float) -> float:
    return math.sqrt(value) if value >= 0 else math.nan


def _signed(bits: int) -> int:
    """64 bits read as an int."""
    bits &= UINT_MAX
    return bits - (UINT_MAX + 1) if bits > UINT_MAX >> 1 else bits


def _and(left: int, right: int) -> int:
    return _signed(left & right)


def _or(left: int, right: int) -> int:
    return _signed(left | right)


def _xor(left: int, right: int) -> int:
    return _signed(left ^ right)


def _not(value: int) -> int:
    return _signed(~value)


def _and_unsigned(left: int, right: int) -> UInt:
    return UInt(int(left) & int(right))


def _or_unsigned(left: int, right: int) -> UInt:
    return UInt(int(left) | int(right))


def _xor_unsigned(left: int, right: int) -> UInt:
    return UInt(int(left) ^ int(right))


def _not_unsigned(value: int) -> UInt:
    return UInt(~int(value) & UINT_MAX)


def _offset(offset: int) -> int:
    if offset < 0:
        raise ExpressionError(f"negative offset: {offset}")
    return offset


def _left(value: int, offset: int) -> int:
    return _signed(value << offset) if _offset(offset) < _BITS else 0


def _left_unsigned(value: int, offset: int) -> UInt:
    return UInt((int(value) << offset) & UINT_MAX) if _offset(offset) < _BITS else UInt(0)


def _right(value: int, offset: int) -> int:
    """The bits shift as those of a uint do: zeros come in from the left."""
    return _signed((value & UINT_MAX) >> offset) if _offset(offset) < _BITS else 0


def _right_unsigned(value: int, offset: int) -> UInt:
    return UInt(int(value) >> offset) if _offset(offset) < _BITS else UInt(0)


OVERLOADS = (
    function("math.greatest", "list -> any", _greatest, work=1),
    function("math.greatest", "number -> any", _greatest, variadic=True),
    function("math.least", "list -> any", _least, work=1),
    function("math.least", "number -> any", _least, variadic=True),
    function("math.ceil", "double -> double", _ceil),
    function("math.floor", "double -> double", _floor),
    function("math.round", "double -> double", _round),
    function("math.trunc", "double -> double", _trunc),
    function("math.abs", "int -> int", _abs),
    function("math.abs", "uint -> uint", _same),
    function("math.abs", "double -> double", abs),
    function("math.sign", "int -> int", _sign),
    function("math.sign", "uint -> uint", _sign_of_uint),
    function("math.sign", "double -> double", _sign_of_double),
    function("math.sqrt", "double -> double", _sqrt),
    function("math.sqrt", "int -> double", _sqrt),
    function("math.sqrt", "uint -> double", _sqrt),
    function("math.isNaN", "double -> bool", math.isnan),
    function("math.isInf", "double -> bool", math.isinf),
    function("math.isFinite", "double -> bool", _is_finite),
    function("math.bitAnd", "int int -> int", _and),
    function("math.bitAnd", "uint uint -> uint", _and_unsigned),
    function("math.bitOr", "int int -> int", _or),
    function("math.bitOr", "uint uint -> uint", _or_unsigned),
    function("math.bitXor", "int int -> int", _xor),
    function("math.bitXor", "uint uint -> uint", _xor_unsigned),
    function("math.bitNot", "int -> int", _not),
    function("math.bitNot", "uint -> uint", _not_unsigned),
    function("math.bitShiftLeft", "int int -> int", _left),
    function("math.bitShiftLeft", "uint int -> uint", _left_unsigned),
    function("math.bitShiftRight", "int int -> int", _right),
    function("math.bitShiftRight", "uint int -> uint", _right_unsigned),
)
