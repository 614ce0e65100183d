"""The text of an expression, and where in it an offset stands."""

from __future__ import annotations

from bisect import bisect_right

from engine.errors import Code, ExpressionError, Place


class Source:
    """Source text that turns offsets into places. Lines and columns count from 1, columns in characters."""

    __slots__ = ("_starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        starts = [0]
        found = text.find("\n")
        while found >= 0:
            starts.append(found + 1)
            found = text.find("\n", found + 1)
        self._starts = starts

    def position(self, offset: int) -> tuple[int, int]:
        """The line and column of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def place(self, offset: int) -> Place:
        line, column = self.position(offset)
        return Place(None, line, column)

    def error(self, message: str, offset: int, hint: str | None = None, *, code: Code | None = None) -> ExpressionError:
        """An error of compiling, with its place."""
        return ExpressionError(message, place=self.place(offset), hint=hint, code=code)
