"""Names to Python: variables of macros, keys of the payload, bindings with dots in a container, types.

`a.b.c` may be the binding `a.b.c`, the field `c` of the binding `a.b`, or a field of a field of `a`: the longest name
that exists is meant, and only the run can tell. In a payload program no name has dots, except those of types.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from engine.language.cel.sharing import Held
from engine.language.cel.syntax import Call, Name, Node, Select
from engine.language.cel.values import TYPES
from engine.language.cel.writer import ROOT, Emitted, Scope

if TYPE_CHECKING:
    from engine.language.cel.generator import Generator

_GIVEN = Held(1, 0)
"""What comes from outside holds each of its parts once."""

_LONGEST_OWN = 3
"""So many parts have the names of types and the namespaces of functions at most."""

_LONGEST_BOUND = 32
"""So many parts may a binding have; beyond them, a dot is a field."""


def namespaced(generator: Generator, call: Call, scope: Scope) -> str | None:
    """The full name of a function such as `math.abs`, where that is what a call with a target means."""
    if call.target is None:
        return None
    parts = _dotted(call.target, _LONGEST_OWN)
    if parts is None or parts[0] in scope.names:
        return None
    name = ".".join([*parts, call.name])
    return name if generator.setting.library.find(name, method=False) else None


def is_qualified(generator: Generator, node: Select, scope: Scope) -> bool:
    """Whether `a.b.c` may be one name."""
    payload = generator.setting.payload
    parts = _dotted(node, _LONGEST_OWN if payload else _LONGEST_BOUND)
    if parts is None or parts[0] in scope.names:
        return False
    return not payload or ".".join(parts) in TYPES


def emit_name(generator: Generator, node: Name, scope: Scope) -> Emitted:
    """A single name."""
    local = None if node.absolute else scope.names.get(node.name)
    if local is not None:
        value = generator.name(local.python)
        read = generator.call("used", value) if local.guarded else value
        return Emitted(read, 2, local.kind, local.wrapping, held=local.held)
    if node.name.startswith("@"):
        raise generator.source.error(
            "cel.index() and cel.iterVar() stand only for what is declared around them", node.at
        )
    return _resolved(generator, [f".{node.name}" if node.absolute else node.name])


def emit_qualified(generator: Generator, node: Select) -> Emitted:
    """`a.b.c`, where that may be one name."""
    parts = _dotted(node, _LONGEST_BOUND)
    assert parts is not None
    return _resolved(generator, parts)


def _resolved(generator: Generator, parts: list[str]) -> Emitted:
    first = parts[0].removeprefix(".")
    prefixes = [""] if parts[0].startswith(".") else _prefixes(generator.setting.container)
    dotted = ".".join([first, *parts[1:]])
    if generator.setting.payload:
        return _payload_name(generator, dotted)
    emitted = _bound_name(generator, first, prefixes)
    for count in range(2, len(parts) + 1):
        name = ".".join([first, *parts[1:count]])
        if name in TYPES:
            fallback = generator.constant("type", TYPES[name])
        else:
            fallback = generator.part(emitted.node, parts[count - 1])
        node = _candidates(generator, name, prefixes, fallback)
        emitted = generator.bounded(Emitted(node, emitted.depth + 2, held=_GIVEN), Scope())
    return emitted


def _payload_name(generator: Generator, name: str) -> Emitted:
    root = generator.name(ROOT)
    if name == "self":
        return Emitted(root, held=_GIVEN)
    if name in TYPES:
        return Emitted(generator.constant("type", TYPES[name]), kind="type")
    key = generator.literal(name)
    node = generator.call("payload_name", root, key) if generator.strict else generator.subscript(root, key)
    return Emitted(node, 2, held=_GIVEN)


def _bound_name(generator: Generator, name: str, prefixes: list[str]) -> Emitted:
    if name in TYPES:
        return Emitted(_candidates(generator, name, prefixes, generator.constant("type", TYPES[name])), 3)
    root, key = generator.name(ROOT), generator.literal(name)
    plain = generator.call("bound_name", root, key) if generator.strict else generator.subscript(root, key)
    return Emitted(_candidates(generator, name, prefixes[:-1], plain), 2 + len(prefixes), held=_GIVEN)


def _prefixes(container: str) -> list[str]:
    """What may stand before a name, nearest first: in container `a.b` that is `a.b.`, `a.` and nothing."""
    parts = container.split(".") if container else []
    return [f"{'.'.join(parts[:count])}." if count else "" for count in range(len(parts), -1, -1)]


def _candidates(generator: Generator, name: str, prefixes: list[str], fallback: ast.expr) -> ast.expr:
    """`root[p + name] if p + name in root else …` for each prefix, else `fallback`."""
    for prefix in reversed(prefixes):
        key = generator.literal(prefix + name)
        present = generator.compare(key, ast.In(), generator.name(ROOT))
        fallback = generator.choose(present, generator.subscript(generator.name(ROOT), key), fallback)
    return fallback


def _dotted(node: Node, longest: int) -> list[str] | None:
    """The parts of `a.b.c`; the first begins with a dot when the name is absolute. `None` for anything longer."""
    parts: list[str] = []
    while isinstance(node, Select) and not node.optional:
        parts.append(node.field)
        if len(parts) >= longest:
            return None
        node = node.operand
    if not isinstance(node, Name):
        return None
    parts.append(f".{node.name}" if node.absolute else node.name)
    return parts[::-1]
