"""Where the values of a document were written.

Every error should point at a line and a column, long after the text is gone: a spec comes back from a store, a typed
field is checked once its template is filled. So each document carries *marks*, a tree parallel to its data:

=====================================  ================================================================================
mark                                   of
=====================================  ================================================================================
``pos``                                a scalar on one line
``(pos, pos)``                         a literal block (``|``): the second is where the first line of its text begins
``(pos, children)``                    a list
``(pos, segments, 0)``                 any other scalar whose text is laid out differently from the file
``(pos, keys, key_positions, children)``  a map
=====================================  ================================================================================

A position is one integer, ``line << 25 | column << 1 | quoted``, both counted from 1. (A dict from path to place would
cost twenty times as much, and most documents are never asked.) `quoted` says that the text begins one column later.
Segments are flat quadruples *(line, column in the text, line, column in the file)*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import Place

Marks = int | tuple[Any, ...]
"""One node of the tree that the module's docstring shows."""

Path = Sequence[str | int]

LINE_SHIFT = 25
MAX_COLUMN = (1 << (LINE_SHIFT - 1)) - 1
"""Columns beyond this (16,777,215) are reported as this."""

_COLUMN_MASK = MAX_COLUMN
_QUOTED = 1


def pack(line: int, column: int, *, quoted: bool = False) -> int:
    """The position of a line and a column, both counted from 1."""
    return line << LINE_SHIFT | min(column, MAX_COLUMN) << 1 | quoted


def unpack(position: int) -> tuple[int, int]:
    """Line and column of a position."""
    return position >> LINE_SHIFT, position >> 1 & _COLUMN_MASK


def position_of(mark: Marks) -> int:
    """Where the value of this mark begins."""
    return mark if isinstance(mark, int) else mark[0]


@dataclass(frozen=True, slots=True)
class Origin:
    """The file of a document, and the places of all its values."""

    file: str | None = None
    marks: Marks = 0

    def place(self, path: Path = (), *, key: bool = False) -> Place:
        """Where the value at `path` (keys and indices) begins, or its key.

        What is not in the document has the place of its nearest ancestor that is: a field that a check misses is
        reported where its map begins.
        """
        mark, key_position, depth = self._descend(path)
        if key and depth == len(path) and key_position:
            return self._place(key_position)
        return self._place(position_of(mark))

    def knows(self, path: Path) -> bool:
        """Whether the document has a value at `path`."""
        return self._descend(path)[2] == len(path)

    def at(self, *prefix: str | int) -> Origin:
        """The origin of the part of this document at `prefix`."""
        mark, _, depth = self._descend(prefix)
        return Origin(self.file, mark if depth == len(prefix) else position_of(mark))

    def inside(self, path: Path, line: int, column: int) -> Place:
        """The place of a line and column (from 1) within the text of the scalar at `path`.

        Exact for text on one line and for literal blocks; in folded text the line is right and the column as well as
        folding lets it be told.
        """
        mark, _, depth = self._descend(path)
        if depth < len(path):
            return self._place(position_of(mark))
        if isinstance(mark, int):
            start, shift = unpack(mark)
            if not start or line > 1:
                return self._place(mark)
            return Place(self.file, start, shift + (mark & _QUOTED) + column - 1)
        if len(mark) == 2 and isinstance(mark[1], int):
            start, indent = unpack(mark[1])
            return Place(self.file, start + line - 1, indent + column - 1)
        if len(mark) == 3:
            return self._in_segments(mark[1], line, column)
        return self._place(position_of(mark))

    def to_json(self) -> dict[str, Any]:
        """A compact form for a store; :meth:`from_json` reads it."""
        return {"file": self.file, "marks": _listed(self.marks)}

    @classmethod
    def from_json(cls, form: dict[str, Any]) -> Origin:
        return cls(form.get("file"), _tupled(form.get("marks", 0)))

    def _descend(self, path: Path) -> tuple[Marks, int, int]:
        """The mark of the nearest known ancestor, the position of its key, and how many steps lead there."""
        mark = self.marks
        key_position = 0
        for depth, part in enumerate(path):
            if isinstance(mark, int) or len(mark) == 3:
                return mark, 0, depth
            if len(mark) == 4:
                index = _index_of(mark[1], part)
                if index is None:
                    return mark, 0, depth
                key_position = mark[2][index]
                mark = mark[3][index]
                continue
            children = mark[1]
            if isinstance(children, int) or not isinstance(part, int) or not 0 <= part < len(children):
                return mark, 0, depth
            key_position = 0
            mark = children[part]
        return mark, key_position, len(path)

    def _place(self, position: int) -> Place:
        return Place(self.file, *unpack(position))

    def _in_segments(self, segments: tuple[int, ...], line: int, column: int) -> Place:
        found = segments[:4]
        for start in range(0, len(segments), 4):
            if (segments[start], segments[start + 1]) > (line, column):
                break
            found = segments[start : start + 4]
        text_line, text_column, file_line, file_column = found
        if text_line != line:
            return Place(self.file, file_line + line - text_line, 1)
        return Place(self.file, file_line, file_column + column - text_column)


def _index_of(keys: Sequence[Any], part: str | int) -> int | None:
    """Which key `part` is. A key that is not text is also found by its text: a store keeps keys as text."""
    for index, key in enumerate(keys):
        if key == part or (not isinstance(key, str) and key_text(key) == part):
            return index
    return None


def key_text(key: Any) -> str:
    """The text that JSON makes of a key: `404`, `true`, `null`."""
    if isinstance(key, str):
        return key
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)


def _listed(mark: Marks) -> Any:
    if isinstance(mark, int):
        return mark
    if len(mark) == 4:
        position, keys, positions, children = mark
        return [position, [key_text(key) for key in keys], list(positions), [_listed(child) for child in children]]
    if len(mark) == 3:
        return [mark[0], list(mark[1]), 0]
    if isinstance(mark[1], int):
        return list(mark)
    return [mark[0], [_listed(child) for child in mark[1]]]


def _tupled(form: Any) -> Marks:
    if isinstance(form, int):
        return form
    return tuple(_tupled(item) if isinstance(item, list) else item for item in form)
