"""Types for the fields of node specs, beyond what pydantic has.

Each reads what people write, says in plain words what is wrong, and tells editors (as JSON Schema) what may be written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from engine.spec.common import kind_of
from engine.spec.origin import key_text

_UNITS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,  # the micro sign
    "μs": 1e-6,  # the Greek letter, which looks the same
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_DURATION = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h|d)", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_DURATION_HINT = "write 250ms, 1.5s, 1h30m, or a number of milliseconds"

_BYTES: Final = {
    "": 1,
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KIB": 1024,
    "MIB": 1024**2,
    "GIB": 1024**3,
    "TIB": 1024**4,
}
_SIZE = re.compile(r"(\d{1,30}(?:\.\d*)?|\.\d+) ?([KMGT]i?B|B|)", re.IGNORECASE | re.ASCII)
_SIZE_HINT = "write a number of bytes, or 64KB, 8MiB"

_PORT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\[(?:0|[1-9][0-9]{0,5})\])?")
_PORT_HINT = "write a name such as out, or out[3]"


_LIMITS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength")
"""What a field may add to its type, in JSON Schema."""


class FieldError(ValueError):
    """A value that a field cannot take: `reason` continues "`field` …", `hint` says what can be written."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(f"{reason}: {hint}")
        self.reason = reason
        self.hint = hint


def duration(value: Any) -> timedelta:
    """A length of time from `1h30m`, `250ms`, a number of milliseconds (as text, too), or a timedelta.

    Raises :class:`FieldError`, for a negative one as well.
    """
    if isinstance(value, timedelta):
        return _not_negative(value, value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise FieldError(f"is a duration, not {kind_of(value)}", _DURATION_HINT)
    if not isinstance(value, str):
        return _not_negative(_span(value, 0.001, value), value)
    text = "".join(value.split())
    if _NUMBER.fullmatch(text):
        return _not_negative(_span(float(text), 0.001, value), value)
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    parts = _DURATION.findall(rest)
    if not parts or "".join(parts) != rest:
        raise FieldError(f"is a duration, not {value!r}", _DURATION_HINT)
    seconds = sum(float(part.rstrip("nuµμmshd")) * _UNITS[part.lstrip("0123456789.")] for part in parts)
    return _not_negative(_span(seconds, sign, value), value)


def _span(number: float, unit: float, written: Any) -> timedelta:
    try:
        return timedelta(seconds=number * unit)
    except (OverflowError, ValueError):
        raise FieldError(f"cannot be as long as {written}", _DURATION_HINT) from None


def _not_negative(span: timedelta, written: Any) -> timedelta:
    if span < timedelta(0):
        raise FieldError(f"is a duration and cannot be negative ({written})", _DURATION_HINT)
    return span


def size(value: Any) -> int:
    """A number of bytes from a number or from `8MiB`, `64KB`. Raises :class:`FieldError`."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if match is None:
            raise FieldError(f"is a size, not {value!r}", _SIZE_HINT)
        number, unit = match.groups()
        factor = _BYTES[unit.upper()]
        count = int(number) * factor if number.isdigit() else float(number) * factor
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FieldError(f"is a size, not {kind_of(value)}", _SIZE_HINT)
    else:
        count = value
    if isinstance(count, float) and not count.is_integer():
        raise FieldError(f"is a whole number of bytes, not {value}", _SIZE_HINT)
    if count < 0:
        raise FieldError(f"cannot be negative ({value})", _SIZE_HINT)
    return int(count)


def port_name(value: Any) -> str:
    """The name of a port: `out`, or `out[3]` where a kind has many. Raises :class:`FieldError`."""
    if isinstance(value, str) and _PORT.fullmatch(value):
        return value
    written = repr(value) if isinstance(value, str) else kind_of(value)
    raise FieldError(f"is the name of a port, not {written}", _PORT_HINT)


def source(value: Any) -> str:
    """Code. What YAML read as a number or a boolean becomes text again: `when: true` is the expression `true`.

    Raises :class:`FieldError` for lists and maps.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return key_text(value)
    raise FieldError(f"is code, not {kind_of(value)}", "put the code in quotes, or in a block after `|`")


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    """Ties one of the readers above to pydantic. Compared by identity, since annotations must have a hash."""

    read: Callable[[Any], Any]
    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(self, source_type: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any) -> Any:
            try:
                return self.read(value)
            except FieldError as error:
                raise PydanticCustomError("field", "{reason}", {"reason": error.reason, "hint": error.hint}) from error

        # What a field adds (`Field(min_length=1)`) is checked by the schema of the plain type, afterwards.
        return core_schema.no_info_before_validator_function(
            validate, handler(source_type), serialization=core_schema.plain_serializer_function_ser_schema(written)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        plain = handler(schema)
        return {**self.schema, **{key: plain[key] for key in _LIMITS if key in plain}}


def written(value: Any) -> Any:
    """A value as a spec would have it: a timedelta as text such as `1.5s`, everything else as it is."""
    return f"{value.total_seconds():.9g}s" if isinstance(value, timedelta) else value


Duration = Annotated[
    timedelta,
    _Field(
        duration,
        {
            "type": ["string", "number"],
            "minimum": 0,
            "pattern": r"^\s*(\+?\s*[0-9.]+\s*(ns|us|µs|μs|ms|s|m|h|d)?\s*)+$|\{\{",
            "description": "A duration: 250ms, 1.5s, 1h30m, or a number of milliseconds.",
            "examples": ["250ms", "1.5s", "1h30m", 250],
        },
    ),
]
"""A length of time: `250ms`, `1.5s`, `2h`, `1h30m`, or a number of milliseconds; never negative."""

Size = Annotated[
    int,
    _Field(
        size,
        {
            "type": ["string", "integer"],
            "minimum": 0,
            "pattern": r"^\s*[0-9.]+ ?([KkMmGgTt]?[Ii]?[Bb])?\s*$|\{\{",
            "description": "A number of bytes, or a text such as 64KB or 8MiB.",
            "examples": ["8MiB", "64KB", 65536],
        },
    ),
]
"""A number of bytes: `65536`, `64KB` (thousands), `8MiB` (powers of two)."""

PortName = Annotated[
    str,
    _Field(
        port_name,
        {
            "type": "string",
            "pattern": rf"^{_PORT.pattern}$|\{{\{{",
            "description": "The name of a port, such as out or out[3].",
            "examples": ["out", "out[3]"],
        },
    ),
]
"""The name of a port: `out`, or `out[3]` where a kind has many."""

Source = Annotated[
    str,
    _Field(source, {"type": ["string", "number", "boolean"], "description": "Code in the node's language."}),
]
"""Code; numbers and booleans of YAML become text again."""
