"""The syntax tree: small frozen nodes, each with its place in the source as an offset in characters.

The parser makes nodes of the grammar; :mod:`~engine.language.cel.macros` makes the last group of macro calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

from engine.language.cel.values import UInt

Constant: TypeAlias = bool | int | UInt | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, text, bytes, `true`, `false` or `null`."""

    at: int
    value: Constant


@dataclass(frozen=True, slots=True)
class Name:
    """A name; `absolute` when written with a dot before it, which leaves the container and local names out."""

    at: int
    name: str
    absolute: bool = False


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`, or `operand.?field`."""

    at: int
    operand: Node
    field: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """`operand[key]`, or `operand[?key]`."""

    at: int
    operand: Node
    key: Node
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """`name(args)`, or `target.name(args)`. The name of an absolute call begins with a dot."""

    at: int
    name: str
    target: Node | None
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ListLiteral:
    """`[a, ?b]`: each item and whether it is optional."""

    at: int
    items: tuple[tuple[Node, bool], ...]


@dataclass(frozen=True, slots=True)
class MapLiteral:
    """`{k: v, ?k: v}`: each key, its value and whether the entry is optional."""

    at: int
    entries: tuple[tuple[Node, Node, bool], ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """`!operand` or `-operand`."""

    at: int
    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator with two operands, except `&&` and `||`."""

    at: int
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logic:
    """`a && b && …` or `a || b || …`, flat."""

    at: int
    operator: OneOf["&&", "||"]
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Conditional:
    """`condition ? then : otherwise`."""

    at: int
    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Has:
    """`has(operand.field)`."""

    at: int
    operand: Node
    field: str


@dataclass(frozen=True, slots=True)
class Quantifier:
    """`range.all(x, condition)`, `exists` or `exists_one`, with one variable or two."""

    at: int
    kind: OneOf["all", "exists", "exists_one"]
    range: Node
    variables: tuple[str, ...]
    condition: Node


@dataclass(frozen=True, slots=True)
class Transform:
    """`map`, `filter`, `transformList`, `transformMap` and `transformMapEntry`.

    `result` is `None` for `filter`, which keeps the element itself.
    """

    at: int
    kind: OneOf["list", "map", "entries"]
    range: Node
    variables: tuple[str, ...]
    condition: Node | None
    result: Node | None


@dataclass(frozen=True, slots=True)
class Bind:
    """`cel.bind(name, value, result)`."""

    at: int
    name: str
    value: Node
    result: Node


@dataclass(frozen=True, slots=True)
class Block:
    """`cel.block([slots], result)`: each slot may use those before it through `cel.index(n)`."""

    at: int
    slots: tuple[Node, ...]
    result: Node


@dataclass(frozen=True, slots=True)
class OptionalMap:
    """`target.optMap(name, result)`; `flat` for `optFlatMap`, whose result is an optional already."""

    at: int
    target: Node
    name: str
    result: Node
    flat: bool


Node: TypeAlias = (
    Literal
    | Name
    | Select
    | Index
    | Call
    | ListLiteral
    | MapLiteral
    | Unary
    | Binary
    | Logic
    | Conditional
    | Has
    | Quantifier
    | Transform
    | Bind
    | Block
    | OptionalMap
)
