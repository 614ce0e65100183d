"""Reading a part of a value: `a.b`, `a[b]`, `has(a.b)`, their optional forms, and names.

The compiled program reads a part as Python reads it and comes here when that does not work, so these functions are
the exact rules and the good error messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.errors import ErrorValue, ExpressionError
from engine.language.cel.equality import contains, find_key
from engine.language.cel.values import NONE, Optional, no_overload, type_name


def _shown(key: Any) -> str:
    text = repr(key)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _similar(name: str, names: Iterable[Any]) -> str | None:
    """A hint that lists the names nearest to `name`."""
    import difflib  # only when something went wrong already

    known = [known for known in names if isinstance(known, str)]
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if close:
        return f"did you mean {', '.join(close)}?"
    return f"there is {', '.join(_clipped(known))}" if known else None


def _clipped(names: list[str]) -> list[str]:
    shown = sorted(names)
    return shown if len(shown) <= 8 else [*shown[:8], f"and {len(shown) - 8} more"]


def no_name(name: str, names: Iterable[Any]) -> ExpressionError:
    """The error of a name that stands for nothing."""
    return ExpressionError(f"no such name: {name}", hint=_similar(name, names))


def payload_name(payload: Any, name: str) -> Any:
    """The value under `name` in a payload that is a map."""
    if not isinstance(payload, dict):
        raise ExpressionError(
            f"no such name: {name}", hint=f"the payload is a {type_name(payload)}, not a map; `self` is the whole of it"
        )
    if name not in payload:
        raise no_name(name, [*payload, "self"])
    return payload[name]


def bound_name(names: Mapping[str, Any], name: str) -> Any:
    """The value of a variable among the bindings."""
    if name not in names:
        raise no_name(name, names)
    return names[name]


_ERROR_FIELDS = frozenset({"message", "code", "causes"})


def _error_field(error: ErrorValue, field: str) -> Any:
    if field == "message":
        return error.message
    return error.code.label if field == "code" else list(error.causes)


def select(value: Any, field: str) -> Any:
    """`value.field` of a map or an error value; of an optional, an optional."""
    if isinstance(value, dict):
        if field in value:
            return value[field]
        raise ExpressionError(f"no such key: {field}", hint=_similar(field, value))
    if value.__class__ is Optional:
        return select_optional(value, field)
    if value.__class__ is ErrorValue:
        if field in _ERROR_FIELDS:
            return _error_field(value, field)
        raise ExpressionError(f"no such field: {field}", hint="an error has message, code and causes")
    raise ExpressionError(
        f"cannot read {field} of a {type_name(value)}", hint=f"has(x.{field}) or x.?{field} asks only where x is a map"
    )


def select_optional(value: Any, field: str) -> Optional:
    """`value.?field`: absent when the key is."""
    if value.__class__ is Optional:
        return select_optional(value.value, field) if value.present else NONE
    if isinstance(value, dict):
        return Optional(value[field], present=True) if field in value else NONE
    return Optional(select(value, field), present=True)


def has_field(value: Any, field: str) -> bool:
    """`has(value.field)`."""
    if isinstance(value, dict):
        return field in value
    if value.__class__ is Optional:
        return value.present and has_field(value.value, field)
    if value.__class__ is ErrorValue:
        return field in _ERROR_FIELDS
    raise ExpressionError(f"has() asks for {field} of a {type_name(value)}", hint="only a map has fields")


def _position(key: Any, length: int) -> int | None:
    """The list index that `key` means: `None` beyond the end, an error when it is no whole number."""
    if isinstance(key, bool) or not isinstance(key, (int, float)):
        raise ExpressionError(f"a list index must be an int, not a {type_name(key)}")
    if isinstance(key, float) and not key.is_integer():
        raise ExpressionError(f"a list index must be whole, not {key}")
    position = int(key)
    return position if 0 <= position < length else None


def index(value: Any, key: Any) -> Any:
    """`value[key]` of a list or a map; of an optional, an optional."""
    if isinstance(value, dict):
        found, item = find_key(value, key)
        if found:
            return item
        raise ExpressionError(
            f"no such key: {_shown(key)}", hint=_similar(key, value) if isinstance(key, str) else None
        )
    if isinstance(value, (list, tuple)):
        position = _position(key, len(value))
        if position is not None:
            return value[position]
        raise ExpressionError(f"index {_shown(key)} is outside a list of {len(value)}")
    if value.__class__ is Optional:
        return index_optional(value, key)
    if value.__class__ is ErrorValue and isinstance(key, str):
        return select(value, key)
    raise no_overload("_[_]", value, key)


def index_optional(value: Any, key: Any) -> Optional:
    """`value[?key]`: absent when the key or position is."""
    if value.__class__ is Optional:
        return index_optional(value.value, key) if value.present else NONE
    if isinstance(value, dict):
        found, item = find_key(value, key)
        return Optional(item, present=True) if found else NONE
    if isinstance(value, (list, tuple)):
        position = _position(key, len(value))
        return NONE if position is None else Optional(value[position], present=True)
    raise no_overload("_[?_]", value, key)


def is_in(item: Any, container: Any) -> bool:
    """`item in container`."""
    answer = contains(item, container)
    if answer is None or (isinstance(container, dict) and not isinstance(item, (str, int, float))):
        raise no_overload("@in", item, container)
    return answer
