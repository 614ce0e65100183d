"""Tokens to a syntax tree: precedence climbing over CEL's whole grammar.

Binary operators are a loop, so is what follows an operand (`.name`, `[key]`, a call): a long chain costs no stack.
What is written inside something else does, so nesting has a limit, and the error says so before Python's own stack
would.
"""

from __future__ import annotations

from typing import Literal as OneOf
from typing import cast

from engine.errors import Code, ExpressionError
from engine.language.cel import literals
from engine.language.cel.lexer import Token, tokens
from engine.language.cel.macros import expand
from engine.language.cel.source import Source
from engine.language.cel.syntax import (
    Binary,
    Call,
    Conditional,
    Index,
    ListLiteral,
    Literal,
    Logic,
    MapLiteral,
    Name,
    Node,
    Select,
    Unary,
)

_PRECEDENCE = {
    "||": 1, "&&": 2,
    "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3,
    "+": 4, "-": 4,
    "*": 5, "/": 5, "%": 5,
}  # fmt: skip

_RESERVED = frozenset(
    {
        "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
        "namespace", "return", "var", "void", "while",
    }
)  # fmt: skip
_CONSTANTS = {"true": True, "false": False, "null": None}


def parse(source: Source, *, max_nesting: int) -> Node:
    """The tree of an expression. Raises `ExpressionError` with the place of what does not fit."""
    try:
        return _Parser(source, max_nesting).whole()
    except RecursionError:
        # Somebody called from deep inside another stack.
        raise ExpressionError("the expression is nested too deeply", code=Code.LIMIT) from None


class _Parser:
    __slots__ = ("_depth", "_max_nesting", "_next", "_source", "_tokens")

    def __init__(self, source: Source, max_nesting: int) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._next = next(self._tokens)
        self._depth = 0
        self._max_nesting = max_nesting

    def whole(self) -> Node:
        if self._next.kind == "end":
            raise self._source.error("the expression is empty", self._next.at)
        node = self._expression()
        if self._next.kind != "end":
            raise self._unexpected("an operator or the end")
        return node

    # Tokens

    def _take(self) -> Token:
        token = self._next
        self._next = next(self._tokens)
        return token

    def _accept(self, kind: str) -> bool:
        if self._next.kind != kind:
            return False
        self._next = next(self._tokens)
        return True

    def _expect(self, kind: str) -> Token:
        if self._next.kind != kind:
            raise self._unexpected(kind)
        return self._take()

    def _unexpected(self, wanted: str) -> ExpressionError:
        token = self._next
        found = "the end" if token.kind == "end" else f"`{token.text}`"
        return self._source.error(f"expected {wanted}, found {found}", token.at)

    # Expressions

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > self._max_nesting:
            raise self._source.error(
                f"nested too deeply: more than {self._max_nesting} levels",
                self._next.at,
                "name parts of it with cel.bind, or split the work",
                code=Code.LIMIT,
            )
        node = self._operation(1)
        cases: list[tuple[int, Node, Node]] = []
        while self._next.kind == "?":
            at = self._take().at
            then = self._operation(1)
            self._expect(":")
            cases.append((at, node, then))
            node = self._operation(1)
        for at, condition, then in reversed(cases):
            node = Conditional(at, condition, then, node)
        self._depth -= 1
        return node

    def _operation(self, lowest: int) -> Node:
        left = self._operand()
        while True:
            token = self._next
            operator = token.text if token.kind == "name" else token.kind
            precedence = _PRECEDENCE.get(operator, 0)
            if precedence < lowest:
                return left
            if precedence <= 2:
                left = self._logic(operator, precedence, left)
                continue
            self._take()
            right = self._operation(precedence + 1)
            left = Binary(token.at, operator, left, right)

    def _logic(self, operator: str, precedence: int, left: Node) -> Logic:
        """`left && b && …`, flat, so that a chain is no deep tree."""
        word = cast("OneOf['&&', '||']", operator)
        operands = _operands(word, left)
        at = self._next.at
        while self._next.kind == operator:
            at = self._take().at
            operands += _operands(word, self._operation(precedence + 1))
        return Logic(at, word, tuple(operands))

    def _operand(self) -> Node:
        """An operand with the signs before it and the fields, keys and calls after it."""
        sign = self._next
        if sign.kind not in {"!", "-"}:
            return self._members(self._primary())
        count = 0
        while self._next.kind == sign.kind:
            last = self._take()
            count += 1
        if sign.kind == "-" and self._next.kind == "number":
            number = literals.number(self._source, self._take(), negative=True)
            node = self._members(Literal(last.at, number))
            count -= 1
        else:
            node = self._members(self._primary())
        # Two signs of a kind cancel out, but what they stand before must still be of the right type.
        for _ in range(count if count < 3 else 2 + count % 2):
            node = Unary(sign.at, sign.kind, node)
        return node

    def _members(self, node: Node) -> Node:
        while True:
            kind = self._next.kind
            if kind == ".":
                node = self._member(node)
            elif kind == "[":
                at = self._take().at
                optional = self._accept("?")
                node = Index(at, node, self._expression(), optional)
                self._expect("]")
            elif kind == "{" and isinstance(node, (Name, Select)):
                raise self._source.error(
                    "messages are not known here",
                    self._next.at,
                    "a map is written {'key': value}, without a name before it",
                )
            else:
                return node

    def _member(self, node: Node) -> Node:
        at = self._take().at
        optional = self._accept("?")
        token = self._next
        if token.kind == "quoted":
            self._take()
            return Select(at, node, token.text[1:-1], optional)
        if token.kind != "name" or token.text == "in" or token.text in _CONSTANTS:
            raise self._unexpected("a field name")
        self._take()
        if self._next.kind != "(" or optional:
            return Select(at, node, token.text, optional)
        self._take()
        return expand(self._source, Call(token.at, token.text, node, self._arguments()))

    def _arguments(self) -> tuple[Node, ...]:
        args: list[Node] = []
        while self._next.kind != ")":
            args.append(self._expression())
            if not self._accept(","):
                break
            if self._next.kind == ")":
                raise self._unexpected("an argument")
        self._expect(")")
        return tuple(args)

    def _primary(self) -> Node:
        token = self._next
        match token.kind:
            case "number":
                self._take()
                return Literal(token.at, literals.number(self._source, token))
            case "string":
                self._take()
                return Literal(token.at, literals.string(self._source, token))
            case "name":
                return self._name(token, absolute=False)
            case ".":
                self._take()
                return self._name(self._next, absolute=True)
            case "(":
                self._take()
                node = self._expression()
                self._expect(")")
                return node
            case "[":
                self._take()
                return self._list(token.at)
            case "{":
                self._take()
                return self._map(token.at)
        raise self._unexpected("a value")

    def _name(self, token: Token, *, absolute: bool) -> Node:
        if token.kind != "name" or token.text == "in":
            raise self._unexpected("a name" if absolute else "a value")
        name = token.text
        if name in _RESERVED:
            raise self._source.error(
                f"`{name}` is a reserved word", token.at, "as a key it is read with self['…'] or x.…"
            )
        self._take()
        if name in _CONSTANTS and not absolute:
            return Literal(token.at, _CONSTANTS[name])
        if not self._accept("("):
            return Name(token.at, name, absolute)
        called = f".{name}" if absolute else name
        return expand(self._source, Call(token.at, called, None, self._arguments()))

    def _list(self, at: int) -> Node:
        items: list[tuple[Node, bool]] = []
        while self._next.kind != "]":
            optional = self._accept("?")
            items.append((self._expression(), optional))
            if not self._accept(","):
                break
        self._expect("]")
        return ListLiteral(at, tuple(items))

    def _map(self, at: int) -> Node:
        entries: list[tuple[Node, Node, bool]] = []
        while self._next.kind != "}":
            optional = self._accept("?")
            key = self._expression()
            self._expect(":")
            entries.append((key, self._expression(), optional))
            if not self._accept(","):
                break
        self._expect("}")
        return MapLiteral(at, tuple(entries))


def _operands(word: OneOf["&&", "||"], node: Node) -> list[Node]:
    return list(node.operands) if isinstance(node, Logic) and node.operator == word else [node]
