"""Calls to Python: which function is meant, whether the arguments can be right, and the shortest way to call it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from engine.errors import ExpressionError
from engine.language.cel.functions import ANY, Function, Library, Overload
from engine.language.cel.macros import MACRO_NAMES
from engine.language.cel.names import namespaced
from engine.language.cel.source import Source
from engine.language.cel.syntax import Call, Literal
from engine.language.cel.writer import NESTED, PLAIN, WRAPPED, Emitted, Scope

if TYPE_CHECKING:
    from engine.language.cel.generator import Generator

_HOLDERS = frozenset({"optional_type", "net.IP", "net.CIDR", "list", "map", ANY})
_QUICK_METHODS = {"startsWith": "startswith", "endsWith": "endswith"}
_SPECIAL = ("dyn", "or", "orValue")


def emit_call(generator: Generator, call: Call, target: Emitted | None, scope: Scope) -> Emitted:
    """`name(args)`, or `target.name(args)`; `target` is already emitted, unless it is the namespace of a function."""
    name = namespaced(generator, call, scope) or call.name.removeprefix(".")
    args = [] if target is None else [target]
    args += [generator.emit(arg, scope) for arg in call.args]
    generator.move_to(call.at)
    if target is None and name == "dyn" and len(args) == 1:
        # Kept in a variable, so that Python does not see a constant either: it warns of `1['a']`.
        kept = generator.keep(generator.fresh("t"), args[0].node)
        return Emitted(kept, args[0].depth + 1, None, args[0].wrapping)
    if target is not None and name in {"or", "orValue"} and len(args) == 2:
        if args[0].kind not in {None, "optional_type"}:
            raise generator.source.error(f"{name}() asks an optional, not a {args[0].kind}", call.at)
        return _emit_or(generator, name, args[0], args[1])
    function = find_function(generator.source, generator.setting.library, name, call, method=target is not None)
    overloads = _fitting(generator.source, function, call, args)
    depth = max([0, *(arg.depth for arg in args)]) + 1
    results = {overload.result for overload in overloads}
    result = results.pop() if len(results) == 1 else ANY
    node = _quick(generator, function, call, args) or _plain(generator, function, overloads, args)
    return Emitted(node, depth + 3, None if result == ANY else result, _wrapping(name, result, args))


def find_function(source: Source, library: Library, name: str, call: Call, *, method: bool) -> Function:
    """The function of a call. Raises `ExpressionError` with the nearest names when there is none."""
    function = library.find(name, method=method)
    if function is not None:
        return function
    if library.find(name, method=not method) is not None:
        hint = f"call it as {name}(x)" if method else f"call it as x.{name}()"
    elif name in MACRO_NAMES:
        hint = "it is a macro, and takes another number of arguments"
    else:
        hint = _similar(name, library)
    raise source.error(f"no such {'method' if method else 'function'}: {name}", call.at, hint)


def _similar(name: str, library: Library) -> str:
    import difflib  # only when something went wrong already

    names = {*library.names(method=False), *library.names(method=True), *MACRO_NAMES, *_SPECIAL}
    known = sorted(name for name in names if not name.startswith("@"))
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    return f"did you mean {', '.join(close)}?" if close else "CEL's standard functions and extensions are known here"


def _fitting(source: Source, function: Function, call: Call, args: list[Emitted]) -> list[Overload]:
    overloads = function.choose(tuple(arg.kind for arg in args))
    if overloads:
        return overloads
    given = len(args) - (1 if function.method else 0)
    if not function.choose((None,) * len(args)):
        raise source.error(f"{function.name}() takes {function.counts()} arguments, not {given}", call.at)
    kinds = ", ".join(arg.kind or ANY for arg in args)
    known = "; ".join(f"({', '.join(overload.params)})" for overload in function.overloads)
    raise source.error(f"no such overload: {function.name} applied to ({kinds})", call.at, f"it takes {known}")


def _plain(generator: Generator, function: Function, overloads: list[Overload], args: list[Emitted]) -> ast.expr:
    """The overload itself where the kinds are known, else the function that chooses."""
    only = overloads[0]
    certain = len(overloads) == 1 and not only.variadic
    if certain and all(param in (ANY, arg.kind) for param, arg in zip(only.params, args, strict=True)):
        called = generator.constant("call", only.implementation)
    else:
        called = generator.constant("call", function.call)
    return generator.call(called, *(arg.node for arg in args))


def _quick(generator: Generator, function: Function, call: Call, args: list[Emitted]) -> ast.expr | None:
    """The forms worth writing out: Python's own methods behind one look at the class."""
    if function.name == "matches" and len(args) == 2:
        return _match(generator, call, args)
    if generator.strict or not args or args[0].kind is not None:
        return None
    name = generator.fresh("t")
    slow = [generator.name(name), *(arg.node for arg in args[1:])]
    if function.name == "size":
        test = generator.compare(
            generator.attribute(generator.keep(name, args[0].node), "__class__"), ast.In(), generator.name("sized")
        )
        quick = generator.call("len", generator.name(name))
    elif function.name in _QUICK_METHODS and args[1].literal:
        test = generator.is_class(generator.keep(name, args[0].node), "str")
        quick = generator.call(generator.attribute(generator.name(name), _QUICK_METHODS[function.name]), args[1].node)
    elif function.name == "contains" and args[1].literal:
        test = generator.is_class(generator.keep(name, args[0].node), "str")
        quick = generator.compare(args[1].node, ast.In(), generator.name(name))
    else:
        return None
    return generator.choose(test, quick, generator.call(generator.constant("call", function.call), *slow))


def _match(generator: Generator, call: Call, args: list[Emitted]) -> ast.expr | None:
    """A pattern that is written out is compiled with the program, and a bad one is an error of compiling."""
    pattern = call.args[-1]
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        return None
    from engine.language.cel.library.regex import compile_pattern

    try:
        compiled = compile_pattern(pattern.value)
    except ExpressionError as error:
        raise generator.source.error(error.value.message, pattern.at, error.hint) from None
    return generator.call("match_text", generator.constant("pattern", compiled), args[0].node)


def _emit_or(generator: Generator, name: str, optional: Emitted, other: Emitted) -> Emitted:
    """`x.or(y)` and `x.orValue(y)`: y is evaluated only when x is absent."""
    kept = generator.fresh("t")
    what = generator.literal(name)
    asked = generator.call("as_optional", optional.node, what)
    present = generator.attribute(generator.keep(kept, asked), "present")
    depth = max(optional.depth, other.depth) + 4
    if name == "or":
        otherwise = generator.call("as_optional", other.node, what)
        node = generator.choose(present, generator.name(kept), otherwise)
        return Emitted(node, depth, "optional_type", max(WRAPPED, optional.wrapping, other.wrapping))
    node = generator.choose(present, generator.attribute(generator.name(kept), "value"), other.node)
    return Emitted(node, depth, None, max(_unwrapped(optional.wrapping), other.wrapping))


def _unwrapped(wrapping: int) -> int:
    return PLAIN if wrapping == WRAPPED else wrapping


def _wrapping(name: str, result: str, args: list[Emitted]) -> int:
    """What the result of a function may hold, from what its arguments may hold."""
    if result not in _HOLDERS:
        return PLAIN
    most = max((arg.wrapping for arg in args), default=PLAIN)
    if result in {"net.IP", "net.CIDR"}:
        return WRAPPED
    if result == "optional_type":
        return WRAPPED if most == PLAIN else NESTED
    if name == "value":
        return _unwrapped(most)
    return PLAIN if most == PLAIN else NESTED
