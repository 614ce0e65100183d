"""Tables for people: columns as wide as what is in them, wide characters counted as terminals show them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

_GAP: Final = 3


def render(header: Sequence[str], rows: Sequence[Sequence[str]], *, widths: list[int] | None = None) -> list[str]:
    """The lines of a table. `widths` are kept between calls, so that rows that come later stand in the same columns."""
    shown = [[clean(cell) for cell in row] for row in ([header] if header else []) + list(rows)]
    if widths is None:
        widths = []
    count = max((len(row) for row in shown), default=0)
    widths += [0] * (count - len(widths))
    for row in shown:
        for column, cell in enumerate(row):
            widths[column] = max(widths[column], _width(cell))
    return [
        "".join(cell + " " * (widths[column] - _width(cell) + _GAP) for column, cell in enumerate(row)).rstrip()
        for row in shown
    ]


class Growing:
    """A table whose rows come one after another, each in the columns of the header above it.

    A column that must become wider makes it begin anew, with its header. `room` are cells for which there is room from
    the beginning, so that this is rare.
    """

    def __init__(self, header: Sequence[str], *, room: Sequence[str] = ()) -> None:
        self._header = header
        self._widths: list[int] = []
        render(header, [room], widths=self._widths)
        self._begun = False

    def lines(self, rows: Sequence[Sequence[str]]) -> list[str]:
        """The lines of these rows, below the header where it is needed."""
        before = list(self._widths)
        lines = render((), rows, widths=self._widths)
        if self._begun and self._widths == before:
            return lines
        self._begun = True
        return [*render(self._header, (), widths=self._widths), *lines]


def age(span: timedelta) -> str:
    """A span in at most two units: `12s`, `5m`, `3h12m`, `4d`."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    minutes = seconds // 60
    if minutes < 180:
        return f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 10 and minutes:
        return f"{hours}h{minutes}m"
    return f"{hours}h" if hours < 48 else f"{hours // 24}d"


def made_at(id: str) -> datetime | None:
    """When something with this id was made: ids of version 7 (RFC 9562) say so, others do not."""
    try:
        known = UUID(id)
    except ValueError:
        return None
    if known.version != 7:
        return None
    return datetime.fromtimestamp((known.int >> 80) / 1000, UTC)


def clean(text: str) -> str:
    """Text on one line, without anything that a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(character) in ("W", "F")
        else 1
        for character in text
    )
