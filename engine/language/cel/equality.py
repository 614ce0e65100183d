"""Equality: numbers by value, everything else by kind, all the way down.

CEL's rules differ from Python's in three ways: `true` is not 1, a list is compared element by element without asking
for identity (so a list with a NaN does not equal itself), and an error value equals the text that it says.
"""

from __future__ import annotations

from typing import Any

from engine.errors import ErrorValue
from engine.language.cel.values import Optional, Type

_SAME = frozenset({str, int, bool, float, bytes, type(None)})
_NUMBERS = (int, float)
_MISSING = object()


_MAX = 2**1000
"""Whole numbers beyond it are data of a payload only; no double needs their digits."""


def beside(value: Any, other: Any) -> Any:
    """`value` as it is compared with `other`: a whole number beside a double is taken as a double, and so rounded."""
    if isinstance(other, float) and isinstance(value, int) and -_MAX < value < _MAX:
        return float(value)
    return value


def equals(left: Any, right: Any) -> bool:
    """CEL's `==`. Never raises: things of different kinds are unequal."""
    left_class = left.__class__
    right_class = right.__class__
    if left_class is right_class and left_class in _SAME:
        return left == right  # type: ignore[no-any-return]
    if isinstance(left, _NUMBERS):
        # bool is an int in Python and is not one here.
        if not isinstance(right, _NUMBERS) or (left_class is bool) is not (right_class is bool):
            return False
        return beside(left, right) == beside(right, left)  # type: ignore[no-any-return]
    if isinstance(left, (list, tuple)):
        return isinstance(right, (list, tuple)) and _equal_lists(left, right)
    if isinstance(left, dict):
        return isinstance(right, dict) and _equal_maps(left, right)
    if left_class is ErrorValue:
        return left.says(right) if isinstance(right, str) else left is right
    if right_class is ErrorValue:
        return isinstance(left, str) and right.says(left)
    if left_class is Optional:
        return right_class is Optional and _equal_optionals(left, right)
    if left_class is Type:
        return right_class is Type and left.name == right.name
    return left_class is right_class and bool(left == right)


def _equal_lists(left: list[Any] | tuple[Any, ...], right: list[Any] | tuple[Any, ...]) -> bool:
    if len(left) != len(right):
        return False
    for a, b in zip(left, right, strict=True):
        # What needs no rules is compared here: a call for each element would be most of the time.
        if a.__class__ is b.__class__ and a.__class__ in _SAME:
            if a != b:
                return False
        elif not equals(a, b):
            return False
    return True


def _equal_maps(left: dict[Any, Any], right: dict[Any, Any]) -> bool:
    if len(left) != len(right):
        return False
    for key, value in left.items():
        if key.__class__ is str:
            other = right.get(key, _MISSING)
            if other is _MISSING:
                return False
        else:
            found, other = find_key(right, key)
            if not found:
                return False
        if value.__class__ is other.__class__ and value.__class__ in _SAME:
            if value != other:
                return False
        elif not equals(value, other):
            return False
    return True


def _equal_optionals(left: Optional, right: Optional) -> bool:
    if left.present is not right.present:
        return False
    return not left.present or equals(left.value, right.value)


class _Probe:
    """Looks a key up in a dict and remembers which key was there: Python takes `1` and `True` for the same."""

    __slots__ = ("key", "stored")

    def __init__(self, key: Any) -> None:
        self.key = key
        self.stored: Any = None

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        if self.key == other:
            self.stored = other
            return True
        return False


_KEYS = frozenset({str, int, bool})


def find_key(entries: dict[Any, Any], key: Any) -> tuple[bool, Any]:
    """Whether `entries` has `key`, and its value. `1`, `1u` and `1.0` are one key; `true` is another."""
    kind = key.__class__
    if kind is str:
        return (True, entries[key]) if key in entries else (False, None)
    if kind not in _KEYS and not isinstance(key, (int, float, str)):
        return False, None
    if key not in entries:
        return False, None
    if key not in {0, 1}:
        return True, entries[key]
    probe = _Probe(key)
    value = entries[probe]
    if (probe.stored.__class__ is bool) is not (kind is bool):
        return False, None
    return True, value


def contains(item: Any, container: Any) -> bool | None:
    """CEL's `in`: an element of a list or a key of a map. `None` when `container` is neither."""
    if isinstance(container, dict):
        return find_key(container, item)[0]
    if not isinstance(container, (list, tuple)):
        return None
    if item.__class__ is str and item in container:
        return True
    for element in container:  # noqa: SIM110 (a generator doubles the cost)
        if equals(item, element):
            return True
    return False
