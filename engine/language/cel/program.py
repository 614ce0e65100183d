"""Programs: source compiled to a function, ready to be called with a payload or with bindings."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self

from engine.errors import Code, ErrorValue, ExpressionError, Place
from engine.language.cel.budget import budget_of
from engine.language.cel.generator import Generator, Setting
from engine.language.cel.parser import parse
from engine.language.cel.runtime import RUNTIME, is_limit
from engine.language.cel.source import Source
from engine.language.cel.syntax import Node
from engine.language.cel.writer import BUDGET, FILE, NESTED, PLAIN, ROOT, Scope

_LONG = 2048
"""Characters of a source from which on both ways are written at once."""


def build(
    tree: Node,
    source: Source,
    setting: Setting,
    *,
    strict: bool,
    rescue: Callable[[Any, Exception], Any] | None = None,
) -> Callable[[Any], Any]:
    """The function of a tree. Raises `ExpressionError` with a place for what can be known to be wrong.

    When the function would raise it asks `rescue`, with its argument and the exception.
    """
    generator = Generator(source, setting, strict=strict)
    result = generator.emit(tree, Scope())
    generator.move_to(tree.at)
    value = generator.weighed(result)
    if result.wrapping != PLAIN:
        value = generator.call("export" if result.wrapping == NESTED else "export_outer", value)
    body = [generator.returns(value)]
    if generator.needs_budget:
        fresh = budget_of(setting.limits.steps, setting.limits.time.total_seconds())
        body.insert(0, generator.assign(BUDGET, generator.list_of([generator.literal(part) for part in fresh])))
    if rescue is not None:
        rescued = generator.call(generator.constant("rescue", rescue), generator.name(ROOT), generator.name("error"))
        body = [generator.attempt(body, "error", generator.returns(rescued))]
    generator.define("program", (ROOT,), body)
    module = ast.Module(generator.functions, [])
    names = {**RUNTIME, **generator.constants}
    exec(compile(module, FILE, "exec", dont_inherit=True), names)  # noqa: S102 (the code is ours: no text of the source becomes code)
    program: Callable[[Any], Any] = names["program"]
    return program


class Program(partial[Any]):
    """A compiled expression: called with a payload (or with bindings), it gives the value.

    Raises `ExpressionError` with the place inside the source. Calling it is thread-safe and changes nothing.

    The fast way runs first. When it raises, the strict way runs from the start and decides: it gives a result where
    CEL absorbs the error, and the right message and place where not. A program *is* a call of the function that the
    generator wrote, which costs half of what a `__call__` around it would.
    """

    source: str

    is_async = False

    def __new__(cls, text: str, setting: Setting) -> Self:
        _check_length(text, setting.limits.source)
        source = Source(text)
        strict = _StrictWay(text, setting)
        try:
            tree = parse(source, max_nesting=setting.limits.nesting)
            program = super().__new__(cls, build(tree, source, setting, strict=False, rescue=strict.rescue))
            if len(text) > _LONG:
                strict.write()
        except RecursionError:
            raise ExpressionError("the expression is nested too deeply", code=Code.LIMIT) from None
        program.source = text
        return program

    def close(self) -> None:
        """Nothing is held, so nothing is let go."""

    def __repr__(self) -> str:
        return f"<cel {self.source!r}>"


def _check_length(text: str, most: int) -> None:
    if len(text) > most:
        raise ExpressionError(
            f"the expression has {len(text)} characters; {most} is the limit",
            code=Code.LIMIT,
            place=Place(None, 1, 1),
            hint="put data into a snippet of `language: json` or into the payload, and split the rest",
        )


class _StrictWay:
    """The strict way of one program, written when it is first needed; of a long source with the fast one.

    Writing it for a hundred operators takes some ten milliseconds, which a request should not wait for.
    """

    __slots__ = ("_function", "_setting", "_text")

    def __init__(self, text: str, setting: Setting) -> None:
        self._text = text
        self._setting = setting
        self._function: Callable[[Any], Any] | None = None

    def write(self) -> Callable[[Any], Any]:
        source = Source(self._text)
        tree = parse(source, max_nesting=self._setting.limits.nesting)
        self._function = build(tree, source, self._setting, strict=True)
        return self._function

    def rescue(self, argument: Any, error: Exception) -> Any:
        """The value after the fast way has raised `error`. Two threads may write the function; both are the same."""
        if is_limit(error) or isinstance(error, (RecursionError, MemoryError)):
            raise _located(error) from None
        try:
            return (self._function or self.write())(argument)
        except Exception as decided:
            raise _located(decided) from None


def _located(error: Exception) -> ExpressionError:
    """The error with the place in the expression where it was raised."""
    place = _place(error.__traceback__)
    if isinstance(error, ExpressionError):
        return ExpressionError.from_value(replace(error.value, place=error.value.place or place))
    if isinstance(error, RecursionError):
        return ExpressionError("the value or the expression is nested too deeply", code=Code.LIMIT, place=place)
    if isinstance(error, MemoryError):
        return ExpressionError("the value is too large for the memory", code=Code.LIMIT, place=place)
    return ExpressionError("cannot evaluate", causes=(ErrorValue(f"{type(error).__name__}: {error}"),), place=place)


def _place(traceback: TracebackType | None) -> Place | None:
    """The place of the innermost generated code: its positions are those of the expression."""
    place = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename == FILE:
            line, _, column, _ = list(code.co_positions())[traceback.tb_lasti // 2]
            place = Place(None, line or 0, column or 0)
        traceback = traceback.tb_next
    return place
