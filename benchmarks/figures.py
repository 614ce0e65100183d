"""Figures of several rounds: the median, and the least and the most beside it.

A shared machine gives every figure a spread, and a median without it says more than is known. Ratios are taken within a
round, between turns that followed each other, so that what else the machine did hits both sides.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some figures, and their range."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Iterable[float]) -> Self:
        """Raises ValueError where there are no figures."""
        found = list(figures)
        if not found:
            raise ValueError("no figures, no median")
        return cls(statistics.median(found), min(found), max(found))

    def times(self, factor: float) -> Spread:
        """The same in another unit."""
        return Spread(self.median * factor, self.least * factor, self.most * factor)

    def text(self, form: str = ",.2f") -> str:
        """`1.01 (0.93 to 1.05)`; `form` is how each figure is written."""
        return f"{self.median:{form}} ({self.least:{form}} to {self.most:{form}})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ours by theirs, round by round. Raises ValueError where the rounds do not pair up or theirs is nothing."""
    if any(each <= 0 for each in theirs):
        raise ValueError("a ratio to nothing")
    return Spread.of(mine / other for mine, other in zip(ours, theirs, strict=True))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown: the first column is text, the others are figures. Raises ValueError for a row of another width."""
    lines = [_line(head), "| --- |" + " ---: |" * (len(head) - 1)]
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"{len(row)} cells below {len(head)} headings: {row}")
        lines.append(_line(row))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
