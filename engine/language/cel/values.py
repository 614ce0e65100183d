"""The values that CEL knows and plain Python lacks, and the CEL name of any value's type.

Most CEL values *are* Python values: `None`, `bool`, `int`, `float`, `str`, `bytes`, `list` (or `tuple`), `dict`, an
aware `datetime` and a `timedelta`. Three are added here. :class:`UInt` and :class:`Type` may be results;
:class:`Optional` never leaves a program (:func:`export` sees to that).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from engine.errors import Code, ErrorValue, ExpressionError

INT_MIN = -(2**63)
INT_MAX = 2**63 - 1
UINT_MAX = 2**64 - 1


class UInt(int):
    """An unsigned integer, `5u` in CEL. It equals the `int` of the same value and is the same map key."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{int(self)}u"


@dataclass(frozen=True, slots=True)
class Type:
    """A type as a value: what `type(x)` gives. Two are equal when their names are."""

    name: str

    def __str__(self) -> str:
        return self.name


class Optional:
    """A value that may be absent: what `a.?b` gives. `present` tells, because `null` is a value too.

    Never changed after it was made; a frozen dataclass would take three times as long to make.
    """

    __slots__ = ("present", "value")

    def __init__(self, value: Any, present: bool) -> None:
        self.value = value
        self.present = present

    def __repr__(self) -> str:
        return f"optional.of({self.value!r})" if self.present else "optional.none()"


NONE = Optional(None, present=False)
ABSENT = object()
"""What stands in a program for the value of an absent optional."""


TYPES: Mapping[str, Type] = MappingProxyType(
    {
        name: Type(name)
        for name in (
            "null_type", "bool", "int", "uint", "double", "string", "bytes", "list", "map", "type", "error",
            "optional_type", "google.protobuf.Timestamp", "google.protobuf.Duration", "net.IP", "net.CIDR",
        )
    }
)  # fmt: skip
"""Every type that has a name in CEL, by that name."""

_BY_CLASS: Mapping[type, str] = MappingProxyType(
    {
        type(None): "null_type",
        bool: "bool",
        int: "int",
        UInt: "uint",
        float: "double",
        str: "string",
        bytes: "bytes",
        list: "list",
        tuple: "list",
        dict: "map",
        datetime: "google.protobuf.Timestamp",
        timedelta: "google.protobuf.Duration",
        Type: "type",
        Optional: "optional_type",
        ErrorValue: "error",
    }
)

_NETWORK = MappingProxyType(
    {"IPv4Address": "net.IP", "IPv6Address": "net.IP", "IPv4Interface": "net.CIDR", "IPv6Interface": "net.CIDR"}
)


def type_name(value: Any) -> str:
    """The CEL name of a value's type, as `int` or `google.protobuf.Timestamp`.

    A Python object that is no CEL value is called by its class, as `python.Decimal`; no operator takes it.
    """
    found = _BY_CLASS.get(value.__class__)
    if found is not None:
        return found
    # By name, because importing `ipaddress` is not worth it for those who never call `ip()`.
    if value.__class__.__module__ == "ipaddress":
        return _NETWORK.get(value.__class__.__name__, "python.ipaddress")
    for python_class, name in _BY_CLASS.items():
        if isinstance(value, python_class) and name != "int":
            return name
    if isinstance(value, int):
        return "int"
    return f"python.{value.__class__.__name__}"


def type_of(value: Any) -> Type:
    """The type of a value, as a value."""
    name = type_name(value)
    return TYPES.get(name) or Type(name)


def no_overload(what: str, *values: Any) -> ExpressionError:
    """The error of an operator or function that does not take values of these types."""
    types = ", ".join(type_name(value) for value in values)
    return ExpressionError(f"no such overload: {what} applied to ({types})")


def limit_reached(message: str, hint: str) -> ExpressionError:
    """The error of a limit. Unlike others it is never absorbed by `&&`, `||`, `all` or `exists`."""
    return ExpressionError(message, code=Code.LIMIT, hint=hint)


def export(value: Any) -> Any:
    """`value` as plain data: an optional becomes its value or `None`, an address its text, at any depth.

    Lists and maps that hold nothing of the kind stay the same objects.
    """
    kind = value.__class__
    if kind is Optional:
        return export(value.value) if value.present else None
    if kind is list or kind is tuple:
        plain = [export(item) for item in value]
        return value if all(new is old for new, old in zip(plain, value, strict=True)) else plain
    if kind is dict:
        entries = {key: export(item) for key, item in value.items()}
        return value if all(entries[key] is item for key, item in value.items()) else entries
    if kind.__module__ == "ipaddress":
        return str(value)
    return value
