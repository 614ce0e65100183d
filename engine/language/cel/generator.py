"""The syntax tree to Python: walking it, parts of values, literals and logic.

Each program is written in up to two ways. The *fast* one reads maps as Python does, runs `&&` and `||` as `and` and
`or`, and lets anything odd raise. The *strict* one, written when the fast one has raised for the first time, follows
every rule: it absorbs errors as CEL asks, knows each error's message, and is what decides. CEL is pure, so running a
second time changes nothing.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from engine.language.cel import checks
from engine.language.cel.calls import emit_call
from engine.language.cel.functions import Library
from engine.language.cel.limits import Limits
from engine.language.cel.loops import (
    emit_bind,
    emit_block,
    emit_optional_map,
    emit_quantifier,
    emit_transform,
    unfiltered,
)
from engine.language.cel.names import emit_name, emit_qualified, is_qualified, namespaced
from engine.language.cel.operators import emit_binary, emit_unary
from engine.language.cel.sharing import NOTHING
from engine.language.cel.source import Source
from engine.language.cel.syntax import (
    Binary,
    Bind,
    Block,
    Call,
    Conditional,
    Has,
    Index,
    ListLiteral,
    Literal,
    Logic,
    MapLiteral,
    Name,
    Node,
    OptionalMap,
    Quantifier,
    Select,
    Transform,
    Unary,
)
from engine.language.cel.values import UInt, type_name
from engine.language.cel.writer import NESTED, PLAIN, WRAPPED, Emitted, Scope, Writer


@dataclass(frozen=True, slots=True)
class Setting:
    """What a program is compiled for.

    In a *payload* program `self` is the argument and its keys are names. Otherwise the argument is a mapping of names,
    which may have dots, and `container` is where their resolution starts.
    """

    library: Library
    limits: Limits
    payload: bool
    container: str = ""


class Generator(Writer):
    """Writes one program. `strict` chooses the way; see the module's text."""

    def __init__(self, source: Source, setting: Setting, *, strict: bool) -> None:
        super().__init__(source)
        self.source = source
        self.setting = setting
        self.strict = strict

    def emit(self, node: Node, scope: Scope) -> Emitted:
        """Python for `node`.

        What grows to the left (`a + b + c`, `a.b.c`, `x.f().g()`) is unwound here in a loop, so that long chains need
        no stack.
        """
        spine: list[Node] = []
        while (first := self._first(node, scope)) is not None:
            spine.append(node)
            node = first
        self.move_to(node.at)
        emitted = self.bounded(self._leaf(node, scope), scope)
        for parent in reversed(spine):
            self.move_to(parent.at)
            emitted = self.bounded(self._join(parent, emitted, scope), scope)
        return emitted

    def _first(self, node: Node, scope: Scope) -> Node | None:
        """The operand that is evaluated first and may be deep; `None` for a node that starts a chain."""
        match node:
            case Select():
                return None if is_qualified(self, node, scope) else node.operand
            case Binary():
                return node.left
            case Index() | Unary() | Has():
                return node.operand
            case Call():
                return None if namespaced(self, node, scope) else node.target
            case Transform():
                return node.range if self.strict else unfiltered(node)
            case Quantifier():
                return node.range
            case OptionalMap():
                return node.target
        return None

    def _leaf(self, node: Node, scope: Scope) -> Emitted:
        match node:
            case Literal():
                return self._literal(node)
            case Name():
                return emit_name(self, node, scope)
            case Select():
                return emit_qualified(self, node)
            case Call():
                return emit_call(self, node, None, scope)
            case ListLiteral():
                return self._list(node, scope)
            case MapLiteral():
                return self._map(node, scope)
            case Logic():
                return self._logic(node, scope)
            case Conditional():
                return self._conditional(node, scope)
            case Bind():
                return emit_bind(self, node, scope)
            case Block():
                return emit_block(self, node, scope)
        raise AssertionError(f"no leaf: {node}")

    def _join(self, node: Node, first: Emitted, scope: Scope) -> Emitted:
        match node:
            case Select():
                return self._select(node, first)
            case Index():
                return self._index(node, first, scope)
            case Has():
                return self._has(node, first)
            case Binary():
                return emit_binary(self, node, first, scope)
            case Unary():
                return emit_unary(self, node, first)
            case Call():
                return emit_call(self, node, first, scope)
            case Quantifier():
                return emit_quantifier(self, node, first, scope)
            case Transform():
                return emit_transform(self, node, first, scope)
            case OptionalMap():
                return emit_optional_map(self, node, first, scope)
        raise AssertionError(f"nothing to join: {node}")

    # Parts of values

    def part(self, value: ast.expr, name: str) -> ast.expr:
        """`value.name` where nothing is known of the value."""
        key = self.literal(name)
        return self.call("select", value, key) if self.strict else self.subscript(value, key)

    def _select(self, node: Select, operand: Emitted) -> Emitted:
        checks.check_fields(self.source, f"field {node.field}", operand.kind, node.at)
        if not self.strict and (operand.lazy is not None or (node.optional and not operand.wrapping)):
            return self._select_lazily(node, operand)
        if node.optional:
            call = self.call("select_optional", operand.node, self.literal(node.field))
            return Emitted(call, operand.depth + 1, "optional_type", max(operand.wrapping, WRAPPED), held=operand.held)
        if operand.wrapping:
            call = self.call("select", operand.node, self.literal(node.field))
            return Emitted(call, operand.depth + 1, None, operand.wrapping, held=operand.held)
        return Emitted(self.part(operand.node, node.field), operand.depth + 1, held=operand.held)

    def _select_lazily(self, node: Select, operand: Emitted) -> Emitted:
        """`a.?b`, and `.c` behind it: its value or `ABSENT`, and an optional made of that where somebody wants one."""
        name, key = self.fresh("t"), self.literal(node.field)
        value = operand.node if operand.lazy is None else operand.lazy
        is_map = self.is_class(self.keep(name, value), "dict")
        found = self.call(self.attribute(self.name(name), "get"), key, self.name("ABSENT"))
        lazy = self.choose(is_map, found, self.call("value_or_absent", self.name(name), key))
        call = self.call("optional_of", lazy)
        return Emitted(call, operand.depth + 4, "optional_type", WRAPPED, held=operand.held, lazy=lazy)

    def _has(self, node: Has, operand: Emitted) -> Emitted:
        checks.check_fields(self.source, f"has(x.{node.field})", operand.kind, node.at)
        key = self.literal(node.field)
        if self.strict:
            return Emitted(self.call("has_field", operand.node, key), operand.depth + 1, "bool")
        name = self.fresh("t")
        is_map = self.is_class(self.keep(name, operand.node), "dict")
        quick = self.compare(key, ast.In(), self.name(name))
        return Emitted(
            self.choose(is_map, quick, self.call("has_field", self.name(name), key)), operand.depth + 4, "bool"
        )

    def _index(self, node: Index, operand: Emitted, scope: Scope) -> Emitted:
        key = self.emit(node.key, scope)
        self.move_to(node.at)
        checks.check_index(self.source, operand.kind, key.kind, node.at, optional=node.optional)
        depth = max(operand.depth, key.depth) + 1
        if node.optional:
            call = self.call("index_optional", operand.node, key.node)
            return Emitted(call, depth, "optional_type", max(operand.wrapping, WRAPPED), held=operand.held)
        quick = not self.strict and not operand.wrapping and isinstance(node.key, Literal)
        if quick and isinstance(node.key.value, str):  # type: ignore[union-attr]
            return Emitted(self.subscript(operand.node, key.node), depth, held=operand.held)
        if quick and type(node.key.value) is int and node.key.value >= 0:  # type: ignore[union-attr]
            name = self.fresh("t")
            is_list = self.is_class(self.keep(name, operand.node), "list")
            slow = self.call("index", self.name(name), key.node)
            quickly = self.subscript(self.name(name), key.node)
            return Emitted(self.choose(is_list, quickly, slow), depth + 3, held=operand.held)
        return Emitted(self.call("index", operand.node, key.node), depth, None, operand.wrapping, held=operand.held)

    # Literals

    def _literal(self, node: Literal) -> Emitted:
        kind = type_name(node.value)
        if isinstance(node.value, UInt):
            return Emitted(self.constant("uint", node.value), kind=kind, literal=True)
        return Emitted(self.literal(node.value), kind=kind, literal=True)

    def _list(self, node: ListLiteral, scope: Scope) -> Emitted:
        items: list[ast.expr] = []
        depth = wrapping = 0
        held = NOTHING
        for item, optional in node.items:
            emitted = self.emit(item, scope)
            self.move_to(item.at)
            if optional:
                checks.check_optional(self.source, "`[?x]`", emitted.kind, item.at)
            items.append(self.starred(self.call("given", emitted.node)) if optional else emitted.node)
            depth = max(depth, emitted.depth)
            wrapping = max(wrapping, _inside(emitted.wrapping, optional=optional))
            held = held.beside(emitted.held)
        self.move_to(node.at)
        return Emitted(self.list_of(items), depth + 2, "list", wrapping, held=held)

    def _map(self, node: MapLiteral, scope: Scope) -> Emitted:
        keys: list[ast.expr | None] = []
        values: list[ast.expr] = []
        depth = wrapping = 0
        held = NOTHING
        for key, value, optional in node.entries:
            emitted_key, emitted = self.emit(key, scope), self.emit(value, scope)
            checks.check_key(self.source, emitted_key.kind, key.at)
            if optional:
                checks.check_optional(self.source, "`{?key: x}`", emitted.kind, value.at)
            keys.append(emitted_key.node)
            values.append(emitted.node)
            depth = max(depth, emitted_key.depth, emitted.depth)
            wrapping = max(wrapping, _inside(emitted.wrapping, optional=optional))
            held = held.beside(emitted.held)
        self.move_to(node.at)
        if self._has_plain_keys(node):
            return Emitted(self.map_of(keys, values), depth + 1, "map", wrapping, held=held)
        parts = [
            self.tuple_of([key, value, self.literal(optional)])
            for key, value, (_, _, optional) in zip(keys, values, node.entries, strict=True)
            if key is not None
        ]
        return Emitted(self.call("make_map", *parts), depth + 3, "map", wrapping, held=held)

    def _has_plain_keys(self, node: MapLiteral) -> bool:
        """Whether the keys are different texts, so that nothing is left to check. Raises for a text that stands twice."""
        seen: set[object] = set()
        plain = True
        for key, _, optional in node.entries:
            if isinstance(key, Literal):
                if key.value in seen and isinstance(key.value, str):
                    raise self.source.error(f"repeated key: {key.value!r}", key.at)
                seen.add(key.value)
            plain = plain and not optional and isinstance(key, Literal) and isinstance(key.value, str)
        return plain

    # Logic

    def truth(self, emitted: Emitted, what: str, at: int) -> ast.expr:
        """Python that gives the bool, or raises when the value is none."""
        checks.check_bool(self.source, what, emitted.kind, at)
        if emitted.kind == "bool":
            return emitted.node
        name = self.fresh("t")
        is_true = self.compare(self.keep(name, emitted.node), ast.Is(), self.literal(True))
        is_false = self.compare(self.name(name), ast.Is(), self.literal(False))
        is_bool = self.logic(ast.Or(), [is_true, is_false])
        return self.choose(is_bool, self.name(name), self.call("not_bool", self.name(name)))

    def _logic(self, node: Logic, scope: Scope) -> Emitted:
        decisive = node.operator == "||"
        if any(isinstance(operand, Literal) and operand.value is decisive for operand in node.operands):
            # `x || true` is true whatever x is, even an error: nothing of x can matter.
            return Emitted(self.literal(decisive), kind="bool")
        if self.strict:
            return self._absorbing(node, scope, decisive=decisive)
        operands: list[ast.expr] = []
        depth = 0
        for operand in node.operands:
            emitted = self.emit(operand, scope)
            self.move_to(operand.at)
            operands.append(self.truth(emitted, f"`{node.operator}`", operand.at))
            depth = max(depth, emitted.depth)
        self.move_to(node.at)
        return Emitted(self.logic(ast.Or() if decisive else ast.And(), operands), depth + 4, "bool")

    def _absorbing(self, node: Logic, scope: Scope, *, decisive: bool) -> Emitted:
        """Each operand is tried: one that decides wins over those that raise, wherever it stands."""
        body = [self.assign("pending", self.literal(None))]
        for operand in node.operands:
            emitted = self.emit(operand, scope)
            self.move_to(operand.at)
            test = self.truth(emitted, f"`{node.operator}`", operand.at)
            decides = self.when(test if decisive else self.negated(test), self.returns(self.literal(decisive)))
            body.append(self.attempt([decides], "error", self.hold()))
        self.move_to(node.at)
        body += [self.raise_pending(), self.returns(self.literal(not decisive))]
        return Emitted(self.inner("logic", scope, body), 2, "bool")

    def hold(self) -> ast.stmt:
        """The statement that keeps an error for later, in `pending`."""
        return self.assign("pending", self.call("hold", self.name("pending"), self.name("error")))

    def raise_pending(self) -> ast.stmt:
        """The statement that raises the error kept in `pending`, if there is one."""
        is_pending = self.compare(self.name("pending"), ast.IsNot(), self.literal(None))
        return self.when(is_pending, self.raises("pending"))

    def _conditional(self, node: Conditional, scope: Scope) -> Emitted:
        # `a ? 1 : b ? 2 : …` is a list of cases, however long, and no nesting.
        cases: list[Conditional] = []
        last: Node = node
        while isinstance(last, Conditional):
            cases.append(last)
            last = last.otherwise
        emitted = self.emit(last, scope)
        for case in reversed(cases):
            emitted = self.bounded(self._case(case, emitted, scope), scope)
        return emitted

    def _case(self, node: Conditional, otherwise: Emitted, scope: Scope) -> Emitted:
        condition = self.emit(node.condition, scope)
        self.move_to(node.condition.at)
        test = self.truth(condition, "`? :`", node.condition.at)
        then = self.emit(node.then, scope)
        self.move_to(node.at)
        return Emitted(
            self.choose(test, then.node, otherwise.node),
            max(condition.depth + 3, then.depth, otherwise.depth) + 1,
            then.kind if then.kind == otherwise.kind else None,
            max(then.wrapping, otherwise.wrapping),
            held=then.held.either(otherwise.held),
        )

    def weighed(self, emitted: Emitted) -> ast.expr:
        """The value, to be walked: weighed before, if a part may stand in it many times."""
        if not emitted.held.many:
            return emitted.node
        return self.call("weigh", emitted.node, self.literal(self.setting.limits.size))


def _inside(wrapping: int, *, optional: bool) -> int:
    """What a list or map holds that holds such a value; `?value` is unwrapped first."""
    if wrapping == PLAIN or (wrapping == WRAPPED and optional):
        return PLAIN
    return NESTED
