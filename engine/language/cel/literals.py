"""What the text of a literal token means: numbers with their ranges, strings and bytes with their escapes."""

from __future__ import annotations

import re

from engine.language.cel.lexer import Token
from engine.language.cel.source import Source
from engine.language.cel.values import INT_MAX, INT_MIN, UINT_MAX, UInt

_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.)|$)", re.DOTALL
)
_SIMPLE = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "?": "?", '"': '"', "'": "'", "`": "`",
}  # fmt: skip


def number(source: Source, token: Token, *, negative: bool = False) -> int | UInt | float:
    """The value of a number token; `negative` when a minus sign stands directly before it."""
    text = token.text
    if text[-1] in "uU":
        return _unsigned(source, token, negative=negative)
    if text.startswith("0x") or text.isdecimal():
        value = _whole(source, token, text)
        value = -value if negative else value
        if not INT_MIN <= value <= INT_MAX:
            raise source.error(f"{text} does not fit an int of 64 bits", token.at)
        return value
    decimal = float(text)
    if decimal == float("inf"):
        raise source.error(f"{text} does not fit a double", token.at)
    return -decimal if negative else decimal


def _unsigned(source: Source, token: Token, *, negative: bool) -> UInt:
    value = _whole(source, token, token.text[:-1])
    if negative:
        raise source.error("a uint is never negative", token.at)
    if value > UINT_MAX:
        raise source.error(f"{token.text} does not fit a uint of 64 bits", token.at)
    return UInt(value)


def _whole(source: Source, token: Token, digits: str) -> int:
    # Python refuses to read thousands of digits; so many never fit 64 bits.
    if len(digits) > 1000:
        raise source.error("a number of so many digits does not fit 64 bits", token.at)
    return int(digits, 16) if digits.startswith("0x") else int(digits)


def string(source: Source, token: Token) -> str | bytes:
    """The value of a string or bytes token."""
    text = token.text
    begin = 0
    while text[begin] not in "\"'":
        begin += 1
    prefix = text[:begin].lower()
    width = 3 if text.startswith(('"""', "'''"), begin) and len(text) - begin >= 6 else 1
    body = text[begin + width : -width]
    is_bytes = "b" in prefix
    if "r" in prefix or "\\" not in body:
        return _encoded(source, token, body) if is_bytes else body
    offset = token.at + begin + width
    return _unescaped_bytes(source, body, offset) if is_bytes else _unescaped(source, body, offset)


def _encoded(source: Source, token: Token, body: str) -> bytes:
    try:
        return body.encode()
    except UnicodeEncodeError:
        raise source.error("half of a surrogate pair cannot be written as bytes", token.at) from None


def _unescaped(source: Source, body: str, offset: int) -> str:
    def value(found: re.Match[str]) -> str:
        lower, upper, short, long, octal, simple = found.groups()
        if simple is not None or not any((lower, upper, short, long, octal)):
            return _simple(source, found, simple, offset)
        code = int(octal, 8) if octal else int(lower or upper or short or long, 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise source.error(f"{found.group()} is no character of Unicode", offset + found.start())
        return chr(code)

    return _ESCAPE.sub(value, body)


def _unescaped_bytes(source: Source, body: str, offset: int) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for found in _ESCAPE.finditer(body):
        lower, upper, short, long, octal, simple = found.groups()
        pieces.append(body[at : found.start()].encode("utf-8", "surrogatepass"))
        at = found.end()
        if short or long:
            raise source.error(
                f"{found.group()} has no meaning in bytes", offset + found.start(), "use \\x and two digits"
            )
        if lower or upper or octal:
            pieces.append(bytes([int(octal, 8) if octal else int(lower or upper, 16)]))
        else:
            pieces.append(_simple(source, found, simple, offset).encode())
    pieces.append(body[at:].encode("utf-8", "surrogatepass"))
    return b"".join(pieces)


def _simple(source: Source, found: re.Match[str], character: str | None, offset: int) -> str:
    meaning = _SIMPLE.get(character or "")
    if meaning is None:
        raise source.error(
            f"no such escape: {found.group()}",
            offset + found.start(),
            "write \\\\ for a backslash, or a raw string r'…'",
        )
    return meaning
