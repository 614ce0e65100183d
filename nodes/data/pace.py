"""Which statements are so short that a thread costs more than they do.

To look up a row by its key takes SQLite some ten microseconds; to have a thread do it takes five times as long. But nobody
can tell from its text how long a statement takes, and what lasts must not hold up the event loop. So each text begins in
a thread, where it is watched. One that was short there :data:`LESSONS` times in a row runs in the event loop from then on,
for :data:`BUDGET` seconds at most. One that takes longer begins its lessons anew.
"""

from __future__ import annotations

from typing import Final

BUDGET: Final = 0.0005
"""Seconds that a statement may take within the event loop. Then it is interrupted, and begins anew in a thread."""

LESSONS: Final = 3
"""Times that a statement has to be short before it is taken for short."""

_SHORT: Final = BUDGET / 2
_KNOWN: Final = 1024
"""Statements that are remembered."""
_LONGEST: Final = 4096
"""Characters of a statement that is remembered."""


class Pace:
    """What is known about the statements of one database."""

    def __init__(self) -> None:
        self._lessons: dict[str, int] = {}

    def is_short(self, sql: str) -> bool:
        """Whether a statement may run in the event loop."""
        return self._lessons.get(sql, 0) >= LESSONS

    def took(self, sql: str, seconds: float) -> None:
        """A statement has taken so many seconds of a processor, in a thread."""
        if len(sql) > _LONGEST:
            return
        if seconds > _SHORT:
            self.forget(sql)
            return
        if len(self._lessons) >= _KNOWN and sql not in self._lessons:
            self._lessons.clear()  # texts that differ each time: whoever writes those gets threads
        self._lessons[sql] = self._lessons.get(sql, 0) + 1

    def forget(self, sql: str) -> None:
        """A statement is not short: its lessons begin anew."""
        self._lessons.pop(sql, None)
