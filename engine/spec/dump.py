"""YAML for people: block style, keys in their order, `|` for text of several lines.

What is written reads back as the same data: text that YAML would take for something else stands in quotes, and only
such text does.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from engine.errors import InvalidError
from engine.spec import scalar

_PLAIN = re.compile(
    r"[^\s\x00-\x20\x7f-\xa0\ufeff\u2028\u2029\-?:,\[\]{}#&*!|>'\"%@`=<][^\x00-\x1f\x7f-\x9f\ufeff\u2028\u2029]*"
)
"""Text that may stand without quotes, unless :data:`_UNSAFE` finds something in it."""

_UNSAFE = re.compile(r": |:$| #|\s$|[\[\]{},]|\xa0$|^---|^\.\.\.|[\ud800-\udfff\ufffe\uffff]")
_LITERAL = re.compile("[^\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\u2028\u2029\ud800-\udfff\ufffe\uffff]*")
_ESCAPED = re.compile('[\x00-\x1f"\\\\\x7f-\xa0\ufeff\u2028\u2029\ud800-\udfff\ufffe\uffff]')
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\", "\0": "\\0"}
_LONGEST_KEY = 120


def dump(data: Any) -> str:
    """The data as one YAML document, ended by a line feed.

    Takes plain data: null, booleans, numbers, text, bytes, lists and maps with scalar keys; dates and durations become
    text. Raises InvalidError for anything else, and for text that no encoding can carry (lone surrogates).
    """
    if isinstance(data, Mapping) and data:
        return "\n".join(_map(data, 0)) + "\n"
    if _is_list(data) and data:
        return "\n".join(_list(data, 0)) + "\n"
    return _leaf(data, 0) + "\n"


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray))


def _map(data: Mapping[Any, Any], indent: int) -> Iterator[str]:
    pad = " " * indent
    for key, value in data.items():
        name = _key(key)
        head = f"{pad}{name}:" if len(name) <= _LONGEST_KEY else f"{pad}? {name}\n{pad}:"
        if isinstance(value, Mapping) and value:
            yield head
            yield from _map(value, indent + 2)
        elif _is_list(value) and value:
            yield head
            yield from _list(value, indent + 2)
        else:
            yield f"{head} {_leaf(value, indent + 2)}"


def _list(data: Sequence[Any], indent: int) -> Iterator[str]:
    pad = " " * indent
    for value in data:
        if isinstance(value, Mapping) and value:
            yield from _first_line(_map(value, indent + 2), pad)
        elif _is_list(value) and value:
            yield from _first_line(_list(value, indent + 2), pad)
        else:
            yield f"{pad}- {_leaf(value, indent + 2)}"


def _first_line(lines: Iterator[str], pad: str) -> Iterator[str]:
    """Put the dash where the first line's indent is."""
    yield f"{pad}- {next(lines)[len(pad) + 2 :]}"
    yield from lines


def _key(key: Any) -> str:
    if isinstance(key, str):
        return _text(key)
    if key is None or isinstance(key, (bool, int, float)):
        return _leaf(key, 0)
    raise InvalidError(f"a key of type {type(key).__name__} cannot be written as YAML")


def _leaf(value: Any, indent: int) -> str:
    if isinstance(value, str):
        return _block(value, indent) or _text(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, (bytes, bytearray)):
        return f'!!binary "{base64.b64encode(value).decode("ascii")}"'
    if isinstance(value, Mapping):
        return "{}"
    if _is_list(value):
        return "[]"
    if isinstance(value, datetime):
        return _text(value.isoformat().replace("+00:00", "Z"))
    if isinstance(value, timedelta):
        return _text(f"{value.total_seconds():g}s")
    raise InvalidError(f"a value of type {type(value).__name__} cannot be written as YAML")


def _float(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    return float.__repr__(value)


def _text(value: str) -> str:
    if _PLAIN.fullmatch(value) and not _UNSAFE.search(value) and isinstance(_meaning(value), str):
        return value
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidError("text with a lone surrogate cannot be written as YAML")
    if _ESCAPED.search(value.replace('"', "").replace("\\", "")) is None:
        return "'" + value.replace("'", "''") + "'"
    return '"' + _ESCAPED.sub(_escape, value) + '"'


def _meaning(value: str) -> Any:
    try:
        return scalar.plain(value)
    except scalar.ScalarError:
        return None


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return _SHORT.get(character) or f"\\u{ord(character):04x}"


def _block(value: str, indent: int) -> str | None:
    """Text of several lines as a literal block, where a block can hold it."""
    if "\n" not in value or not value.strip("\n") or _LITERAL.fullmatch(value) is None:
        return None
    body = value.rstrip("\n")
    endings = len(value) - len(body)
    chomping = "-" if endings == 0 else "" if endings == 1 else "+"
    lines = body.split("\n")
    first = next(line for line in lines if line)
    if any(line and not line.strip() for line in lines) or first.startswith("\t"):
        return None
    # A first line that begins with a space needs its indent told.
    told = "2" if first.startswith(" ") or not lines[0] else ""
    step = " " * max(indent, 2)
    text = "\n".join(step + line if line else "" for line in lines)
    return f"|{told}{chomping}\n{text}" + "\n" * (endings - 1)
