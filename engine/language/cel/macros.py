"""Macros: calls that are not calls, because an argument is a name or must not be evaluated first.

The parser hands each call to :func:`expand`, which gives back a node of its own kind for a macro and the call itself
for anything else. A call with a macro's name and another number of arguments stays a call, as the standard has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal as OneOf
from typing import TypeAlias

from engine.language.cel.source import Source
from engine.language.cel.syntax import (
    Bind,
    Block,
    Call,
    Has,
    ListLiteral,
    Literal,
    Name,
    Node,
    OptionalMap,
    Quantifier,
    Select,
    Transform,
)

Macro: TypeAlias = Callable[[Source, Call], Node]


def expand(source: Source, call: Call) -> Node:
    """The node of a macro, or `call` itself. Raises `ExpressionError` for a macro whose arguments have the wrong form."""
    if call.target is None:
        return _has(source, call) if call.name == "has" and len(call.args) == 1 else call
    if isinstance(call.target, Name) and call.target.name == "cel":
        special = _CEL.get((call.name, len(call.args)))
        if special is not None:
            return special(source, call)
    macro = _METHODS.get((call.name, len(call.args)))
    return call if macro is None else macro(source, call)


def slot_name(index: int) -> str:
    """The variable of a slot of `cel.block`. No name of the grammar is like it."""
    return f"@index{index}"


def _has(source: Source, call: Call) -> Node:
    field = call.args[0]
    if not isinstance(field, Select) or field.optional:
        raise source.error("has() takes a field, as has(a.b)", call.at, "for a key use `'key' in map`")
    return Has(call.at, field.operand, field.field)


def _variable(source: Source, node: Node) -> str:
    if isinstance(node, Name) and not node.absolute:
        return node.name
    raise source.error("a variable of a macro must be a plain name", node.at)


def _variables(source: Source, call: Call, count: int) -> tuple[str, ...]:
    names = tuple(_variable(source, node) for node in call.args[:count])
    if len(set(names)) < count:
        raise source.error("the two variables of a macro must have different names", call.args[1].at)
    return names


def _quantifier(kind: OneOf["all", "exists", "exists_one"], count: int) -> Macro:
    def make(source: Source, call: Call) -> Node:
        assert call.target is not None
        return Quantifier(call.at, kind, call.target, _variables(source, call, count), call.args[-1])

    return make


def _transform(kind: OneOf["list", "map", "entries"], count: int) -> Macro:
    """The variables, perhaps a condition, then the result."""

    def make(source: Source, call: Call) -> Node:
        assert call.target is not None
        condition = call.args[count] if len(call.args) == count + 2 else None
        return Transform(call.at, kind, call.target, _variables(source, call, count), condition, call.args[-1])

    return make


def _filter(source: Source, call: Call) -> Node:
    assert call.target is not None
    return Transform(call.at, "list", call.target, _variables(source, call, 1), call.args[1], None)


def _optional_map(*, flat: bool) -> Macro:
    def make(source: Source, call: Call) -> Node:
        assert call.target is not None
        return OptionalMap(call.at, call.target, _variable(source, call.args[0]), call.args[1], flat)

    return make


def _bind(source: Source, call: Call) -> Node:
    return Bind(call.at, _variable(source, call.args[0]), call.args[1], call.args[2])


def _block(source: Source, call: Call) -> Node:
    slots = call.args[0]
    if not isinstance(slots, ListLiteral) or any(optional for _, optional in slots.items):
        raise source.error("cel.block() takes a list of slots first", slots.at)
    return Block(call.at, tuple(node for node, _ in slots.items), call.args[1])


def _whole(source: Source, node: Node) -> int:
    if isinstance(node, Literal) and type(node.value) is int and node.value >= 0:
        return node.value
    raise source.error("a whole number must stand here", node.at)


def _sort_by(source: Source, call: Call) -> Node:
    """`list.sortBy(x, key)`: the list is bound to a name, so that it is made once and sorted beside its keys."""
    assert call.target is not None
    variable = _variable(source, call.args[0])
    items = Name(call.at, f"@sorted{call.at}")
    keys = Transform(call.at, "list", items, (variable,), None, call.args[1])
    return Bind(call.at, items.name, call.target, Call(call.at, "@sortBy", items, (keys,)))


def _index(source: Source, call: Call) -> Node:
    return Name(call.at, slot_name(_whole(source, call.args[0])))


def _iteration_variable(source: Source, call: Call) -> Node:
    depth, number = (_whole(source, node) for node in call.args)
    return Name(call.at, f"@it{depth}_{number}")


_CEL: Mapping[tuple[str, int], Macro] = MappingProxyType(
    {("bind", 3): _bind, ("block", 2): _block, ("index", 1): _index, ("iterVar", 2): _iteration_variable}
)

_METHODS: Mapping[tuple[str, int], Macro] = MappingProxyType(
    {
        ("all", 2): _quantifier("all", 1),
        ("all", 3): _quantifier("all", 2),
        ("exists", 2): _quantifier("exists", 1),
        ("exists", 3): _quantifier("exists", 2),
        ("exists_one", 2): _quantifier("exists_one", 1),
        ("exists_one", 3): _quantifier("exists_one", 2),
        ("existsOne", 2): _quantifier("exists_one", 1),
        ("existsOne", 3): _quantifier("exists_one", 2),
        ("map", 2): _transform("list", 1),
        ("map", 3): _transform("list", 1),
        ("filter", 2): _filter,
        ("transformList", 3): _transform("list", 2),
        ("transformList", 4): _transform("list", 2),
        ("transformMap", 3): _transform("map", 2),
        ("transformMap", 4): _transform("map", 2),
        ("transformMapEntry", 3): _transform("entries", 2),
        ("transformMapEntry", 4): _transform("entries", 2),
        ("sortBy", 2): _sort_by,
        ("optMap", 2): _optional_map(flat=False),
        ("optFlatMap", 2): _optional_map(flat=True),
    }
)

MACRO_NAMES = frozenset({name for name, _ in _METHODS} | {"has"})
"""Names that a spelling hint may suggest beside the functions'."""
