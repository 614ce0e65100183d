"""Quick forms of `+ - *` for the usual case, written out: small whole numbers, and texts that are joined.

A form asks for the case it is made for, in one test, and leaves everything else to the function that knows the rules.
The test must be exact where it says yes. Take `a + b`: when both are ints and `0 <= a <= a + b <= INT_MAX`, then b is no
less than 0 and both are in range, so nothing can have overflowed.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from engine.language.cel.values import INT_MAX, INT_MIN
from engine.language.cel.writer import Emitted, Scope

if TYPE_CHECKING:
    from engine.language.cel.generator import Generator

_MOST_TEXTS = 16
_SHORT = 4096
"""In a loop, longer texts are left to the function that takes steps for them."""

_PYTHON: dict[str, type[ast.operator]] = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult}


def quick_number(
    generator: Generator, operator: str, left: Emitted, right: Emitted, slow: str, *extra: ast.expr
) -> ast.expr | None:
    """`left operator right` for ints; `slow` is called with both and `extra` for the rest. `None`: no use here."""
    if operator not in _PYTHON or left.literal or {left.kind, right.kind} - {None, "int"}:
        return None
    first, result = generator.fresh("t"), generator.fresh("t")
    kept = generator.attribute(generator.keep(first, left.node), "__class__")
    if right.literal:
        second = right.node
        is_int = generator.compare(kept, ast.Is(), generator.name("int"))
    else:
        name = generator.fresh("t")
        second = generator.name(name)
        # `a is b is int` evaluates b in any case, so that the slow call can use it.
        other = generator.attribute(generator.keep(name, right.node), "__class__")
        is_int = generator.compare_all(kept, (ast.Is(), other), (ast.Is(), generator.name("int")))
    computed = generator.keep(result, generator.operation(generator.name(first), _PYTHON[operator](), second))
    test = generator.logic(ast.And(), [is_int, _in_range(generator, operator, generator.name(first), computed, right)])
    return generator.choose(test, generator.name(result), generator.call(slow, generator.name(first), second, *extra))


def _in_range(generator: Generator, operator: str, first: ast.expr, computed: ast.expr, right: Emitted) -> ast.expr:
    least, zero, most = generator.literal(INT_MIN), generator.literal(0), generator.literal(INT_MAX)
    at_most = ast.LtE()
    if operator == "*":
        # A product that is not 0 is no smaller than either factor.
        return generator.compare_all(zero, (ast.Lt(), computed), (at_most, most))
    if right.literal:
        both = [generator.compare_all(least, (at_most, first), (at_most, most))]
        both.append(generator.compare_all(least, (at_most, computed), (at_most, most)))
        return generator.logic(ast.And(), both)
    if operator == "+":
        return generator.compare_all(zero, (at_most, first), (at_most, computed), (at_most, most))
    return generator.compare_all(zero, (at_most, computed), (at_most, first), (at_most, most))


def quick_text(generator: Generator, left: Emitted, right: Emitted, scope: Scope) -> Emitted:
    """A sum that is known to be text or nothing, with all its pieces joined at once."""
    pieces = (*(left.texts or (left,)), *(right.texts or (right,)))
    if len(pieces) > _MOST_TEXTS:
        pieces = (left, right)
    tests: list[ast.expr] = []
    joined: ast.expr | None = None
    for piece in pieces:
        text = piece.node
        if piece.kind != "string":
            name = generator.fresh("t")
            tests.append(generator.is_class(generator.keep(name, text), "str"))
            text = generator.name(name)
        joined = text if joined is None else generator.operation(joined, ast.Add(), text)
    assert joined is not None
    result = generator.fresh("t")
    size = generator.setting.limits.size
    length = generator.call("len", generator.keep(result, joined))
    tests.append(generator.compare(length, ast.LtE(), generator.literal(min(size, _SHORT) if scope.level else size)))
    # What does not fit is left to the strict way, which knows the message.
    test = tests[0] if len(tests) == 1 else generator.logic(ast.And(), tests)
    node = generator.choose(test, generator.name(result), generator.call("undecided"))
    depth = max(piece.depth for piece in pieces) + len(pieces) + 4
    return Emitted(node, depth, "string", texts=pieces)
