"""Programs: source compiled to a function, ready to be called with a payload or with bindings."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any

from engine.errors import Code, ErrorValue, ExpressionError, Place
from engine.language.cel.generator import Generator, Setting
from engine.language.cel.parser import parse
from engine.language.cel.runtime import RUNTIME, is_limit
from engine.language.cel.source import Source
from engine.language.cel.syntax import Node
from engine.language.cel.writer import BUDGET, FILE, NESTED, PLAIN, ROOT, Scope


def build(tree: Node, source: Source, setting: Setting, *, strict: bool) -> Callable[[Any], Any]:
    """The function of a tree. Raises `ExpressionError` with a place for what can be known to be wrong."""
    generator = Generator(source, setting, strict=strict)
    result = generator.emit(tree, Scope())
    generator.move_to(tree.at)
    value = result.node
    if result.wrapping != PLAIN:
        value = generator.call("export" if result.wrapping == NESTED else "export_outer", value)
    body = [generator.returns(value)]
    if generator.functions:
        # Everything that takes steps lives in a function of its own.
        body.insert(0, generator.assign(BUDGET, generator.list_of([generator.literal(setting.limits.steps)])))
    generator.define("program", (ROOT,), body)
    module = ast.Module(generator.functions, [])
    names = {**RUNTIME, **generator.constants}
    exec(compile(module, FILE, "exec", dont_inherit=True), names)  # noqa: S102 (the code is ours: no text of the source becomes code)
    program: Callable[[Any], Any] = names["program"]
    return program


class Program:
    """A compiled expression. Calling it is thread-safe and changes nothing.

    The fast way runs first. When it raises, the strict way (written on the first such occasion) runs from the start
    and decides: it gives a result where CEL absorbs the error, and the right message and place where not.
    """

    __slots__ = ("_run", "_setting", "_strict", "source")

    is_async = False

    def __init__(self, text: str, setting: Setting) -> None:
        source = Source(text)
        self.source = text
        self._setting = setting
        try:
            self._run = build(parse(source, max_nesting=setting.limits.nesting), source, setting, strict=False)
        except RecursionError:
            raise ExpressionError("the expression is nested too deeply", code=Code.LIMIT) from None
        self._strict: Callable[[Any], Any] | None = None

    def __call__(self, argument: Any, /) -> Any:
        """The value for a payload (or for bindings). Raises `ExpressionError` with the place inside the source."""
        try:
            return self._run(argument)
        except Exception as error:
            if is_limit(error) or isinstance(error, (RecursionError, MemoryError)):
                raise _located(error) from None
        return self._run_strictly(argument)

    def _run_strictly(self, argument: Any) -> Any:
        try:
            if self._strict is None:
                source = Source(self.source)
                tree = parse(source, max_nesting=self._setting.limits.nesting)
                self._strict = build(tree, source, self._setting, strict=True)
            return self._strict(argument)
        except Exception as error:
            raise _located(error) from None

    def close(self) -> None:
        """Nothing is held, so nothing is let go."""

    def __repr__(self) -> str:
        return f"<cel {self.source!r}>"


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
