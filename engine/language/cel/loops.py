"""Macros to Python: each becomes a function with a loop or a binding in it.

The function gets what it needs as parameters (the argument, the budget of steps, the variables around it), so nothing
is a closure, and macros nest as deeply as the source does.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from engine.language.cel import checks
from engine.language.cel.macros import slot_name
from engine.language.cel.sharing import NOTHING, Held
from engine.language.cel.syntax import Bind, Block, Node, OptionalMap, Quantifier, Transform
from engine.language.cel.writer import NESTED, PLAIN, WRAPPED, Emitted, Local, Scope

if TYPE_CHECKING:
    from engine.language.cel.generator import Generator

_LOOP = "loop"
_PIECE = "piece"
_RANGE = "range"
_SMALL = frozenset({"bool", "int", "uint", "double", "null_type", "type"})


def _loop_scope(
    generator: Generator, variables: tuple[str, ...], range_: Emitted, scope: Scope
) -> tuple[Scope, tuple[str, ...]]:
    """The scope inside a loop, and the Python names of its variables."""
    inside = scope.deeper()
    held = Held(max(range_.held.times, 1), inside.level)
    pythons: list[str] = []
    for number, variable in enumerate(variables):
        python = generator.fresh("v")
        pythons.append(python)
        is_position = range_.kind == "list" and len(variables) == 2 and number == 0
        local = Local(python, NESTED if range_.wrapping else PLAIN, kind="int" if is_position else None, held=held)
        inside = inside.with_local(variable, local)
    return inside, tuple(pythons)


def _pieces(generator: Generator, variables: tuple[str, ...]) -> ast.expr:
    """`chunks(budget, range)`: what a loop goes over, in pieces that are taken off the budget."""
    function = "chunks" if len(variables) == 1 else "pair_chunks"
    return generator.call(function, generator.budget(), generator.name(_RANGE))


def emit_quantifier(generator: Generator, node: Quantifier, range_: Emitted, scope: Scope) -> Emitted:
    """`all`, `exists` and `exists_one`."""
    checks.check_range(generator.source, range_.kind, node.at)
    inside, names = _loop_scope(generator, node.variables, range_, scope)
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
    refund = generator.does(generator.call("refund", generator.budget(), generator.name(_LOOP)))
    stop = generator.when(
        test if decisive else generator.negated(test), refund, generator.returns(generator.literal(decisive))
    )
    result = generator.returns(generator.literal(not decisive))
    pieces = _pieces(generator, node.variables)
    start = generator.assign(_LOOP, generator.call("iter", generator.name(_PIECE)))
    loop = generator.name(_LOOP)
    if not absorbing:
        return [generator.each((_PIECE,), pieces, start, generator.each(names, loop, stop)), result]
    attempt = generator.attempt([stop], "error", generator.hold())
    pending = generator.assign("pending", generator.literal(None))
    over = generator.each((_PIECE,), pieces, start, generator.each(names, loop, attempt))
    return [pending, over, generator.raise_pending(), result]


def _counting(generator: Generator, node: Quantifier, names: tuple[str, ...], test: ast.expr) -> list[ast.stmt]:
    """Visit every element, as the standard asks: an error anywhere is the result."""
    add_one = ast.BinOp(generator.name("count"), ast.Add(), generator.literal(1))
    counted = generator.when(test, generator.assign("count", ast.copy_location(add_one, test)))
    return [
        generator.assign("count", generator.literal(0)),
        generator.each(
            (_PIECE,), _pieces(generator, node.variables), generator.each(names, generator.name(_PIECE), counted)
        ),
        generator.returns(generator.compare(generator.name("count"), ast.Eq(), generator.literal(1))),
    ]


def _filters(node: Transform) -> list[Transform]:
    """The filters that `x.filter(…).filter(…).map(…)` begins with, first one first."""
    filters: list[Transform] = []
    if len(node.variables) == 1:
        before = node.range
        while isinstance(before, Transform) and before.result is None:
            filters.append(before)
            before = before.range
    return filters[::-1]


def unfiltered(node: Transform) -> Node:
    """What `node` goes over when filters before it are made part of its own loop."""
    filters = _filters(node)
    return filters[0].range if filters else node.range


def emit_transform(generator: Generator, node: Transform, range_: Emitted, scope: Scope) -> Emitted:
    """`map`, `filter` and their two-variable forms."""
    checks.check_range(generator.source, range_.kind, node.at)
    inside, names = _loop_scope(generator, node.variables, range_, scope)
    tests: list[ast.expr] = []
    for each in [*([] if generator.strict else _filters(node)), node]:
        if each.condition is not None:
            # The variable of a filter is that of the loop, under the filter's own name.
            seen = inside if each is node else _renamed(scope, inside, each.variables[0], node.variables[0])
            condition = generator.emit(each.condition, seen)
            generator.move_to(each.condition.at)
            tests.append(generator.truth(condition, "a filter", each.condition.at))
    generator.move_to(node.at)
    test = None if not tests else tests[0] if len(tests) == 1 else generator.logic(ast.And(), tests)
    if node.result is None:
        held = inside.names[node.variables[-1]].held
        result = Emitted(generator.name(names[-1]), 1, None, NESTED if range_.wrapping else PLAIN, held=held)
    else:
        result = generator.emit(node.result, inside)
    generator.move_to(node.at)
    if node.kind == "entries":
        checks.check_entries(generator.source, result.kind, node.at)
    body = _collecting(generator, node, names, test, result.node)
    call = generator.inner("transform", scope, body, **{_RANGE: range_.node})
    wrapping = NESTED if result.wrapping else PLAIN
    held = result.held.collected(inside.level)
    return Emitted(call, range_.depth + 1, "list" if node.kind == "list" else "map", wrapping, held=held)


def _renamed(scope: Scope, inside: Scope, name: str, variable: str) -> Scope:
    """`inside`, with its variable under another name, and what that name hid to be seen again."""
    names = {**scope.names, name: inside.names[variable]}
    return Scope(names, inside.params, inside.level)


def _collecting(
    generator: Generator, node: Transform, names: tuple[str, ...], test: ast.expr | None, result: ast.expr
) -> list[ast.stmt]:
    pieces = _pieces(generator, node.variables)
    if node.kind == "list":
        return [generator.returns(generator.gather(names, pieces, test, result))]
    if node.kind == "map":
        # Keys of a map, and positions of a list, are different from one another.
        return [generator.returns(generator.gather(names, pieces, test, generator.name(names[0]), result))]
    body = [] if test is None else [generator.when(generator.negated(test), generator.skip())]
    body.append(generator.does(generator.call("merge", generator.name("out"), result)))
    return [
        generator.assign("out", generator.map_of([], [])),
        generator.each((_PIECE,), pieces, generator.each(names, generator.name(_PIECE), *body)),
        generator.returns(generator.name("out")),
    ]


def _slot(generator: Generator, python: str, value: Emitted) -> ast.stmt:
    """Evaluate a bound value. Strictly, one that fails does so only where it is used."""
    assignment = generator.assign(python, value.node)
    if not generator.strict:
        return assignment
    return generator.attempt(
        [assignment], "error", generator.assign(python, generator.call("failed", generator.name("error")))
    )


def _local(python: str, value: Emitted, scope: Scope, *, guarded: bool) -> Local:
    """The variable of a bound value. One that is made here has its parts from here, where it comes to sharing them."""
    held = NOTHING if value.kind in _SMALL else _once(value.held, scope)
    return Local(python, value.wrapping, guarded, value.kind, held)


def _once(held: Held, scope: Scope) -> Held:
    return Held(max(held.times, 1), min(held.level, scope.level))


def emit_bind(generator: Generator, node: Bind, scope: Scope) -> Emitted:
    """`cel.bind(name, value, result)`."""
    value = generator.emit(node.value, scope)
    generator.move_to(node.at)
    python = generator.fresh("v")
    body = [_slot(generator, python, value)]
    inside = scope.with_local(node.name, _local(python, value, scope, guarded=generator.strict))
    result = generator.emit(node.result, inside)
    generator.move_to(node.at)
    body.append(generator.returns(result.node))
    return Emitted(generator.inner("bind", scope, body), 2, result.kind, result.wrapping, held=result.held)


def emit_block(generator: Generator, node: Block, scope: Scope) -> Emitted:
    """`cel.block([slots], result)`."""
    body: list[ast.stmt] = []
    inside = scope
    for number, slot in enumerate(node.slots):
        value = generator.emit(slot, inside)
        generator.move_to(slot.at)
        python = generator.fresh("v")
        body.append(_slot(generator, python, value))
        inside = inside.with_local(slot_name(number), _local(python, value, scope, guarded=generator.strict))
    result = generator.emit(node.result, inside)
    generator.move_to(node.at)
    body.append(generator.returns(result.node))
    return Emitted(generator.inner("block", scope, body), 2, result.kind, result.wrapping, held=result.held)


def emit_optional_map(generator: Generator, node: OptionalMap, target: Emitted, scope: Scope) -> Emitted:
    """`x.optMap(name, result)` and `x.optFlatMap(name, result)`."""
    what = "optFlatMap" if node.flat else "optMap"
    checks.check_optional(generator.source, f"x.{what}()", target.kind, node.at)
    python = generator.fresh("v")
    inside = scope.with_local(
        node.name, Local(python, NESTED if target.wrapping == NESTED else PLAIN, held=_once(target.held, scope))
    )
    result = generator.emit(node.result, inside)
    generator.move_to(node.at)
    kept = generator.name("optional")
    if node.flat:
        checks.check_optional(generator.source, "the result of optFlatMap()", result.kind, node.result.at)
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
    return Emitted(call, target.depth + 1, "optional_type", wrapping, held=result.held)
