"""Regular expressions through RE2, which takes time linear in the text whatever the pattern is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from engine.errors import ExpressionError
from engine.language.cel.functions import function, method
from engine.language.cel.values import NONE, Optional, limit_reached

_MOST_MATCHES = 10_000
"""Each takes some ten microseconds."""

_REFERENCE = re.compile(r"\\(.?)", re.DOTALL)


def compile_pattern(pattern: str) -> Any:
    """The compiled pattern. RE2 keeps those it saw last. Raises `ExpressionError` for one that is not RE2's syntax."""
    import re2  # 10 ms that only those pay who use a pattern

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        raise ExpressionError(f"bad regular expression: {reason}", hint="the syntax is that of RE2") from None
    except UnicodeEncodeError:
        raise ExpressionError("bad regular expression: half of a surrogate pair") from None


def search(compiled: Any, text: str) -> Any:
    """The first match of the compiled pattern anywhere in `text`, or `None`."""
    try:
        return compiled.search(text)
    except UnicodeEncodeError:
        raise _half_a_pair() from None


def _every_match(compiled: Any, text: str) -> Iterator[Any]:
    try:
        for count, found in enumerate(compiled.finditer(text)):
            if count == _MOST_MATCHES:
                raise limit_reached(f"the pattern matches more than {_MOST_MATCHES} times", "look for longer pieces")
            yield found
    except UnicodeEncodeError:
        raise _half_a_pair() from None


def _half_a_pair() -> ExpressionError:
    return ExpressionError("the text holds half of a surrogate pair, in which no pattern can be looked for")


def _matches(text: str, pattern: str) -> bool:
    return search(compile_pattern(pattern), text) is not None


def _group(compiled: Any) -> int:
    """The group that extracting means: the only one, or the whole match."""
    if compiled.groups > 1:
        raise ExpressionError("the pattern has more than one group", hint="write the others as (?:…)")
    return int(compiled.groups)


def _extract(text: str, pattern: str) -> Optional:
    compiled = compile_pattern(pattern)
    group = _group(compiled)
    found = search(compiled, text)
    if found is None or found.group(group) is None:
        return NONE
    return Optional(found.group(group), present=True)


def _extract_all(text: str, pattern: str) -> list[str]:
    compiled = compile_pattern(pattern)
    group = _group(compiled)
    texts = (found.group(group) for found in _every_match(compiled, text))
    return [found for found in texts if found is not None]


def _replacement(compiled: Any, replacement: str) -> list[str | int]:
    """The replacement as texts and group numbers."""
    pieces: list[str | int] = []
    at = 0
    for found in _REFERENCE.finditer(replacement):
        pieces.append(replacement[at : found.start()])
        at = found.end()
        reference = found.group(1)
        if reference == "\\":
            pieces.append("\\")
        elif reference.isascii() and reference.isdigit() and int(reference) <= compiled.groups:
            pieces.append(int(reference))
        else:
            raise ExpressionError(
                f"no such group in the replacement: {found.group()}", hint="write \\0 to \\9, and \\\\ for a backslash"
            )
    pieces.append(replacement[at:])
    return pieces


def _replace(max_size: int, text: str, pattern: str, replacement: str, count: int = -1) -> str:
    compiled = compile_pattern(pattern)
    pieces = _replacement(compiled, replacement)
    out: list[str] = []
    at = length = 0
    for done, found in enumerate(_every_match(compiled, text)):
        if done == count:
            break
        new = [text[at : found.start()]]
        new += [piece if isinstance(piece, str) else found.group(piece) or "" for piece in pieces]
        at = found.end()
        length += sum(map(len, new))
        if length > max_size:
            raise limit_reached(f"regex.replace made more than {max_size} characters", "build smaller values")
        out += new
    return "".join([*out, text[at:]])


OVERLOADS = (
    method("matches", "string string -> bool", _matches, work=1),
    function("matches", "string string -> bool", _matches, work=1),
    function("regex.extract", "string string -> optional", _extract, work=1),
    function("regex.extractAll", "string string -> list", _extract_all, work=1),
    function("regex.replace", "string string string -> string", _replace, sized=True, work=1),
    function("regex.replace", "string string string int -> string", _replace, sized=True, work=1),
)
