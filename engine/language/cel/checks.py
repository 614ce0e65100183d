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
_SAME_NUMBERS = frozenset((kind, kind) for kind in _NUMBERS)
_ORDERED = frozenset(product(_NUMBERS, _NUMBERS)) | {
    (kind, kind) for kind in ("string", "bytes", "bool", _TIMESTAMP, _DURATION)
}

_ALLOWED: Mapping[str, frozenset[tuple[str, str]]] = MappingProxyType(
    {
        "+": _SAME_NUMBERS
        | {(kind, kind) for kind in ("string", "bytes", "list", _DURATION)}
        | {(_TIMESTAMP, _DURATION), (_DURATION, _TIMESTAMP)},
        "-": _SAME_NUMBERS | {(_DURATION, _DURATION), (_TIMESTAMP, _DURATION), (_TIMESTAMP, _TIMESTAMP)},
        "*": _SAME_NUMBERS,
        "/": _SAME_NUMBERS,
        "%": frozenset({("int", "int"), ("uint", "uint")}),
        "<": _ORDERED,
        "<=": _ORDERED,
        ">": _ORDERED,
        ">=": _ORDERED,
    }
)

_RESULT = MappingProxyType({kind: kind for kind in (*_NUMBERS, "string", "bytes", "list")})
COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!=", "in"})


def check_binary(source: Source, operator: str, left: str | None, right: str | None, at: int) -> str | None:
    """The kind of the result. Raises `ExpressionError` where no two kinds of the operator can be meant."""
    if operator == "in":
        if right not in {None, "list", "map"}:
            raise source.error(f"`in` looks into a list or a map, not into a {right}", at, _type_hint(right))
        return "bool"
    allowed = _ALLOWED.get(operator)
    if allowed is None:
        _check_equality(source, left, right, at)
        return "bool"
    fitting = [pair for pair in allowed if left in {None, pair[0]} and right in {None, pair[1]}]
    if not fitting:
        raise source.error(
            f"`{operator}` does not go with {left or 'anything'} and {right or 'anything'}", at, _hint(left, right)
        )
    if operator in COMPARISONS:
        return "bool"
    if left is not None and left == right:
        return left if left in _RESULT else None
    return None


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


def check_range(source: Source, kind: str | None, at: int) -> None:
    """Raise `ExpressionError` when something is known to have no elements."""
    if kind not in {None, "list", "map"}:
        raise source.error(f"a macro goes over a list or a map, not over a {kind}", at, _type_hint(kind))
