"""Optionals: making one and asking it. `or` and `orValue` are compiled, because their argument may stay unevaluated."""

from __future__ import annotations

from typing import Any

from engine.errors import ErrorValue, ExpressionError
from engine.language.cel.functions import function, method
from engine.language.cel.values import NONE, Optional


def _of(value: Any) -> Optional:
    return Optional(value, present=True)


def _none() -> Optional:
    return NONE


def _of_non_zero(value: Any) -> Optional:
    """Absent for `null`, `false`, zero and what is empty."""
    if isinstance(value, ErrorValue) or value:
        return Optional(value, present=True)
    return NONE


def _has_value(optional: Optional) -> bool:
    return optional.present


def _value(optional: Optional) -> Any:
    if optional.present:
        return optional.value
    raise ExpressionError("optional.none() has no value", hint="orValue(x) gives another one instead")


def _unwrap(items: list[Any]) -> list[Any]:
    for item in items:
        if not isinstance(item, Optional):
            raise ExpressionError("unwrap takes a list of optionals")
    return [item.value for item in items if item.present]


OVERLOADS = (
    function("optional.of", "any -> optional", _of),
    function("optional.none", "-> optional", _none),
    function("optional.ofNonZeroValue", "any -> optional", _of_non_zero),
    function("optional.unwrap", "list -> list", _unwrap, work=1),
    method("unwrapOpt", "list -> list", _unwrap, work=1),
    method("hasValue", "optional -> bool", _has_value),
    method("value", "optional -> any", _value),
)
