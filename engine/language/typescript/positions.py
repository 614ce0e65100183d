"""From a place in translated code back to the place in the source.

Taking types out moves what stands behind them, so a place in the JavaScript says little to who wrote the TypeScript. The
translator tells, in order, at which characters the distance between the two changes; in between it is the same.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from operator import itemgetter
from typing import ClassVar

from engine.errors import Place
from engine.language.javascript.tokens import offset_at, place_at


@dataclass(frozen=True, slots=True)
class Positions:
    """The way back from `code` to `source`.

    `segments` are pairs of offsets in characters, one in `code` and the one in `source` that it came from. Both rise;
    the first offset in `code` is 0.
    """

    name: ClassVar[str] = "snippet.ts"

    source: str
    code: str
    segments: tuple[tuple[int, int], ...]

    def place(self, place: Place) -> Place:
        """The place in the source. Of code that was put in, it is that of the code before or behind it."""
        offset = offset_at(self.code, place)
        index = bisect_right(self.segments, offset, key=itemgetter(0)) - 1
        at, origin = self.segments[index]
        end = self.segments[index + 1][1] if index + 1 < len(self.segments) else len(self.source)
        return place_at(self.source, min(origin + offset - at, end))
