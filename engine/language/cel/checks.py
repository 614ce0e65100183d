"""What can be known to be wrong without running: operators on kinds that never go together.

Kinds are type names; `None` is a kind that only a run can tell. `==` and `!=` take anything, as the standard has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from types import MappingProxyType

from engine.language.cel.source import Source

_TIMESTAMP = "google.protobuf.Timestamp"
_DURATION = "google.protobuf.Duration"
_NUMBERS = ("int", "uint", "double")
_Results = Mapping[tuple[str, str], str]

_SAME_NUMBERS = {(kind, kind): kind for kind in _NUMBERS}
_ORDERED: _Results = MappingProxyType(
    dict.fromkeys(product(_NUMBERS, _NUMBERS), "bool")
    | {(kind, kind): "bool" for kind in ("string", "bytes", "bool", _TIMESTAMP, _DURATION)}
)

_RESULTS: Mapping[str, _Results] = MappingProxyType(
    {
        "+": _SAME_NUMBERS
        | {(kind, kind): kind for kind in ("string", "bytes", "list", _DURATION)}
        | {(_TIMESTAMP, _DURATION): _TIMESTAMP, (_DURATION, _TIMESTAMP): _TIMESTAMP},
        "-": _SAME_NUMBERS
        | {
            (_DURATION, _DURATION): _DURATION,
            (_TIMESTAMP, _DURATION): _TIMESTAMP,
            (_TIMESTAMP, _TIMESTAMP): _DURATION,
        },
        "*": _SAME_NUMBERS,
        "/": _SAME_NUMBERS,
        "%": {("int", "int"): "int", ("uint", "uint"): "uint"},
        "<": _ORDERED,
        "<=": _ORDERED,
        ">": _ORDERED,
        ">=": _ORDERED,
    }
)
"""What an operator makes of which kinds."""


def check_binary(source: Source, operator: str, left: str | None, right: str | None, at: int) -> str | None:
    """The kind of the result. Raises `ExpressionError` where no two kinds of the operator can be meant."""
    if operator == "in":
        if right not in {None, "list", "map"}:
            raise source.error(f"`in` looks into a list or a map, not into a {right}", at, _type_hint(right))
        if right == "map" and left not in {None, *_NUMBERS, "string", "bool"}:
            raise source.error(f"a {left} is never a key of a map", at)
        return "bool"
    known = _RESULTS.get(operator)
    if known is None:
        _check_equality(source, left, right, at)
        return "bool"
    results = {made for pair, made in known.items() if left in {None, pair[0]} and right in {None, pair[1]}}
    if not results:
        raise source.error(
            f"`{operator}` does not go with {left or 'anything'} and {right or 'anything'}", at, _hint(left, right)
        )
    return results.pop() if len(results) == 1 else None


def _check_equality(source: Source, left: str | None, right: str | None, at: int) -> None:
    if "type" in {left, right} and None not in {left, right} and left != right:
        raise source.error(f"a type never equals a {right if left == 'type' else left}", at, _type_hint("type"))


def _type_hint(kind: str | None) -> str | None:
    return "a key that is called like a type is read with self, as self.type" if kind == "type" else None


def _hint(left: str | None, right: str | None) -> str | None:
    if left in _NUMBERS and right in _NUMBERS:
        return "convert one of them: int(x), uint(x) or double(x)"
    if "string" in {left, right}:
        return "convert the other with string(x)"
    return _type_hint("type" if "type" in {left, right} else None)


def check_bool(source: Source, what: str, kind: str | None, at: int) -> None:
    """Raise `ExpressionError` when an operand is known not to be a bool."""
    if kind not in {None, "bool"}:
        raise source.error(f"{what} takes a bool, not a {kind}", at, "compare it with something, as x == 'y'")


def check_negated(source: Source, kind: str | None, at: int) -> None:
    """Raise `ExpressionError` when an operand is known to have no negative."""
    if kind not in {None, "int", "double", _DURATION}:
        raise source.error(f"`-` does not go with a {kind}", at)


def check_fields(source: Source, what: str, kind: str | None, at: int) -> None:
    """Raise `ExpressionError` when an operand is known to have no fields."""
    if kind not in {None, "map", "optional_type", "error"}:
        raise source.error(f"{what} of a {kind}: only a map has fields", at, _type_hint(kind))


def check_entries(source: Source, kind: str | None, at: int) -> None:
    """Raise `ExpressionError` when the entries that a macro makes are known to be no map."""
    if kind not in {None, "map"}:
        raise source.error(f"transformMapEntry() makes maps, as {{key: value}}, not a {kind}", at)


def check_optional(source: Source, what: str, kind: str | None, at: int) -> None:
    """Raise `ExpressionError` when an operand is known not to be an optional."""
    if kind not in {None, "optional_type"}:
        raise source.error(
            f"{what} takes an optional, not a {kind}", at, "an optional is made by x.?y or optional.of(x)"
        )


def check_index(source: Source, operand: str | None, key: str | None, at: int, *, optional: bool) -> None:
    """Raise `ExpressionError` when an operand is known to have no elements, or none of such a key."""
    holders = {None, "list", "map", "optional_type"} | (set() if optional else {"error"})
    if operand not in holders:
        raise source.error(f"a {operand} has no elements to index", at, _type_hint(operand))
    if operand == "list" and key not in {None, *_NUMBERS}:
        raise source.error(f"a list index must be an int, not a {key}", at)
    if operand == "error" and key not in {None, "string"}:
        raise source.error(f"an error is asked for message, code and causes, not for a {key}", at)


def check_key(source: Source, kind: str | None, at: int) -> None:
    """Raise `ExpressionError` when something is known to be no key of a map literal."""
    if kind not in {None, "string", "int", "uint", "bool"}:
        raise source.error(f"a {kind} cannot be a key", at, "keys are strings, ints, uints and bools")


def check_range(source: Source, kind: str | None, at: int) -> None:
    """Raise `ExpressionError` when something is known to have no elements."""
    if kind not in {None, "list", "map"}:
        raise source.error(f"a macro goes over a list or a map, not over a {kind}", at, _type_hint(kind))
