"""Calls to Python: which function is meant, whether the arguments can be right, and the shortest way to call it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from engine.errors import ExpressionError
from engine.language.cel.checks import check_optional
from engine.language.cel.functions import ANY, Function, Library, Overload
from engine.language.cel.macros import MACRO_NAMES
from engine.language.cel.names import namespaced
from engine.language.cel.sharing import NOTHING, Held
from engine.language.cel.source import Source
from engine.language.cel.syntax import Call, Literal
from engine.language.cel.values import INT_MAX, INT_MIN
from engine.language.cel.writer import NESTED, PLAIN, WRAPPED, Emitted, Scope

if TYPE_CHECKING:
    from engine.language.cel.generator import Generator

_HOLDERS = frozenset({"optional_type", "net.IP", "net.CIDR", "list", "map", ANY})
_QUICK_METHODS = {"startsWith": "startswith", "endsWith": "endswith"}
_SHORT = 4096
"""Searching a text of so many characters costs no more than a turn of a loop."""

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
        return Emitted(kept, args[0].depth + 1, None, args[0].wrapping, held=args[0].held)
    if target is not None and name in {"or", "orValue"} and len(args) == 2:
        check_optional(generator.source, f"x.{name}()", args[0].kind, call.at)
        if name == "or":
            check_optional(generator.source, "or()", args[1].kind, call.args[0].at)
        return _emit_or(generator, name, args[0], args[1])
    function = find_function(generator.source, generator.setting.library, name, call, method=target is not None)
    overloads = _fitting(generator.source, function, call, args)
    depth = max([0, *(arg.depth for arg in args)]) + 1
    results = {overload.result for overload in overloads}
    result = results.pop() if len(results) == 1 else ANY
    if function.work:
        # The others do not look inside their arguments.
        for arg in args:
            arg.node = generator.weighed(arg)
    node = _quick(generator, function, call, args, scope) or _plain(generator, function, overloads, args, scope)
    kind = None if result == ANY else result
    return Emitted(node, depth + 3, kind, _wrapping(name, result, args), held=_held(result, args))


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


def _plain(
    generator: Generator, function: Function, overloads: list[Overload], args: list[Emitted], scope: Scope
) -> ast.expr:
    """The overload itself where the kinds are known, else the function that chooses."""
    only = overloads[0]
    certain = len(overloads) == 1 and not only.variadic
    if certain and all(param in (ANY, arg.kind) for param, arg in zip(only.params, args, strict=True)):
        called = generator.constant("call", only.implementation)
    else:
        called = generator.constant("call", function.call)
    return _charged(generator, function, called, [arg.node for arg in args], scope)


def _charged(
    generator: Generator, function: Function, called: ast.expr, args: list[ast.expr], scope: Scope
) -> ast.expr:
    """The call; with its steps where it goes over its arguments, and does so in a loop or slowly."""
    if function.work and (scope.level or function.work > 1):
        return generator.call("spend", generator.budget(), generator.literal(function.work), called, *args)
    return generator.call(called, *args)


def _quick(generator: Generator, function: Function, call: Call, args: list[Emitted], scope: Scope) -> ast.expr | None:
    """The forms worth writing out: Python's own methods behind one look at the class."""
    if function.name == "matches" and len(args) == 2:
        return _match(generator, function, call, args, scope)
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
    elif function.name == "string":
        whole = generator.is_class(generator.keep(name, args[0].node), "int")
        least, most = generator.literal(INT_MIN), generator.literal(INT_MAX)
        fits = generator.compare_all(least, (ast.LtE(), generator.name(name)), (ast.LtE(), most))
        test = generator.logic(ast.And(), [whole, fits])
        quick = generator.call("str", generator.name(name))
    elif function.name == "contains" and args[1].literal:
        test = generator.is_class(generator.keep(name, args[0].node), "str")
        if scope.level:
            length = generator.call("len", generator.name(name))
            short = generator.compare(length, ast.Lt(), generator.literal(_SHORT))
            test = generator.logic(ast.And(), [test, short])
        quick = generator.compare(args[1].node, ast.In(), generator.name(name))
    else:
        return None
    called = generator.constant("call", function.call)
    return generator.choose(test, quick, _charged(generator, function, called, slow, scope))


def _match(generator: Generator, function: Function, call: Call, args: list[Emitted], scope: Scope) -> ast.expr | None:
    """A pattern that is written out is compiled with the program, and a bad one is an error of compiling."""
    pattern = call.args[-1]
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        return None
    from engine.language.cel.library.regex import compile_pattern

    try:
        compiled = compile_pattern(pattern.value)
    except ExpressionError as error:
        raise generator.source.error(error.value.message, pattern.at, error.hint) from None
    found = [generator.constant("pattern", compiled), args[0].node]
    return _charged(generator, function, generator.name("match_text"), found, scope)


def _emit_or(generator: Generator, name: str, optional: Emitted, other: Emitted) -> Emitted:
    """`x.or(y)` and `x.orValue(y)`: y is evaluated only when x is absent."""
    kept = generator.fresh("t")
    what = generator.literal(name)
    if optional.lazy is not None and name == "orValue":
        absent = generator.compare(generator.keep(kept, optional.lazy), ast.Is(), generator.name("ABSENT"))
        node = generator.choose(absent, other.node, generator.name(kept))
        depth = max(optional.depth, other.depth) + 3
        return Emitted(node, depth, None, other.wrapping, held=optional.held.either(other.held))
    asked = generator.call("as_optional", optional.node, what)
    present = generator.attribute(generator.keep(kept, asked), "present")
    depth = max(optional.depth, other.depth) + 4
    if name == "or":
        otherwise = generator.call("as_optional", other.node, what)
        node = generator.choose(present, generator.name(kept), otherwise)
        wrapping = max(WRAPPED, optional.wrapping, other.wrapping)
        return Emitted(node, depth, "optional_type", wrapping, held=optional.held.either(other.held))
    node = generator.choose(present, generator.attribute(generator.name(kept), "value"), other.node)
    wrapping = max(_unwrapped(optional.wrapping), other.wrapping)
    return Emitted(node, depth, None, wrapping, held=optional.held.either(other.held))


def _unwrapped(wrapping: int) -> int:
    return PLAIN if wrapping == WRAPPED else wrapping


def _held(result: str, args: list[Emitted]) -> Held:
    """What the result may share with the arguments."""
    if result not in _HOLDERS:
        return NOTHING
    held = NOTHING
    for arg in args:
        held = held.beside(arg.held)
    return held


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
