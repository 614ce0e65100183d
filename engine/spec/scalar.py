"""What a YAML scalar means: the core schema of YAML 1.2.

YAML 1.1, which PyYAML's own resolver follows, reads `on`, `no` and `1:30` as something else than text; people who write
specs do not expect that. `0o14` is octal, `014` is fourteen, and a date is text.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

_CORE = re.compile(
    r"""(?P<null> ~ | null | Null | NULL )
      | (?P<true> true | True | TRUE )
      | (?P<false> false | False | FALSE )
      | (?P<int> [-+]? [0-9]+ )
      | (?P<octal> 0o [0-7]+ )
      | (?P<hex> 0x [0-9a-fA-F]+ )
      | (?P<float> [-+]? (?: \.[0-9]+ | [0-9]+ (?: \.[0-9]* )? ) (?: [eE] [-+]? [0-9]+ )? )
      | (?P<inf> [-+]? \. (?: inf | Inf | INF ) )
      | (?P<nan> \. (?: nan | NaN | NAN ) )
    """,
    re.VERBOSE | re.ASCII,
)
_FIRST = frozenset("~nNtTfF0123456789+-.")
"""With what anything but text begins: one look decides for most scalars."""

TAG = "tag:yaml.org,2002:"


class ScalarError(ValueError):
    """A scalar that its tag, or its size, does not allow. The text is for people."""


def plain(text: str) -> Any:
    """The value of a plain (unquoted) scalar.

    Raises :class:`ScalarError` for an integer of more digits than Python reads.
    """
    if not text:
        return None
    if text[0] not in _FIRST:
        return text
    match = _CORE.fullmatch(text)
    if match is None:
        return text
    match match.lastgroup:
        case "null":
            return None
        case "true":
            return True
        case "false":
            return False
        case "int":
            return _integer(text)
        case "octal":
            return _integer(text[2:], 8)
        case "hex":
            return int(text, 0)
        case "inf":
            return float("-inf") if text[0] == "-" else float("inf")
        case "nan":
            return float("nan")
        case _:
            return float(text)


def tagged(text: str, tag: str) -> Any:
    """The value of a scalar with an explicit tag such as `!!str`; raises :class:`ScalarError`."""
    kind = tag.removeprefix(TAG)
    if tag == "!" or kind == "str":
        return text
    if kind == "binary":
        return _binary(text)
    if tag == kind or kind not in _TYPES:
        raise ScalarError(f"the tag {short(tag)} is not known")
    value = plain(text)
    if kind == "float" and type(value) is int:
        return float(value)
    if type(value) is not _TYPES[kind]:
        raise ScalarError(f"{text!r} is not a value of the tag {short(tag)}")
    return value


def short(tag: str) -> str:
    """A tag as people write it: `!!int`."""
    return "!!" + tag.removeprefix(TAG) if tag.startswith(TAG) else tag


_TYPES: dict[str, type] = {"int": int, "float": float, "bool": bool, "null": type(None)}


def _integer(digits: str, base: int = 10) -> int:
    try:
        return int(digits, base)
    except ValueError:
        raise ScalarError(
            f"a number of {len(digits)} digits is too long: put it in quotes to keep it as text"
        ) from None


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ScalarError(f"this is not base64: {error}") from None
