"""From source to code: one expression, or a module with a `main`.

An expression becomes a module with a `main` too, so that everything behind this file knows one form only.
"""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import dataclass
from types import CodeType
from typing import TypeAlias

from engine.errors import ExpressionError, Place

FILE = "<snippet>"
"""What tracebacks call the source. In angle brackets, so that nobody looks for a file, or keeps lines of it."""

MAIN = "main"

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_HINT = "write `def main(payload):`, `async def main(payload):`, or one expression over `payload`"
_NEWLINE = re.compile(r"\r\n|\r|\n")
_TEMPLATE = "def main(payload):\n    self = payload\n    return self"
_GENERATES = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


@dataclass(frozen=True, slots=True)
class Form:
    """A module, ready to run; it defines `main`, whose place is `place`."""

    code: CodeType
    is_async: bool
    place: Place


def read(source: str) -> Form:
    """Parse and compile, without running anything. Raises :class:`ExpressionError` with line and column."""
    tree = _parse(source)
    if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
        main: _Function = _around(tree.body[0])
        tree = ast.Module([main], [])
    else:
        main = _main_of(tree)
        _check_arguments(main, source)
    code = _compile(tree, source)
    place = place_of(source, main.lineno, main.col_offset)
    if any(isinstance(const, CodeType) and _is_generator(const) for const in code.co_consts):
        raise ExpressionError("`main` yields, and a snippet gives one result", place=place, hint="return a list")
    return Form(code, isinstance(main, ast.AsyncFunctionDef), place)


def place_of(source: str, line: int, offset: int | None) -> Place:
    """The place of a position as Python counts: lines from 1, and columns in bytes of UTF-8, from 0."""
    lines = lines_of(source)
    if offset is None or not 1 <= line <= len(lines):
        return Place(line=min(line, len(lines)))
    before = lines[line - 1].encode("utf-8", "surrogatepass")[:offset]
    return Place(line=line, column=len(before.decode("utf-8", "replace")) + 1)


def lines_of(source: str) -> list[str]:
    """The lines of a source, where Python parts them."""
    return _NEWLINE.split(source)


def _parse(source: str) -> ast.Module:
    try:
        return ast.parse(source, FILE)
    except SyntaxError as error:
        raise _syntax_error(error, Place(line=error.lineno or 0, column=max(error.offset or 0, 0))) from None
    except UnicodeEncodeError:
        raise ExpressionError("the source holds half a character (a lone surrogate)") from None
    except ValueError:
        raise ExpressionError("the source holds a null character") from None
    except (RecursionError, MemoryError):
        raise _too_deep() from None


def _compile(tree: ast.Module, source: str) -> CodeType:
    try:
        return compile(tree, FILE, "exec", dont_inherit=True)
    except SyntaxError as error:
        # Unlike the parser, what comes behind it counts bytes.
        offset = error.offset - 1 if error.offset else None
        raise _syntax_error(error, place_of(source, error.lineno or 1, offset)) from None
    except (RecursionError, MemoryError):
        raise _too_deep() from None


def _syntax_error(error: SyntaxError, place: Place) -> ExpressionError:
    hint = "write `async def main(payload):`, and await there" if "'await' outside" in error.msg else None
    return ExpressionError(error.msg, place=place, hint=hint)


def _too_deep() -> ExpressionError:
    return ExpressionError("the source is nested too deeply")


def _around(statement: ast.Expr) -> ast.FunctionDef:
    """A `main` that gives the value of an expression, in the place of the expression."""
    [main] = ast.parse(_TEMPLATE).body
    assert isinstance(main, ast.FunctionDef)
    for node in ast.walk(main):
        ast.copy_location(node, statement)
    result = main.body[-1]
    assert isinstance(result, ast.Return)
    result.value = statement.value
    return main


def _main_of(tree: ast.Module) -> _Function:
    """The last definition of `main` at the top level: the one that counts when the module has run."""
    found = [node for node in tree.body if isinstance(node, _Function) and node.name == MAIN]
    if not found:
        raise ExpressionError("the snippet defines no function `main`", hint=_HINT)
    return found[-1]


def _check_arguments(main: _Function, source: str) -> None:
    """Refuse a `main` that cannot be called with one argument; of a decorated one nobody knows."""
    if main.decorator_list:
        return
    args = main.args
    names = len(args.posonlyargs) + len(args.args)
    needed = names - len(args.defaults)
    if needed > 1 or (names == 0 and args.vararg is None) or None in args.kw_defaults:
        place = place_of(source, main.lineno, main.col_offset)
        raise ExpressionError("`main` takes one argument, the payload", place=place, hint=_HINT)


def _is_generator(code: CodeType) -> bool:
    return code.co_name == MAIN and bool(code.co_flags & _GENERATES)
