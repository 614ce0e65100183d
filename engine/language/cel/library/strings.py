"""The strings extension: searching, cutting, joining and quoting text. Positions count code points."""

from __future__ import annotations

from typing import Any

from engine.errors import ExpressionError
from engine.language.cel.arithmetic import check_length
from engine.language.cel.functions import function, method
from engine.language.cel.values import limit_reached, type_name

_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_QUOTED = str.maketrans(
    {
        "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
        "\\": "\\\\", '"': '\\"', **{chr(code): "\ufffd" for code in range(0xD800, 0xE000)},
    }
)  # fmt: skip


def _outside(position: int) -> ExpressionError:
    return ExpressionError(f"index out of range: {position}")


def _char_at(text: str, position: int) -> str:
    if 0 <= position <= len(text):
        return text[position : position + 1]
    raise _outside(position)


def _index_of(text: str, part: str, start: int = 0) -> int:
    if 0 <= start <= len(text):
        return text.find(part, start)
    raise _outside(start)


def _last_index_of_from(text: str, part: str, start: int) -> int:
    if 0 <= start <= len(text):
        return text.rfind(part, 0, start + len(part))
    raise _outside(start)


def _join(max_size: int, items: list[Any], separator: str = "") -> str:
    total = len(separator) * len(items)
    for item in items:
        if not isinstance(item, str):
            raise ExpressionError(f"join() takes a list of strings, not of {type_name(item)}")
        total += len(item)
    _check_length(max_size, total)
    return separator.join(items)


def _check_length(max_size: int, length: int) -> None:
    if length > max_size:
        raise limit_reached(f"a text of {length} characters is larger than {max_size}", "build smaller values")


def _replace(max_size: int, text: str, old: str, new: str, count: int = -1) -> str:
    if len(new) > len(old):
        found = text.count(old)
        found = found if count < 0 else min(found, count)
        _check_length(max_size, len(text) + found * (len(new) - len(old)))
    # More than all is all; Python takes no larger count.
    return text.replace(old, new, min(count, len(text) + 1))


def _split(max_size: int, text: str, separator: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    if count == 1:
        return [text]
    pieces = text.count(separator) + 1
    check_length(pieces if count < 0 else min(pieces, count), max_size)
    if separator:
        return text.split(separator, min(count - 1, len(text)) if count > 0 else -1)
    if count < 0 or count >= len(text):
        return list(text)
    return [*text[: count - 1], text[count - 1 :]]


def _substring(text: str, start: int, end: int | None = None) -> str:
    stop = len(text) if end is None else end
    if not 0 <= start <= len(text):
        raise _outside(start)
    if not 0 <= stop <= len(text):
        raise _outside(stop)
    if start > stop:
        raise ExpressionError(f"invalid substring range: start {start}, end {stop}")
    return text[start:stop]


def _lower(text: str) -> str:
    return text.translate(_LOWER)


def _upper(text: str) -> str:
    return text.translate(_UPPER)


def _trim(text: str) -> str:
    return text.strip(_SPACE)


def _reverse(text: str) -> str:
    return text[::-1]


def _quote(text: str) -> str:
    return f'"{text.translate(_QUOTED)}"'


OVERLOADS = (
    method("charAt", "string int -> string", _char_at),
    method("indexOf", "string string -> int", str.find, work=1),
    method("indexOf", "string string int -> int", _index_of, work=1),
    method("lastIndexOf", "string string -> int", str.rfind, work=1),
    method("lastIndexOf", "string string int -> int", _last_index_of_from, work=1),
    method("join", "list -> string", _join, sized=True, work=1),
    method("join", "list string -> string", _join, sized=True, work=1),
    method("lowerAscii", "string -> string", _lower, work=1),
    method("upperAscii", "string -> string", _upper, work=1),
    method("replace", "string string string -> string", _replace, sized=True, work=1),
    method("replace", "string string string int -> string", _replace, sized=True, work=1),
    method("split", "string string -> list", _split, sized=True, work=4),
    method("split", "string string int -> list", _split, sized=True, work=4),
    method("substring", "string int -> string", _substring),
    method("substring", "string int int -> string", _substring),
    method("trim", "string -> string", _trim, work=1),
    method("reverse", "string -> string", _reverse, work=1),
    function("strings.quote", "string -> string", _quote, work=1),
)
