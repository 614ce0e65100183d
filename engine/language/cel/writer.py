"""Writing Python: expression nodes that know their place in the CEL source, and functions made of them.

Every Python node gets the line and column of the CEL that it stands for, in place of those of a Python file. So when
generated code raises, the traceback says where in the *expression* that was, and a run that succeeds pays nothing.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any, TypedDict

from engine.language.cel.sharing import NOTHING, Held
from engine.language.cel.source import Source

FILE = "<cel>"
ROOT = "root"
BUDGET = "budget"

_LOAD = ast.Load()
_STORE = ast.Store()
_MAX_DEPTH = 40

PLAIN, WRAPPED, NESTED = 0, 1, 2
"""What a value may hold of optionals and addresses: nothing; it may be one itself; there may be some inside it."""


class _Position(TypedDict):
    lineno: int
    col_offset: int
    end_lineno: int
    end_col_offset: int


@dataclass(slots=True)
class Emitted:
    """Python for one CEL expression.

    `depth` is about how deep the Python tree is. `kind` is the CEL type of the value where that is known. `wrapping`
    tells whether the value must be exported before it may leave the program, `held` how often a part may stand in it.
    """

    node: ast.expr
    depth: int = 1
    kind: str | None = None
    wrapping: int = PLAIN
    literal: bool = False
    held: Held = NOTHING
    texts: tuple[Emitted, ...] = ()
    """The pieces of a text that is joined of them (:mod:`.quick`)."""
    lazy: ast.expr | None = None
    """For an optional: Python that gives its value or `ABSENT`, without making an object for it."""


@dataclass(frozen=True, slots=True)
class Local:
    """A variable of a macro: its Python name, what is known of its value, whether reading it may raise (`cel.bind`)."""

    python: str
    wrapping: int = PLAIN
    guarded: bool = False
    kind: str | None = None
    held: Held = NOTHING


@dataclass(frozen=True, slots=True)
class Scope:
    """The variables that an expression sees, by their CEL names, and the Python parameters that carry them.

    `level` counts the loops around.
    """

    names: dict[str, Local] = field(default_factory=dict)
    params: tuple[str, ...] = ()
    level: int = 0

    def with_local(self, name: str, local: Local) -> Scope:
        """This scope and one more variable, which hides another of its name."""
        return Scope({**self.names, name: local}, (*self.params, local.python), self.level)

    def deeper(self) -> Scope:
        """This scope inside one more loop."""
        return Scope(self.names, self.params, self.level + 1)


class Writer:
    """Builds nodes and collects the functions and constants of one program."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._count = 0
        self._position: _Position = {"lineno": 1, "col_offset": 1, "end_lineno": 1, "end_col_offset": 1}
        self.functions: list[ast.stmt] = []
        self.constants: dict[str, Any] = {}
        self.needs_budget = False

    def move_to(self, offset: int) -> None:
        """What is built from now on stands for the CEL at this offset."""
        line, column = self._source.position(offset)
        self._position = {"lineno": line, "col_offset": column, "end_lineno": line, "end_col_offset": column}

    def fresh(self, word: str) -> str:
        """A Python name that nothing else has."""
        self._count += 1
        return f"{word}_{self._count}"

    def constant(self, word: str, value: Any) -> ast.expr:
        """An object that stands ready as a global of the program."""
        name = self.fresh(word)
        self.constants[name] = value
        return self.name(name)

    # Expressions

    def literal(self, value: str | bytes | float | bool | None) -> ast.expr:
        return ast.Constant(value, **self._position)

    def name(self, name: str) -> ast.expr:
        return ast.Name(name, _LOAD, **self._position)

    def call(self, function: str | ast.expr, *args: ast.expr) -> ast.expr:
        called = self.name(function) if isinstance(function, str) else function
        return ast.Call(called, list(args), [], **self._position)

    def keep(self, name: str, value: ast.expr) -> ast.expr:
        """`(name := value)`."""
        return ast.NamedExpr(ast.Name(name, _STORE, **self._position), value, **self._position)

    def choose(self, test: ast.expr, then: ast.expr, otherwise: ast.expr) -> ast.expr:
        """`then if test else otherwise`."""
        return ast.IfExp(test, then, otherwise, **self._position)

    def compare(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.expr:
        return ast.Compare(left, [operator], [right], **self._position)

    def compare_all(self, left: ast.expr, *others: tuple[ast.cmpop, ast.expr]) -> ast.expr:
        """A chain, as `a <= b <= c`."""
        operators, values = [each for each, _ in others], [value for _, value in others]
        return ast.Compare(left, operators, values, **self._position)

    def operation(self, left: ast.expr, operator: ast.operator, right: ast.expr) -> ast.expr:
        return ast.BinOp(left, operator, right, **self._position)

    def attribute(self, value: ast.expr, name: str) -> ast.expr:
        return ast.Attribute(value, name, _LOAD, **self._position)

    def subscript(self, value: ast.expr, key: ast.expr) -> ast.expr:
        return ast.Subscript(value, key, _LOAD, **self._position)

    def negated(self, value: ast.expr) -> ast.expr:
        return ast.UnaryOp(ast.Not(), value, **self._position)

    def logic(self, operator: ast.boolop, operands: list[ast.expr]) -> ast.expr:
        return ast.BoolOp(operator, operands, **self._position)

    def list_of(self, items: list[ast.expr]) -> ast.expr:
        return ast.List(items, _LOAD, **self._position)

    def tuple_of(self, items: list[ast.expr]) -> ast.expr:
        return ast.Tuple(items, _LOAD, **self._position)

    def map_of(self, keys: list[ast.expr | None], values: list[ast.expr]) -> ast.expr:
        return ast.Dict(keys, values, **self._position)

    def starred(self, value: ast.expr) -> ast.expr:
        return ast.Starred(value, _LOAD, **self._position)

    def budget(self) -> ast.expr:
        """The budget of the evaluation (:mod:`.budget`), which the program makes when something asks for it."""
        self.needs_budget = True
        return self.name(BUDGET)

    def is_class(self, value: ast.expr, name: str) -> ast.expr:
        """`value.__class__ is name`."""
        return self.compare(self.attribute(value, "__class__"), ast.Is(), self.name(name))

    # Statements

    def assign(self, name: str, value: ast.expr) -> ast.stmt:
        return ast.Assign([ast.Name(name, _STORE, **self._position)], value, **self._position)

    def returns(self, value: ast.expr) -> ast.stmt:
        return ast.Return(value, **self._position)

    def when(self, test: ast.expr, *body: ast.stmt) -> ast.stmt:
        return ast.If(test, list(body), [], **self._position)

    def does(self, value: ast.expr) -> ast.stmt:
        return ast.Expr(value, **self._position)

    def skip(self) -> ast.stmt:
        return ast.Continue(**self._position)

    def raises(self, name: str) -> ast.stmt:
        return ast.Raise(self.name(name), None, **self._position)

    def each(self, names: tuple[str, ...], iterator: ast.expr, *body: ast.stmt) -> ast.stmt:
        """`for names in iterator: body`."""
        targets: list[ast.expr] = [ast.Name(name, _STORE, **self._position) for name in names]
        target = targets[0] if len(targets) == 1 else ast.Tuple(targets, _STORE, **self._position)
        return ast.For(target, iterator, list(body), [], **self._position)

    def gather(self, names: tuple[str, ...], pieces: ast.expr, test: ast.expr | None, *parts: ast.expr) -> ast.expr:
        """A list (of one part) or a map (of key and value): `[part for piece in pieces for names in piece if test]`."""
        piece = "piece"
        inner: list[ast.expr] = [ast.Name(name, _STORE, **self._position) for name in names]
        target = inner[0] if len(inner) == 1 else ast.Tuple(inner, _STORE, **self._position)
        generators = [
            ast.comprehension(ast.Name(piece, _STORE, **self._position), pieces, [], 0),
            ast.comprehension(target, self.name(piece), [] if test is None else [test], 0),
        ]
        if len(parts) == 1:
            return ast.ListComp(parts[0], generators, **self._position)
        return ast.DictComp(parts[0], parts[1], generators, **self._position)

    def attempt(self, body: list[ast.stmt], name: str, *handler: ast.stmt) -> ast.stmt:
        """`try: body` and `except Exception as name: handler`."""
        handlers = [ast.ExceptHandler(self.name("Exception"), name, list(handler), **self._position)]
        return ast.Try(body, handlers, [], [], **self._position)

    # Functions

    def define(self, name: str, params: tuple[str, ...], body: list[ast.stmt]) -> None:
        """Add a function to the program."""
        arguments = ast.arguments(
            posonlyargs=[],
            args=[ast.arg(param, **self._position) for param in params],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[],
        )
        function: Any = ast.FunctionDef(name=name, args=arguments, body=body, decorator_list=[], **self._position)
        function.type_params = []  # Python 3.12 asks for it, 3.11 does not know it
        self.functions.append(function)

    def inner(self, word: str, scope: Scope, body: list[ast.stmt], **extra: ast.expr) -> ast.expr:
        """Define a function that sees `scope` and the parameters `extra`, and a call of it with the values of `extra`.

        Blocks, loops and deep trees go into functions of their own: Python nests neither statements inside
        expressions nor blocks without end.
        """
        self.needs_budget = True
        name = self.fresh(word)
        self.define(name, (ROOT, BUDGET, *scope.params, *extra), body)
        carried = (self.name(param) for param in (ROOT, BUDGET, *scope.params))
        return self.call(name, *carried, *extra.values())

    def bounded(self, emitted: Emitted, scope: Scope) -> Emitted:
        """The same, moved into a function of its own when its tree has become deep."""
        if emitted.depth <= _MAX_DEPTH:
            return emitted
        node = self.inner("part", scope, [self.returns(emitted.node)])
        return Emitted(node, 2, emitted.kind, emitted.wrapping, held=emitted.held)
