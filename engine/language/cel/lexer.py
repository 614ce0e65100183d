"""Text to tokens: one regular expression, one pass, every token with its offset.

The expression has no nested repetition, so the pass is linear in the length of the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from engine.language.cel.source import Source


class Token(NamedTuple):
    """One token. `kind` is `name`, `quoted`, `number`, `string`, `end`, or the operator itself."""

    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\n\r\f]+|//[^\n]*)
    | (?P<string>(?:[bB]?[rR]|[bB])?(?:\"\"\"|'''|\"|'))
    | (?P<number>(?:0x[0-9a-fA-F]+|\d+)[uU]|0x[0-9a-fA-F]+|(?:\d*\.\d+|\d+(?=[eE][+-]?\d))(?:[eE][+-]?\d+)?|\d+)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<quoted>`[A-Za-z0-9_.\-/ ]+`)
    | (?P<operator>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])
    """,
    re.VERBOSE | re.ASCII,
)

# The rest of a string after its opening quotes, by the quotes; raw strings know no escapes.
_STRING_END = {
    '"': re.compile(r'(?:[^"\\\n\r]|\\.)*+"'),
    "'": re.compile(r"(?:[^'\\\n\r]|\\.)*+'"),
    '"""': re.compile(r'(?:[^"\\]|\\.|"(?!""))*+"""', re.DOTALL),
    "'''": re.compile(r"(?:[^'\\]|\\.|'(?!''))*+'''", re.DOTALL),
}
_RAW_END = {
    '"': re.compile(r'[^"\n\r]*"'),
    "'": re.compile(r"[^'\n\r]*'"),
    '"""': re.compile(r'(?:[^"]|"(?!""))*+"""'),
    "'''": re.compile(r"(?:[^']|'(?!''))*+'''"),
}


def tokens(source: Source) -> Iterator[Token]:
    """The tokens of `source`, then one of kind `end`. Raises `ExpressionError` at the first character that fits nothing."""
    text = source.text
    at = 0
    length = len(text)
    end_of_code = 0
    match = _TOKEN.match
    while at < length:
        found = match(text, at)
        if found is None:
            raise source.error(f"unexpected character {text[at]!r}", at, _HINTS.get(text[at]))
        kind = found.lastgroup
        end = found.end()
        if kind == "string":
            end = _end_of_string(source, found.group(), at, end)
            yield Token("string", text[at:end], at)
        elif kind == "operator":
            operator = found.group()
            yield Token(operator, operator, at)
        elif kind != "space":
            if kind == "number" and end < length and (text[end].isalnum() or text[end] == "_"):
                raise source.error(f"{text[at : end + 1]!r} is no number", at)
            yield Token(str(kind), found.group(), at)
        if kind != "space":
            end_of_code = end
        at = end
    # Whoever looks for the end finds it behind the last word, not behind the line breaks of a YAML block.
    yield Token("end", "", end_of_code)


_HINTS = {
    "=": "equality is written ==",
    "&": "the operator is written &&",
    "|": "the operator is written ||",
    "`": "a quoted field is `letters, digits, _ . - / and spaces`",
    ";": "an expression is one value; nothing ends it",
}


def _end_of_string(source: Source, opening: str, at: int, begin: int) -> int:
    quotes = opening.lstrip("bBrR")
    raw = "r" in opening.lower()
    found = (_RAW_END if raw else _STRING_END)[quotes].match(source.text, begin)
    if found is None:
        hint = None if len(quotes) == 3 else "write \\n for a line break, or use three quotes"
        raise source.error(f"text without its closing {quotes}", at, hint)
    return found.end()
