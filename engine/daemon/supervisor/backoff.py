"""How long to wait before a worker is started again.

One that has served for a while is started again at once. One that dies soon after its start, again and again, waits longer
each time, so that it leaves the processor to its siblings; and not all for the same time, so that workers which die together
do not come back together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

STEADY: Final = 10.0
"""Seconds after which a worker that dies has not died of its start."""

FIRST: Final = 0.25
"""Seconds after the second quick death in a row; doubled each time."""

LONGEST: Final = 30.0
"""Seconds at most."""


class Backoff:
    """Counts quick deaths of one slot. `chance` gives a number from 0 to 1."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._quick = 0

    def delay(self, lived: float) -> float:
        """Seconds to wait after the death of a worker that has lived so many seconds."""
        if lived >= STEADY:
            self._quick = 0
            return 0.0
        self._quick += 1
        if self._quick == 1:
            return 0.0
        # The exponent is bounded: after years of deaths it would be no float any more.
        whole = min(LONGEST, FIRST * 2.0 ** min(self._quick - 2, 30))
        return whole * (0.5 + self._chance() / 2)
