"""Macros to Python: each becomes a function with a loop or a binding in it.

The function gets what it needs as parameters (the argument, the budget of steps, the variables around it), so nothing
is a closure, and macros nest as deeply as the source does.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from engine.language.cel import checks
from engine.language.cel.macros import slot_name
from engine.language.cel.syntax import Bind, Block, OptionalMap, Quantifier, Transform
from engine.language.cel.writer import BUDGET, NESTED, PLAIN, WRAPPED, Emitted, Local, Scope

if TYPE_CHECKING:
    from engine.language.cel.generator import Generator

_LOOP = "loop"
_RANGE = "range"


def _loop_scope(
    generator: Generator, variables: tuple[str, ...], wrapping: int, scope: Scope
) -> tuple[Scope, tuple[str, ...]]:
    """The scope inside a loop, and the Python names of its variables."""
    inside = scope
    pythons: list[str] = []
    for variable in variables:
        python = generator.fresh("v")
        pythons.append(python)
        inside = inside.with_local(variable, Local(python, NESTED if wrapping else PLAIN))
    return inside, tuple(pythons)


def _iterator(generator: Generator, variables: tuple[str, ...]) -> ast.stmt:
    """`loop = elements(budget, range)`: takes the steps off the budget."""
    function = "elements" if len(variables) == 1 else "pairs"
    return generator.assign(_LOOP, generator.call(function, generator.name(BUDGET), generator.name(_RANGE)))


def emit_quantifier(generator: Generator, node: Quantifier, range_: Emitted, scope: Scope) -> Emitted:
    """`all`, `exists` and `exists_one`."""
    checks.check_range(generator.source, range_.kind, node.at)
    inside, names = _loop_scope(generator, node.variables, range_.wrapping, scope)
    condition = generator.emit(node.condition, inside)
    generator.move_to(node.condition.at)
    test = generator.truth(condition, f"{node.kind}()", node.condition.at)
    generator.move_to(node.at)
    body = _counting(generator, node, names, test) if node.kind == "exists_one" else None
    if body is None:
        absorbing = generator.strict
        body = _deciding(generator, node, names, test, absorbing=absorbing)
    call = generator.inner(node.kind, scope, body, **{_RANGE: range_.node})
    return Emitted(call, range_.depth + 1, "bool")


def _deciding(
    generator: Generator, node: Quantifier, names: tuple[str, ...], test: ast.expr, *, absorbing: bool
) -> list[ast.stmt]:
    """Stop at the first element that decides. Strictly, one that decides wins over those that raise."""
    decisive = node.kind == "exists"
    refund = generator.does(generator.call("refund", generator.name(BUDGET), generator.name(_LOOP)))
    stop = generator.when(
        test if decisive else generator.negated(test), refund, generator.returns(generator.literal(decisive))
    )
    result = generator.returns(generator.literal(not decisive))
    start = _iterator(generator, node.variables)
    loop = generator.name(_LOOP)
    if not absorbing:
        return [start, generator.each(names, loop, stop), result]
    attempt = generator.attempt([stop], "error", generator.hold())
    pending = generator.assign("pending", generator.literal(None))
    return [pending, start, generator.each(names, loop, attempt), generator.raise_pending(), result]


def _counting(generator: Generator, node: Quantifier, names: tuple[str, ...], test: ast.expr) -> list[ast.stmt]:
    """Visit every element, as the standard asks: an error anywhere is the result."""
    add_one = ast.BinOp(generator.name("count"), ast.Add(), generator.literal(1))
    counted = generator.when(test, generator.assign("count", ast.copy_location(add_one, test)))
    return [
        generator.assign("count", generator.literal(0)),
        _iterator(generator, node.variables),
        generator.each(names, generator.name(_LOOP), counted),
        generator.returns(generator.compare(generator.name("count"), ast.Eq(), generator.literal(1))),
    ]


def emit_transform(generator: Generator, node: Transform, range_: Emitted, scope: Scope) -> Emitted:
    """`map`, `filter` and their two-variable forms."""
    checks.check_range(generator.source, range_.kind, node.at)
    inside, names = _loop_scope(generator, node.variables, range_.wrapping, scope)
    body: list[ast.stmt] = []
    if node.condition is not None:
        condition = generator.emit(node.condition, inside)
        generator.move_to(node.condition.at)
        test = generator.truth(condition, "a filter", node.condition.at)
        body.append(generator.when(generator.negated(test), generator.skip()))
    if node.result is None:
        result = Emitted(generator.name(names[-1]), 1, None, NESTED if range_.wrapping else PLAIN)
    else:
        result = generator.emit(node.result, inside)
    generator.move_to(node.at)
    body.append(_collect(generator, node, names, result.node))
    empty = generator.list_of([]) if node.kind == "list" else generator.map_of([], [])
    whole = [
        generator.assign("out", empty),
        _iterator(generator, node.variables),
        generator.each(names, generator.name(_LOOP), *body),
        generator.returns(generator.name("out")),
    ]
    call = generator.inner("transform", scope, whole, **{_RANGE: range_.node})
    wrapping = NESTED if result.wrapping else PLAIN
    return Emitted(call, range_.depth + 1, "list" if node.kind == "list" else "map", wrapping)


def _collect(generator: Generator, node: Transform, names: tuple[str, ...], result: ast.expr) -> ast.stmt:
    out = generator.name("out")
    if node.kind == "list":
        return generator.does(generator.call(generator.attribute(out, "append"), result))
    if node.kind == "map":
        # Keys of a map, and positions of a list, are different from one another.
        return generator.does(generator.call(generator.attribute(out, "__setitem__"), generator.name(names[0]), result))
    return generator.does(generator.call("merge", out, result))


def _slot(generator: Generator, python: str, value: Emitted) -> ast.stmt:
    """Evaluate a bound value. Strictly, one that fails does so only where it is used."""
    assignment = generator.assign(python, value.node)
    if not generator.strict:
        return assignment
    return generator.attempt(
        [assignment], "error", generator.assign(python, generator.call("failed", generator.name("error")))
    )


def emit_bind(generator: Generator, node: Bind, scope: Scope) -> Emitted:
    """`cel.bind(name, value, result)`."""
    value = generator.emit(node.value, scope)
    generator.move_to(node.at)
    python = generator.fresh("v")
    body = [_slot(generator, python, value)]
    inside = scope.with_local(node.name, Local(python, value.wrapping, generator.strict))
    result = generator.emit(node.result, inside)
    generator.move_to(node.at)
    body.append(generator.returns(result.node))
    return Emitted(generator.inner("bind", scope, body), 2, result.kind, result.wrapping)


def emit_block(generator: Generator, node: Block, scope: Scope) -> Emitted:
    """`cel.block([slots], result)`."""
    body: list[ast.stmt] = []
    inside = scope
    for number, slot in enumerate(node.slots):
        value = generator.emit(slot, inside)
        generator.move_to(slot.at)
        python = generator.fresh("v")
        body.append(_slot(generator, python, value))
        inside = inside.with_local(slot_name(number), Local(python, value.wrapping, generator.strict))
    result = generator.emit(node.result, inside)
    generator.move_to(node.at)
    body.append(generator.returns(result.node))
    return Emitted(generator.inner("block", scope, body), 2, result.kind, result.wrapping)


def emit_optional_map(generator: Generator, node: OptionalMap, target: Emitted, scope: Scope) -> Emitted:
    """`x.optMap(name, result)` and `x.optFlatMap(name, result)`."""
    what = "optFlatMap" if node.flat else "optMap"
    if target.kind not in {None, "optional_type"}:
        raise generator.source.error(f"{what}() asks an optional, not a {target.kind}", node.at)
    python = generator.fresh("v")
    inside = scope.with_local(node.name, Local(python, NESTED if target.wrapping == NESTED else PLAIN))
    result = generator.emit(node.result, inside)
    generator.move_to(node.at)
    kept = generator.name("optional")
    if node.flat:
        mapped = generator.call("as_optional", result.node, generator.literal(what))
    else:
        mapped = generator.call("Optional", result.node, generator.literal(True))
    body = [
        generator.assign("optional", generator.call("as_optional", generator.name(_RANGE), generator.literal(what))),
        generator.when(
            generator.negated(generator.attribute(kept, "present")), generator.returns(generator.name("NONE"))
        ),
        generator.assign(python, generator.attribute(kept, "value")),
        generator.returns(mapped),
    ]
    call = generator.inner("optional_map", scope, body, **{_RANGE: target.node})
    wrapping = max(WRAPPED, result.wrapping) if node.flat or result.wrapping == PLAIN else NESTED
    return Emitted(call, target.depth + 1, "optional_type", wrapping)
