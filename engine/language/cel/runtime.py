"""What a compiled program calls: the globals of its generated code.

Everything here is called by generated code only, with arguments that it made.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn

from engine.errors import Code, ExpressionError
from engine.language.cel.access import (
    bound_name,
    has_field,
    index,
    index_optional,
    is_in,
    payload_name,
    select,
    select_optional,
)
from engine.language.cel.arithmetic import add, divide, modulo, multiply, negate, subtract
from engine.language.cel.budget import TEXT_STEP, chunks, look, pair_chunks, refund, spend, take
from engine.language.cel.equality import equals, find_key
from engine.language.cel.library.regex import search
from engine.language.cel.order import greater, greater_equal, less, less_equal
from engine.language.cel.sharing import weigh
from engine.language.cel.values import ABSENT, NONE, Optional, export, no_overload, type_name


def not_bool(value: Any) -> NoReturn:
    """Refuse what stands where a bool must."""
    raise ExpressionError(f"no such overload: a bool is needed, not a {type_name(value)}")


def negation(value: Any) -> bool:
    """`!value`."""
    if value is True:
        return False
    if value is False:
        return True
    raise no_overload("!_", value)


def add_in_loop(budget: list[Any], left: Any, right: Any, max_size: int) -> Any:
    """`left + right`, taking steps for what is long."""
    kind = left.__class__
    if kind is str or kind is bytes:
        if len(left) > TEXT_STEP:
            take(budget, len(left) // TEXT_STEP)
    elif kind is list:
        take(budget, len(left))
    return add(left, right, max_size)


def equals_in_loop(budget: list[Any], left: Any, right: Any) -> bool:
    """`left == right`, with a look at the clock before lists and maps, whose depth nobody knows."""
    kind = left.__class__
    if kind is list or kind is dict or kind is tuple:
        look(budget)
    return equals(left, right)


def is_in_loop(budget: list[Any], item: Any, container: Any) -> bool:
    """`item in container`, taking a step for each element of a list."""
    if container.__class__ is list:
        take(budget, len(container))
    return is_in(item, container)


def hold(first: Exception | None, error: Exception) -> Exception:
    """The error to raise if nothing absorbs it: the first one. Limits are raised at once."""
    if isinstance(error, (RecursionError, MemoryError)) or is_limit(error):
        raise error
    return error if first is None else first


def is_limit(error: Exception) -> bool:
    """Whether the error is a limit's: running again would only meet it again."""
    return isinstance(error, ExpressionError) and (error.code is Code.LIMIT or error.code is Code.DEADLINE)


class Failed:
    """A value of `cel.bind` or `cel.block` that could not be made. Only who uses it fails."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


def failed(error: Exception) -> Failed:
    return Failed(hold(None, error))


def used(value: Any) -> Any:
    """A bound value; its error when there is none."""
    if value.__class__ is Failed:
        raise value.error
    return value


def as_optional(value: Any, what: str) -> Optional:
    """`value`, which must be an optional."""
    if value.__class__ is Optional:
        return value
    raise no_overload(what, value)


def value_or_absent(value: Any, field: str) -> Any:
    """`value.?field` without an object for it: the field's value, or `ABSENT`."""
    if value is ABSENT:
        return ABSENT
    optional = select_optional(value, field)
    return optional.value if optional.present else ABSENT


def optional_of(value: Any) -> Optional:
    """The optional of a value or of `ABSENT`."""
    return NONE if value is ABSENT else Optional(value, present=True)


class UndecidedError(Exception):
    """The quick way has come to something that only the strict way knows."""


def undecided() -> NoReturn:
    raise UndecidedError


def given(value: Any) -> tuple[Any, ...]:
    """The items that `?value` adds to a list: one or none."""
    optional = as_optional(value, "[?_]")
    return (optional.value,) if optional.present else ()


def put(entries: dict[Any, Any], key: Any, value: Any) -> None:
    """Add an entry to a map that is being made."""
    if not isinstance(key, (str, int)):
        raise ExpressionError(f"unsupported key type: {type_name(key)}", hint="keys are strings, ints, uints and bools")
    if key in entries:
        if not find_key(entries, key)[0]:
            raise ExpressionError("a map cannot have a bool and a number as keys for the same entry")
        raise ExpressionError(f"repeated key: {key!r}"[:100])
    entries[key] = value


def make_map(*parts: tuple[Any, Any, bool]) -> dict[Any, Any]:
    """A map of entries: key, value, whether the value is an optional that may be absent."""
    entries: dict[Any, Any] = {}
    for key, value, is_optional in parts:
        if not is_optional:
            put(entries, key, value)
            continue
        optional = as_optional(value, "{?_: _}")
        if optional.present:
            put(entries, key, optional.value)
    return entries


def merge(entries: dict[Any, Any], more: Any) -> None:
    """Add the entries of a map to a map that is being made."""
    if not isinstance(more, dict):
        raise ExpressionError(f"transformMapEntry makes maps, not a {type_name(more)}")
    for key, value in more.items():
        put(entries, key, value)


def export_outer(value: Any) -> Any:
    """A result that may be an optional or an address, but holds none."""
    if value.__class__ is Optional:
        return value.value if value.present else None
    return export(value) if value.__class__.__module__ == "ipaddress" else value


def match_text(compiled: Any, text: Any) -> bool:
    """`text.matches('…')` with a pattern that was compiled with the program."""
    if not isinstance(text, str):
        raise no_overload("matches", text, "")
    return search(compiled, text) is not None


RUNTIME: Mapping[str, Any] = MappingProxyType(
    {
        "ABSENT": ABSENT, "Exception": Exception, "NONE": NONE, "Optional": Optional, "add": add, "add_in_loop": add_in_loop, "as_optional": as_optional,
        "bound_name": bound_name, "chunks": chunks, "dict": dict, "divide": divide, "equals": equals, "equals_in_loop": equals_in_loop,
        "export": export, "export_outer": export_outer, "failed": failed, "given": given, "greater": greater,
        "greater_equal": greater_equal, "has_field": has_field, "hold": hold, "index": index,
        "index_optional": index_optional, "int": int, "is_in": is_in, "is_in_loop": is_in_loop, "iter": iter, "len": len, "less": less,
        "less_equal": less_equal, "list": list, "make_map": make_map, "match_text": match_text, "merge": merge,
        "modulo": modulo, "multiply": multiply, "negate": negate, "negation": negation, "not_bool": not_bool,
        "optional_of": optional_of, "pair_chunks": pair_chunks, "payload_name": payload_name, "refund": refund, "select": select,
        "select_optional": select_optional, "spend": spend, "sized": frozenset({str, list, dict, bytes}), "str": str,
        "subtract": subtract, "undecided": undecided, "used": used, "value_or_absent": value_or_absent, "weigh": weigh, "__builtins__": {},
    }
)  # fmt: skip
