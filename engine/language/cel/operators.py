"""Operators to Python: the general call, and the quick form where a literal tells what to expect."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.language.cel import checks
from engine.language.cel.quick import quick_number, quick_text
from engine.language.cel.sharing import NOTHING
from engine.language.cel.syntax import Binary, ListLiteral, Literal, Unary
from engine.language.cel.writer import Emitted, Scope

if TYPE_CHECKING:
    from engine.language.cel.generator import Generator

_ARITHMETIC = MappingProxyType({"-": "subtract", "*": "multiply", "/": "divide", "%": "modulo"})
_ORDER: Mapping[str, tuple[str, type[ast.cmpop]]] = MappingProxyType(
    {
        "<": ("less", ast.Lt),
        "<=": ("less_equal", ast.LtE),
        ">": ("greater", ast.Gt),
        ">=": ("greater_equal", ast.GtE),
    }
)
_PYTHON: Mapping[str | None, str] = MappingProxyType({"int": "int", "string": "str"})
"""The kinds whose literals make a quick form, and the Python class to ask for."""

_PLAIN = frozenset({"int", "string", "bool", "bytes", "double", "null_type"})


def emit_binary(generator: Generator, node: Binary, left: Emitted, scope: Scope) -> Emitted:
    """`left operator right`."""
    right = generator.emit(node.right, scope)
    generator.move_to(node.at)
    kind = checks.check_binary(generator.source, node.operator, left.kind, right.kind, node.at)
    depth = max(left.depth, right.depth) + 1
    match node.operator:
        case "+":
            return _sum(generator, left, right, kind, scope)
        case "==" | "!=":
            for operand in (left, right):
                operand.node = generator.weighed(operand)
            return Emitted(_equality(generator, node, left, right, scope), depth + 3, kind)
        case "in":
            for operand in (left, right):
                operand.node = generator.weighed(operand)
            return Emitted(_membership(generator, node, left, right, scope), depth + 3, kind)
        case "<" | "<=" | ">" | ">=":
            return Emitted(_order(generator, node, left, right), depth + 3, kind)
    function = _ARITHMETIC[node.operator]
    quick = None if generator.strict else quick_number(generator, node.operator, left, right, function)
    return Emitted(quick or generator.call(function, left.node, right.node), depth + 4, kind)


def _sum(generator: Generator, left: Emitted, right: Emitted, kind: str | None, scope: Scope) -> Emitted:
    if kind == "string" and not generator.strict:
        return quick_text(generator, left, right, scope)
    size = generator.literal(generator.setting.limits.size)
    held = NOTHING if kind in _PLAIN else left.held.beside(right.held)
    depth = max(left.depth, right.depth) + 4
    wrapping = max(left.wrapping, right.wrapping)
    if not generator.strict and not scope.level:
        quick = quick_number(generator, "+", left, right, "add", size)
        if quick is not None:
            return Emitted(quick, depth, kind, wrapping, held=held)
    args = [left.node, right.node, size]
    # In a loop, joining long texts and lists again and again is work that the number of turns does not tell.
    call = generator.call("add_in_loop", generator.budget(), *args) if scope.level else generator.call("add", *args)
    return Emitted(call, depth, kind, wrapping, held=held)


def emit_unary(generator: Generator, node: Unary, operand: Emitted) -> Emitted:
    """`!operand` or `-operand`."""
    if node.operator == "-":
        checks.check_negated(generator.source, operand.kind, node.at)
        return Emitted(generator.call("negate", operand.node), operand.depth + 1, operand.kind)
    checks.check_bool(generator.source, "`!`", operand.kind, node.at)
    if operand.kind == "bool":
        return Emitted(generator.negated(operand.node), operand.depth + 1, "bool")
    return Emitted(generator.call("negation", operand.node), operand.depth + 1, "bool")


def _equality(generator: Generator, node: Binary, left: Emitted, right: Emitted, scope: Scope) -> ast.expr:
    unequal = node.operator == "!="
    operator: ast.cmpop = ast.NotEq() if unequal else ast.Eq()
    if left.kind is not None and left.kind == right.kind and left.kind in _PLAIN:
        return generator.compare(left.node, operator, right.node)
    if right.literal or left.literal:
        literal, other = (right, left) if right.literal else (left, right)
        if literal.kind in {"bool", "null_type"} and not isinstance(other.node, ast.Constant):
            # There is one true, one false and one null, and nothing else equals them.
            return generator.compare(other.node, ast.IsNot() if unequal else ast.Is(), literal.node)
        if literal.kind in _PYTHON and other.kind is None:
            name = generator.fresh("t")
            expected = generator.is_class(generator.keep(name, other.node), _PYTHON[literal.kind])
            quick = generator.compare(generator.name(name), operator, literal.node)
            return generator.choose(
                expected, quick, _equals(generator, generator.name(name), literal.node, scope, unequal=unequal)
            )
    return _equals(generator, left.node, right.node, scope, unequal=unequal)


def _equals(generator: Generator, left: ast.expr, right: ast.expr, scope: Scope, *, unequal: bool) -> ast.expr:
    if scope.level:
        call = generator.call("equals_in_loop", generator.budget(), left, right)
    else:
        call = generator.call("equals", left, right)
    return generator.negated(call) if unequal else call


def _order(generator: Generator, node: Binary, left: Emitted, right: Emitted) -> ast.expr:
    function, operator = _ORDER[node.operator]
    if left.kind == right.kind and left.kind in _PYTHON:
        return generator.compare(left.node, operator(), right.node)
    if right.literal and right.kind in _PYTHON and left.kind is None:
        name = generator.fresh("t")
        expected = generator.is_class(generator.keep(name, left.node), _PYTHON[right.kind])
        quick = generator.compare(generator.name(name), operator(), right.node)
        return generator.choose(expected, quick, generator.call(function, generator.name(name), right.node))
    return generator.call(function, left.node, right.node)


def _membership(generator: Generator, node: Binary, left: Emitted, right: Emitted, scope: Scope) -> ast.expr:
    texts = _texts(node)
    if texts is not None:
        # A list of texts is made once; an element of another kind than text is compared by the rules.
        name = generator.fresh("t")
        is_text = generator.is_class(generator.keep(name, left.node), "str")
        quick = generator.compare(generator.name(name), ast.In(), generator.constant("texts", frozenset(texts)))
        return generator.choose(is_text, quick, generator.call("is_in", generator.name(name), right.node))
    if left.literal and left.kind == "string":
        name = generator.fresh("t")
        is_map = generator.is_class(generator.keep(name, right.node), "dict")
        quick = generator.compare(left.node, ast.In(), generator.name(name))
        return generator.choose(is_map, quick, _is_in(generator, left.node, generator.name(name), scope))
    return _is_in(generator, left.node, right.node, scope)


def _is_in(generator: Generator, item: ast.expr, container: ast.expr, scope: Scope) -> ast.expr:
    """A search through a list costs as much as a loop over it, and counts so where it is done again and again."""
    if scope.level:
        return generator.call("is_in_loop", generator.budget(), item, container)
    return generator.call("is_in", item, container)


def _texts(node: Binary) -> list[str] | None:
    """The texts of `x in ['a', 'b']`; `None` where the right side is anything else."""
    if not isinstance(node.right, ListLiteral):
        return None
    texts: list[str] = []
    for item, optional in node.right.items:
        if optional or not isinstance(item, Literal) or not isinstance(item.value, str):
            return None
        texts.append(item.value)
    return texts
