"""How far something is that takes long: a bar on a terminal, a line now and then elsewhere. On standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import click

from engine.cli.console import Console

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

EVERY: Final = 5.0
"""Seconds between two lines where there is no terminal."""

_WIDTH: Final = 30


class Meter:
    """Shows steps one after another; `async with` or `with` ends the last one, whatever happens.

    What is over within :data:`EVERY` seconds leaves no line behind where there is no terminal.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = monotonic) -> None:
        self._console = console
        self._clock = clock
        self._terminal = sys.stderr.isatty()
        self._step: str | None = None
        self._bar: ProgressBar[int] | None = None
        self._told = clock()

    def tell(self, step: str, done: int, total: int) -> None:
        """`done` of `total` items of a step; a total of 0 is one that nobody knows, or has outgrown."""
        total = max(done, total)
        if self._terminal:
            self._draw(step, done, total)
        elif self._clock() - self._told >= EVERY:
            self._told = self._clock()
            self._console.note(f"{step}: {done:,} of {total:,}")

    def end(self) -> None:
        """Leave the last bar as it is."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.render_finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _draw(self, step: str, done: int, total: int) -> None:
        if self._bar is None or step != self._step:
            self.end()
            color = self._console.colors(sys.stderr)
            self._bar = click.progressbar(
                length=total, label=f"{step:<9}", width=_WIDTH, show_pos=True, file=sys.stderr, color=color
            )
            self._step = step
        self._bar.length = total
        self._bar.update(done - self._bar.pos)
