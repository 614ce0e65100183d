"""The standard's own functions: `size`, conversions between types, and the basic methods of text."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from engine.errors import ErrorValue, ExpressionError
from engine.language.cel.functions import function, method
from engine.language.cel.values import INT_MAX, INT_MIN, UINT_MAX, UInt, type_of
from engine.language.json_form import double_text

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_DOUBLE = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:Infinity|infinity|Inf|inf)|NaN|nan"
)
_LONGEST_INT = 4096
"""Bits: payloads may have larger integers than CEL, but Python refuses to write thousands of digits."""

_TRUE = frozenset({"1", "t", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "false", "FALSE", "False"})


def _cannot(what: str, value: Any) -> ExpressionError:
    text = repr(value)
    return ExpressionError(f"cannot convert {text if len(text) <= 60 else text[:57] + '...'} to {what}")


def _int_in_range(value: int) -> int:
    if INT_MIN <= value <= INT_MAX:
        return int(value)
    raise ExpressionError(f"range error: {value} does not fit an int of 64 bits")


def _uint_in_range(value: int) -> UInt:
    if 0 <= value <= UINT_MAX:
        return UInt(value)
    raise ExpressionError(f"range error: {value} does not fit a uint of 64 bits")


def _int_of_double(value: float) -> int:
    # The ends are excluded: beside them a double is too coarse to tell whether the number was in range.
    if -(2.0**63) < value < 2.0**63:
        return int(value)
    raise ExpressionError(f"range error: {double_text(value)} does not fit an int of 64 bits")


def _uint_of_double(value: float) -> UInt:
    if 0.0 <= value < 2.0**64:
        return UInt(value)
    raise ExpressionError(f"range error: {double_text(value)} does not fit a uint of 64 bits")


def _int_of_text(text: str) -> int:
    if _INTEGER.fullmatch(text):
        return _int_in_range(int(text))
    raise _cannot("int", text)


def _uint_of_text(text: str) -> UInt:
    if _INTEGER.fullmatch(text) and text[0] != "-":
        return _uint_in_range(int(text))
    raise _cannot("uint", text)


def _double_of_text(text: str) -> float:
    if _DOUBLE.fullmatch(text):
        return float(text)
    raise _cannot("double", text)


def _double_of_int(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ExpressionError("range error: the number does not fit a double") from None


def _bool_of_text(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise _cannot("bool", text)


def _text_of_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ExpressionError("the bytes are not UTF-8 text", hint="base64.encode(x) makes text of any bytes") from None


def _bytes_of_text(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ExpressionError("the text holds half of a surrogate pair and has no bytes") from None


def _text_of_bool(value: bool) -> str:
    return "true" if value else "false"


def _text_of_int(value: int) -> str:
    if value.bit_length() <= _LONGEST_INT:
        return str(int(value))
    raise ExpressionError("range error: the number has too many digits")


def _same(value: Any) -> Any:
    return value


def _make_error(text: str) -> ErrorValue:
    from engine.errors import Code

    return ErrorValue(text, Code.EXPRESSION)


def _seconds(value: datetime) -> int:
    from engine.language.cel.library.times import epoch_seconds

    return epoch_seconds(value)


OVERLOADS = (
    *(function("size", f"{kind} -> int", len) for kind in ("string", "bytes", "list", "map")),
    *(method("size", f"{kind} -> int", len) for kind in ("string", "bytes", "list", "map")),
    function("type", "any -> type", type_of),
    function("int", "int -> int", _int_in_range),
    function("int", "uint -> int", _int_in_range),
    function("int", "double -> int", _int_of_double),
    function("int", "string -> int", _int_of_text),
    function("int", "timestamp -> int", _seconds),
    function("uint", "uint -> uint", _uint_in_range),
    function("uint", "int -> uint", _uint_in_range),
    function("uint", "double -> uint", _uint_of_double),
    function("uint", "string -> uint", _uint_of_text),
    function("double", "double -> double", _same),
    function("double", "int -> double", _double_of_int),
    function("double", "uint -> double", _double_of_int),
    function("double", "string -> double", _double_of_text),
    function("bool", "bool -> bool", _same),
    function("bool", "string -> bool", _bool_of_text),
    function("string", "string -> string", _same),
    function("string", "bool -> string", _text_of_bool),
    function("string", "int -> string", _text_of_int),
    function("string", "uint -> string", _text_of_int),
    function("string", "double -> string", double_text),
    function("string", "bytes -> string", _text_of_bytes),
    function("string", "error -> string", ErrorValue.error),
    function("bytes", "bytes -> bytes", _same),
    function("bytes", "string -> bytes", _bytes_of_text),
    method("startsWith", "string string -> bool", str.startswith, work=1),
    method("endsWith", "string string -> bool", str.endswith, work=1),
    method("contains", "string string -> bool", str.__contains__, work=1),
    function("error", "string -> error", _make_error),
    method("error", "error -> string", ErrorValue.error),
)
