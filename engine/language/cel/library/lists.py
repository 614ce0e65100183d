"""The lists and sets extensions: slicing, sorting, flattening, and lists taken as sets.

What compares elements for equality does so through :func:`identity`, a hashable stand-in, so it stays linear.
"""

from __future__ import annotations

from typing import Any

from engine.errors import ExpressionError
from engine.language.cel.arithmetic import check_length
from engine.language.cel.functions import function, method
from engine.language.cel.order import comparable
from engine.language.cel.values import NONE, Optional, type_name


def identity(value: Any) -> Any:
    """Something hashable that is equal for two values exactly when CEL takes them for equal."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, (int, float)):
        # A NaN equals nothing, not even itself.
        return value if value == value else object()  # noqa: PLR0124
    if isinstance(value, (list, tuple)):
        return ("list", tuple(identity(item) for item in value))
    if isinstance(value, dict):
        return ("map", frozenset((identity(key), identity(item)) for key, item in value.items()))
    if isinstance(value, Optional):
        return ("optional", value.present, identity(value.value))
    return value


def _identities(items: list[Any]) -> set[Any]:
    return {identity(item) for item in items}


def _range(max_size: int, count: int) -> list[int]:
    check_length(count, max_size)
    return list(range(count))


def _slice(items: list[Any], start: int, end: int) -> list[Any]:
    if not 0 <= start <= end <= len(items):
        raise ExpressionError(f"cannot slice({start}, {end}) a list of {len(items)}")
    return list(items[start:end])


def _flatten(items: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise ExpressionError(f"flatten() takes a depth of 0 or more, not {depth}")
    flat = list(items)
    while depth > 0 and any(isinstance(item, (list, tuple)) for item in flat):
        deeper: list[Any] = []
        for item in flat:
            if isinstance(item, (list, tuple)):
                deeper.extend(item)
            else:
                deeper.append(item)
        flat = deeper
        depth -= 1
    return flat


def _check_order(values: list[Any]) -> None:
    for value in values:
        if type_name(value) != type_name(values[0]) or not comparable(value, values[0]):
            raise ExpressionError(
                f"cannot sort {type_name(values[0])} with {type_name(value)}", hint="all must be of one ordered type"
            )


def _sort(items: list[Any]) -> list[Any]:
    _check_order(items)
    return sorted(items)


def _sort_by(items: list[Any], keys: list[Any]) -> list[Any]:
    """`items` in the order of `keys`, which stand beside them. Equal keys keep their order."""
    _check_order(keys)
    order = sorted(range(len(items)), key=keys.__getitem__)
    return [items[position] for position in order]


def _distinct(items: list[Any]) -> list[Any]:
    seen: set[Any] = set()
    kept: list[Any] = []
    for item in items:
        stand_in = identity(item)
        if stand_in not in seen:
            seen.add(stand_in)
            kept.append(item)
    return kept


def _reverse(items: list[Any]) -> list[Any]:
    return list(items[::-1])


def _first(items: list[Any]) -> Optional:
    return Optional(items[0], present=True) if items else NONE


def _last(items: list[Any]) -> Optional:
    return Optional(items[-1], present=True) if items else NONE


def _contains(items: list[Any], others: list[Any]) -> bool:
    return _identities(others) <= _identities(items)


def _equivalent(items: list[Any], others: list[Any]) -> bool:
    return _identities(items) == _identities(others)


def _intersects(items: list[Any], others: list[Any]) -> bool:
    return not _identities(items).isdisjoint(_identities(others))


OVERLOADS = (
    function("lists.range", "int -> list", _range, sized=True, work=2),
    method("slice", "list int int -> list", _slice, work=1),
    method("flatten", "list -> list", _flatten, work=4),
    method("flatten", "list int -> list", _flatten, work=4),
    method("sort", "list -> list", _sort, work=8),
    method("@sortBy", "list list -> list", _sort_by, work=8),
    method("distinct", "list -> list", _distinct, work=16),
    method("reverse", "list -> list", _reverse, work=1),
    method("first", "list -> optional", _first),
    method("last", "list -> optional", _last),
    function("sets.contains", "list list -> bool", _contains, work=16),
    function("sets.equivalent", "list list -> bool", _equivalent, work=16),
    function("sets.intersects", "list list -> bool", _intersects, work=16),
)
