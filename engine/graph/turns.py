"""Long work on the event loop, in slices."""

from __future__ import annotations

import asyncio
from time import perf_counter

SLICE = 0.005
"""Seconds of work before the event loop gets a turn."""


class Turns:
    """Tells work that goes on for long when to let others run: `if turns.due: await turns.give()`."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = perf_counter()

    @property
    def due(self) -> bool:
        """Whether the slice is used up."""
        return perf_counter() - self._since > SLICE

    async def give(self) -> None:
        """Let others run once; a new slice begins."""
        await asyncio.sleep(0)
        self._since = perf_counter()
