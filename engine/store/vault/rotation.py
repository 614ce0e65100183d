"""Sealing all values anew, a part at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.errors import Diagnostic

AT_ONCE: Final = 200
"""Values that one part of a rotation is about: one transaction, which others wait for."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """One part: how many values were `sealed` anew, and how many were sealed with the first key already (`current`).

    `problems` are those that cannot be opened and so stay as they are. `after` is where the next part begins, None after
    the last. `left` is a sentence about what could not be cleaned away: plain text that was written by an older version.
    """

    sealed: int = 0
    current: int = 0
    problems: tuple[Diagnostic, ...] = ()
    after: str | None = None
    left: str | None = None
