"""Findings for a terminal: place, rule and message, the line with a caret under the column, and what to do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from engine.errors import Diagnostic

_BREAK = re.compile("\r\n|\r|\n")
_TAB_WIDTH: Final = 8
_MAX_WIDTH: Final = 120
_ELLIPSIS: Final = "…"

_RED: Final = "\x1b[31m"
_YELLOW: Final = "\x1b[33m"
_BOLD: Final = "\x1b[1m"
_FAINT: Final = "\x1b[2m"
_RESET: Final = "\x1b[0m"


def render(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str], *, color: bool = False) -> str:
    """The findings as text, sorted by place, with a last line that counts them; empty if there are none.

    `sources` has the texts of the files; a finding in another file is shown without its line. Control characters of
    the sources are shown as pictures, so that a file cannot write to the terminal.
    """
    found = sorted(diagnostics, key=_order)
    if not found:
        return ""
    lines = {file: _BREAK.split(text.removeprefix("\ufeff")) for file, text in sources.items()}
    parts = [_one(diagnostic, lines, color) for diagnostic in found]
    return "\n".join([*parts, _count(found)]) + "\n"


def _order(diagnostic: Diagnostic) -> tuple[str, int, int, str]:
    place = diagnostic.place
    return place.file or "", place.line, place.column, diagnostic.rule


def _one(diagnostic: Diagnostic, lines: Mapping[str, list[str]], color: bool) -> str:
    place = diagnostic.place
    shade = _RED if diagnostic.severity == "error" else _YELLOW
    message = _shown(diagnostic.message)
    if color:
        rows = [f"{_BOLD}{place}{_RESET} {shade}{diagnostic.rule}{_RESET} {message}"]
    else:
        rows = [f"{place} {diagnostic.rule} {message}"]
    source = lines.get(place.file or "", [])
    if 0 < place.line <= len(source):
        row, caret = _excerpt(source[place.line - 1], place.column)
        rows.append(f"  {row}".rstrip())
        if caret >= 0:
            mark = f"{shade}^{_RESET}" if color else "^"
            rows.append(f"  {' ' * caret}{mark}")
    if diagnostic.hint:
        hint = f"hint: {_shown(diagnostic.hint)}"
        rows.append(f"  {_FAINT}{hint}{_RESET}" if color else f"  {hint}")
    return "\n".join(rows)


def _excerpt(line: str, column: int) -> tuple[str, int]:
    """The line as a terminal shows it, cut to what fits, and how many cells stand before the column (-1: no column)."""
    cells: list[tuple[str, int]] = []
    total = 0
    caret = -1
    for number, character in enumerate(line, start=1):
        if number == column:
            caret = total
        text = " " * (_TAB_WIDTH - total % _TAB_WIDTH) if character == "\t" else _shown(character)
        width = _width(text)
        cells.append((text, width))
        total += width
    if column > len(line):
        caret = total
    if total <= _MAX_WIDTH:
        return "".join(text for text, _ in cells), caret
    return _window(cells, max(caret, 0)) if caret >= 0 else (_window(cells, 0)[0], -1)


def _window(cells: list[tuple[str, int]], caret: int) -> tuple[str, int]:
    """The part of a long line around the caret."""
    begin = max(0, caret - _MAX_WIDTH // 2)
    shown: list[str] = [_ELLIPSIS] if begin else []
    used = len(shown)
    position = 0
    offset = -1
    for text, width in cells:
        if position >= begin:
            if offset < 0:
                offset = position - used
            if used + width > _MAX_WIDTH - 1:
                shown.append(_ELLIPSIS)
                break
            shown.append(text)
            used += width
        position += width
    return "".join(shown), caret - max(offset, 0)


def _shown(text: str) -> str:
    """Control characters as pictures; line feeds as spaces."""
    return "".join(
        " "
        if character == "\n"
        else chr(0x2400 + ord(character))
        if ord(character) < 0x20
        else "\u2421"
        if character == "\x7f"
        else "\ufffd"
        if "\x80" <= character <= "\x9f"
        else character
        for character in text
    )


def _width(text: str) -> int:
    """How many cells of a terminal a text takes."""
    return sum(_cell(character) for character in text)


def _cell(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _count(found: list[Diagnostic]) -> str:
    errors = sum(diagnostic.severity == "error" for diagnostic in found)
    return ", ".join(
        f"{count} {word}{'s' if count != 1 else ''}"
        for count, word in ((errors, "error"), (len(found) - errors, "warning"))
        if count
    )
