"""How the text of a scalar lies in its file, so that an error inside code gets a line of the file.

Most scalars stand on one line as they are, and a literal block is its lines without the indent. What remains (folded
blocks, text in quotes with escapes, text over several lines) is matched against the file piece by piece: each piece is
a *segment* that says where it begins in the text and where in the file.
"""

from __future__ import annotations

import re

from engine.spec.origin import Marks, pack

_PROPERTIES = re.compile(r"(?:[&!]\S*(?:\s+(?:#[^\n]*\n\s*)*))+")
_HEADER = re.compile(r"[|>]([-+]?)([1-9]?)[-+]?[^\r\n]*(?:\r\n|\r|\n|$)")
_BREAK = re.compile(r"\r\n|\r|\n")
_DOUBLE_ESCAPE = re.compile(r"\\(?:x..|u....|U........|.)", re.DOTALL)
_SINGLE_ESCAPE = re.compile("''")
_ESCAPED = ""
"""The piece that stands for one escaped character of the text, whatever it is."""


def content_start(text: str, index: int) -> int:
    """Where the scalar that begins at `index` has its content, after anchor and tag."""
    match = _PROPERTIES.match(text, index)
    return match.end() if match else index


def scalar_mark(source: str, value: str, *, start: int, end: int, line: int, column: int) -> Marks:
    """The mark of a scalar that needs more than one number.

    `start` and `end` are its indices in the source, without anchor and tag; `line` and `column` (from 1) are those of
    `start`.
    """
    style = source[start : start + 1]
    if style == "|":
        return _literal(source, value, start, end, line, column)
    if style == ">":
        return _folded(source, value, start, end, line, column)
    if style in ("'", '"'):
        return _quoted(source, value, start, end, line, column)
    return _segments(pack(line, column), value, _plain_pieces(source[start:end], line, column))


def _literal(source: str, value: str, start: int, end: int, line: int, column: int) -> Marks:
    header = _HEADER.match(source, start)
    position = pack(line, column)
    if header is None:
        return position
    indent = _indent(source[header.end() : end], value)
    return (position, pack(line + 1, indent + 1))


def _indent(block: str, value: str) -> int:
    """How many spaces the file has before each line of the block's text.

    The first line with text tells: what it has more than the value's own line is the indent.
    """
    lines = value.split("\n")
    for number, raw in enumerate(_BREAK.split(block)):
        if raw.strip(" "):
            own = lines[number] if number < len(lines) else ""
            if own and raw.endswith(own):
                return len(raw) - len(own)
            return len(raw) - len(raw.lstrip(" "))
        if number >= len(lines):
            break
    return 0


def _folded(source: str, value: str, start: int, end: int, line: int, column: int) -> Marks:
    position = pack(line, column)
    header = _HEADER.match(source, start)
    if header is None:
        return position
    pieces = []
    for number, raw in enumerate(_BREAK.split(source[header.end() : end])):
        words = raw.strip(" ")
        if words:
            pieces.append((words, line + 1 + number, raw.index(words) + 1))
    return _segments(position, value, pieces)


def _plain_pieces(raw: str, line: int, column: int) -> list[tuple[str, int, int]]:
    """The words of each line, with their line and column in the file."""
    pieces = []
    for number, text in enumerate(_BREAK.split(raw)):
        words = text.strip(" \t")
        if words:
            pieces.append((words, line + number, text.index(words) + (column if number == 0 else 1)))
    return pieces


def _quoted(source: str, value: str, start: int, end: int, line: int, column: int) -> Marks:
    quote = source[start]
    escape = _DOUBLE_ESCAPE if quote == '"' else _SINGLE_ESCAPE
    pieces: list[tuple[str, int, int]] = []
    for words, file_line, file_column in _plain_pieces(source[start + 1 : end - 1], line, column + 1):
        begin = 0
        for match in escape.finditer(words):
            if match.start() > begin:
                pieces.append((words[begin : match.start()], file_line, file_column + begin))
            pieces.append((_ESCAPED, file_line, file_column + match.start()))
            begin = match.end()
        rest = words[begin:].removesuffix("\\")  # one at the end of a line joins it with the next
        if rest:
            pieces.append((rest, file_line, file_column + begin))
    return _segments(pack(line, column, quoted=True), value, pieces)


def _segments(position: int, value: str, pieces: list[tuple[str, int, int]]) -> Marks:
    """Find each piece of the file in the value, one after the other."""
    flat: list[int] = []
    offset = counted = line_start = 0
    text_line = 1
    for piece, file_line, file_column in pieces:
        found = offset if piece == _ESCAPED else value.find(piece, offset)
        if not 0 <= found < len(value):
            break  # lost the thread; what is known already is better than a guess
        breaks = value.count("\n", counted, found)
        if breaks:
            text_line += breaks
            line_start = value.rindex("\n", counted, found) + 1
        counted = found
        flat += (text_line, found - line_start + 1, file_line, file_column)
        offset = found + max(len(piece), 1)
    return (position, tuple(flat), 0) if flat else position
