"""The text of a YAML file as it comes from a disk or a request, and libyaml's complaints about it in plain words.

Invalid UTF-8, other encodings and control characters are found before the parser sees them. Lines are what editors
count: ended by a line feed, a carriage return, or both. libyaml also counts U+0085, U+2028 and U+2029; a text that
holds one is *irregular*, and its places are told from character indices.
"""

from __future__ import annotations

import codecs
import json
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from engine.errors import Diagnostic, Place
from engine.spec.origin import MAX_COLUMN, pack

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|(?<=[\r\n])\ufeff")
_ODD_BREAK = re.compile("[\x85\u2028\u2029]")
_LINE_START = re.compile("\r\n|\r|\n")
_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_BOM = "\ufeff"
_WIDE = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


class SourceError(ValueError):
    """A text that is no text. `line` and `column` count from 1."""

    def __init__(self, message: str, line: int, column: int, hint: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.hint = hint

    def diagnostic(self, file: str | None) -> Diagnostic:
        return Diagnostic("encoding", str(self), Place(file, self.line, self.column), self.hint)


@dataclass(frozen=True)
class Source:
    """A checked text.

    `parsed` is what libyaml reads; it differs from `text` only where `joined` (indices into `parsed`) tells that two
    escapes of six characters became one of ten.
    """

    text: str
    parsed: str
    joined: tuple[int, ...] = ()

    @classmethod
    def of(cls, text: str | bytes) -> Source:
        """Decode and check; raises :class:`SourceError` for the first character that cannot stand in YAML."""
        decoded = _decode(text) if isinstance(text, bytes) else text
        decoded = decoded.removeprefix(_BOM)
        bad = _FORBIDDEN.search(decoded)
        if bad is not None:
            line, column = _line_and_column(decoded, bad.start())
            raise SourceError(*_forbidden(bad.group(), line, column))
        return cls(decoded, decoded)

    @cached_property
    def irregular(self) -> bool:
        """Whether libyaml's lines and columns cannot be taken as they are."""
        return bool(self.joined) or len(self.text) >= MAX_COLUMN or _ODD_BREAK.search(self.text) is not None

    def index(self, mark: Any) -> int:
        """Where in `text` a mark of libyaml stands."""
        return mark.index + 2 * bisect_left(self.joined, mark.index)  # type: ignore[no-any-return]

    def line_and_column(self, index: int) -> tuple[int, int]:
        """Line and column (from 1) of a character."""
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def position(self, mark: Any) -> int:
        return pack(*self.line_and_column(self.index(mark)))

    def with_joined_escapes(self) -> Source | None:
        r"""The same text with `\ud83d\ude00` written `\U0001f600`, if it is JSON that has such a pair."""
        if self.joined or _PAIR.search(self.text) is None:
            return None
        try:
            json.loads(self.text)
        except (ValueError, RecursionError):
            return None
        joined: list[int] = []

        def join(match: re.Match[str]) -> str:
            if _is_escaped(self.text, match.start()):
                return match.group()
            joined.append(match.start() - 2 * len(joined))
            high, low = (int(part, 16) for part in match.groups())
            return f"\\U{0x10000 + (high - 0xD800 << 10) + (low - 0xDC00):08x}"

        parsed = _PAIR.sub(join, self.text)
        return Source(self.text, parsed, tuple(joined)) if joined else None

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_START.finditer(self.text))]


def _is_escaped(text: str, index: int) -> bool:
    """Whether the backslash at `index` is itself escaped by the one before it."""
    begin = index
    while begin and text[begin - 1] == "\\":
        begin -= 1
    return (index - begin) % 2 == 1


def _decode(data: bytes) -> str:
    for bom, name in _WIDE:
        if data.startswith(bom):
            raise SourceError(f"the text is {name}, not UTF-8", 1, 1, "save the file as UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8").removeprefix(_BOM)
        line, column = _line_and_column(before, len(before))
        raise SourceError(
            f"byte 0x{data[error.start]:02x} is not UTF-8", line, column, "save the file as UTF-8"
        ) from None


def _line_and_column(text: str, index: int) -> tuple[int, int]:
    breaks = list(_LINE_START.finditer(text, 0, index))
    return len(breaks) + 1, index - (breaks[-1].end() if breaks else 0) + 1


def _forbidden(character: str, line: int, column: int) -> tuple[str, int, int, str]:
    code = f"U+{ord(character):04X}"
    if character == "\0":
        return "a NUL character cannot stand in YAML", line, column, 'is this a binary file? In text write "\\0"'
    if character == _BOM:
        return "a byte order mark stands within the text", line, column, "remove it: two files were joined here"
    return f"the character {code} cannot stand in YAML", line, column, "remove it, or write it as an escape in quotes"


_QUOTE_HINT = "quote the text if the character belongs to it"

_WORDS: dict[str, tuple[str, str | None]] = {
    "mapping values are not allowed in this context": (
        "a ':' is not allowed here",
        "quote text that holds ': ', or check the indentation",
    ),
    "did not find expected key": (
        "a key was expected here",
        "check the indentation of this line against the lines above",
    ),
    "did not find expected '-' indicator": (
        "a '-' was expected here",
        "check the indentation of this line against the list above",
    ),
    "could not find expected ':'": ("a ':' is missing after this key", "write `key: value`"),
    "did not find expected ',' or ']'": ("a ',' or ']' was expected here", "the list was opened above with '['"),
    "did not find expected ',' or '}'": ("a ',' or '}' was expected here", "the map was opened above with '{'"),
    "did not find expected node content": ("a value was expected here", None),
    "did not find expected <document start>": (
        "the document has ended before this line",
        "check the indentation, or begin a new document with '---'",
    ),
    "found unknown escape character": (
        "this escape is not known in double quotes",
        "write a backslash as \\\\, or use single quotes",
    ),
    "block sequence entries are not allowed in this context": (
        "a list cannot begin here",
        "put '-' on a line of its own below the key",
    ),
    "found a tab character where an indentation space is expected": (
        "a tab cannot indent",
        "use spaces: tabs are not allowed for indentation",
    ),
    "found a tab character that violates indentation": (
        "a tab cannot indent",
        "use spaces: tabs are not allowed for indentation",
    ),
    "found undefined tag handle": ("the tag is not known", "remove the tag, or quote the text"),
    "found incompatible YAML document": ("only YAML 1.1 and 1.2 can be read", None),
}


def syntax_error(error: yaml.YAMLError, source: Source, file: str | None) -> Diagnostic:
    """What libyaml could not read, in plain words."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Diagnostic("syntax", str(error).partition("\n")[0], Place(file))
    problem = error.problem or "the text cannot be read"
    mark = error.problem_mark or error.context_mark
    message, hint = _WORDS.get(problem, (problem, None))
    if problem in ("found unexpected end of stream", "found unexpected document indicator") and error.context_mark:
        mark = error.context_mark
        message, hint = "this quote is never closed", "add the closing quote"
    index = min(source.index(mark), len(source.text)) if mark is not None else 0
    line, column = source.line_and_column(index)
    character = source.text[index : index + 1]
    if problem == "found character that cannot start any token":
        if character == "\t":
            message, hint = "a tab cannot indent", "use spaces: tabs are not allowed for indentation"
        else:
            message, hint = f"text cannot begin with {character!r}", _QUOTE_HINT
    return Diagnostic("syntax", message, Place(file, line, column), hint)
