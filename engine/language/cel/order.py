"""The operators `< <= > >=`: numbers by value whatever their kind, other things only with their own kind."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from engine.language.cel.equality import beside
from engine.language.cel.values import no_overload, type_name

_ORDERED = frozenset({int, float, str, bytes, bool, timedelta})
_NUMBERS = frozenset({"int", "uint", "double"})


def comparable(left: Any, right: Any) -> bool:
    """Whether `left < right` has a meaning in CEL. It then has the same one in Python."""
    kind = left.__class__
    if kind is right.__class__ and kind in _ORDERED:
        return True
    if isinstance(left, datetime) and isinstance(right, datetime):
        return (left.tzinfo is None) is (right.tzinfo is None)
    left_name, right_name = type_name(left), type_name(right)
    if left_name in _NUMBERS:
        return right_name in _NUMBERS
    return left_name == right_name and left_name in {"string", "bytes", "bool", "google.protobuf.Duration"}


def less(left: Any, right: Any) -> bool:
    if left.__class__ is right.__class__ and left.__class__ in _ORDERED:
        return left < right  # type: ignore[no-any-return]
    if comparable(left, right):
        return beside(left, right) < beside(right, left)  # type: ignore[no-any-return]
    raise no_overload("_<_", left, right)


def less_equal(left: Any, right: Any) -> bool:
    if left.__class__ is right.__class__ and left.__class__ in _ORDERED:
        return left <= right  # type: ignore[no-any-return]
    if comparable(left, right):
        return beside(left, right) <= beside(right, left)  # type: ignore[no-any-return]
    raise no_overload("_<=_", left, right)


def greater(left: Any, right: Any) -> bool:
    if left.__class__ is right.__class__ and left.__class__ in _ORDERED:
        return left > right  # type: ignore[no-any-return]
    if comparable(left, right):
        return beside(left, right) > beside(right, left)  # type: ignore[no-any-return]
    raise no_overload("_>_", left, right)


def greater_equal(left: Any, right: Any) -> bool:
    if left.__class__ is right.__class__ and left.__class__ in _ORDERED:
        return left >= right  # type: ignore[no-any-return]
    if comparable(left, right):
        return beside(left, right) >= beside(right, left)  # type: ignore[no-any-return]
    raise no_overload("_>=_", left, right)
