"""`"…".format([…])`: printf-like clauses `%s %d %f %e %b %o %x %X` and `%%`, without any locale."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from engine.errors import ErrorValue, ExpressionError
from engine.language.cel.functions import method
from engine.language.cel.values import Type, limit_reached, type_name
from engine.language.json_form import double_text, duration_text, timestamp_text

_CLAUSE = re.compile(r"%(?:\.([0-9]{1,4}))?(.?)", re.DOTALL)
_MAX_PRECISION = 100
_DEFAULT_PRECISION = 6


def _format(max_size: int, template: str, args: list[Any]) -> str:
    pieces: list[str] = []
    at = used = length = 0
    for found in _CLAUSE.finditer(template):
        literal = template[at : found.start()]
        at = found.end()
        precision, clause = found.groups()
        if clause == "%" and precision is None:
            text = "%"
        else:
            text = _clause(clause, precision, args, used)
            used += 1
        pieces += (literal, text)
        length += len(literal) + len(text)
        if length > max_size:
            raise limit_reached(f"format() made more than {max_size} characters", "build smaller values")
    if used < len(args):
        raise ExpressionError(f"format() got {len(args)} arguments and uses {used}")
    return "".join([*pieces, template[at:]])


def _clause(clause: str, precision: str | None, args: list[Any], position: int) -> str:
    write = _CLAUSES.get(clause)
    if write is None:
        raise ExpressionError(
            f"unrecognized formatting clause %{clause}", hint="clauses are %s %d %f %e %b %o %x %X %%"
        )
    if precision is not None and (clause not in {"f", "e"} or int(precision) > _MAX_PRECISION):
        raise ExpressionError(f"%.{precision}{clause} is no precision", hint=f"%f and %e take up to {_MAX_PRECISION}")
    if position >= len(args):
        raise ExpressionError(f"format() has no argument number {position + 1} for %{clause}")
    return write(args[position], _DEFAULT_PRECISION if precision is None else int(precision))


def _refuse(clause: str, takes: str, value: Any) -> ExpressionError:
    return ExpressionError(f"{clause} formats {takes}, not {type_name(value)}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_odd_double(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def to_text(value: Any, _precision: int = 0) -> str:
    """The text of any value, as `%s` writes it: no quotes, map entries in the order of their keys' texts."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return double_text(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(to_text(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {text}' for key, text in sorted(_entries(value)))}}}"
    if isinstance(value, datetime):
        return timestamp_text(value)
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, Type):
        return value.name
    if isinstance(value, ErrorValue):
        return value.text
    raise _refuse("%s", "plain values", value)


def _entries(entries: dict[Any, Any]) -> list[tuple[str, str]]:
    return [(to_text(key), to_text(value)) for key, value in entries.items()]


def _decimal(value: Any, _precision: int) -> str:
    if _is_odd_double(value):
        return double_text(value)
    if _is_whole(value):
        return str(int(value))
    raise _refuse("%d", "integers", value)


def _fixed(value: Any, precision: int) -> str:
    if _is_odd_double(value):
        return double_text(value)
    if _is_whole(value) or isinstance(value, float):
        return f"{float(value):.{precision}f}"
    raise _refuse("%f", "numbers", value)


def _scientific(value: Any, precision: int) -> str:
    if _is_odd_double(value):
        return double_text(value)
    if _is_whole(value) or isinstance(value, float):
        return f"{float(value):.{precision}e}"
    raise _refuse("%e", "numbers", value)


def _binary(value: Any, _precision: int) -> str:
    if isinstance(value, int):
        return format(int(value), "b")
    raise _refuse("%b", "integers and bools", value)


def _octal(value: Any, _precision: int) -> str:
    if _is_whole(value):
        return format(int(value), "o")
    raise _refuse("%o", "integers", value)


def _hexadecimal(value: Any, _precision: int) -> str:
    if _is_whole(value):
        return format(int(value), "x")
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").hex()
    if isinstance(value, bytes):
        return value.hex()
    raise _refuse("%x", "integers, strings and bytes", value)


def _upper_hexadecimal(value: Any, precision: int) -> str:
    return _hexadecimal(value, precision).upper()


_CLAUSES: Mapping[str, Callable[[Any, int], str]] = MappingProxyType(
    {
        "s": to_text, "d": _decimal, "f": _fixed, "e": _scientific,
        "b": _binary, "o": _octal, "x": _hexadecimal, "X": _upper_hexadecimal,
    }
)  # fmt: skip

OVERLOADS = (method("format", "string list -> string", _format, sized=True, work=2),)
