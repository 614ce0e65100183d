"""One bar for each of those that are compared, with a whisker for the spread, as SVG written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from benchmarks.figures import Spread
from benchmarks.svg import frame, step, text

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 720, 16, 24, 36, 44
ROW, BAR = 44, 16
COLOURS = {"floor": "#8b949e", "hand": "#bf8700", "weir": "#1f6feb", "peer": "#a371f7"}
"""By the part that a bar plays: the floor, what is written by hand, Weir, somebody else's program."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One of those that are compared. `part` is a key of :data:`COLOURS`."""

    label: str
    spread: Spread
    part: str


def draw_bars(title: str, bars: Sequence[Bar], *, unit: str, form: str = ",.0f") -> str:
    """The picture, its bars from top to bottom in the order given. `form` is how figures are written."""
    mark = step(max(bar.spread.most for bar in bars))
    end = mark * max(1, ceil(max(bar.spread.most for bar in bars) / mark))
    height = TOP + ROW * len(bars) + BOTTOM

    def x(value: float) -> float:
        return LEFT + value / end * (WIDTH - LEFT - RIGHT)

    lines: list[str] = []
    for index in range(round(end / mark) + 1):
        at = x(index * mark)
        anchor = "start" if index == 0 else "end" if at > WIDTH - RIGHT - 1 else "middle"
        lines += [
            f'<line class="g" x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{height - BOTTOM}"/>',
            text(f"{index * mark:,g}", at, height - BOTTOM + 16, anchor=anchor),
        ]
    for index, bar in enumerate(bars):
        top = TOP + ROW * index + 20
        middle = top + BAR / 2
        low, high = x(bar.spread.least), x(bar.spread.most)
        lines += [
            text(f"{bar.label}: {bar.spread.median:{form}}", LEFT, top - 5),
            (
                f'<rect x="{LEFT}" y="{top}" width="{x(bar.spread.median) - LEFT:.1f}" height="{BAR}" rx="2" '
                f'fill="{COLOURS[bar.part]}"/>'
            ),
            (
                f'<path class="w" fill="none" d="M{low:.1f},{middle}H{high:.1f}M{low:.1f},{top + 4}v{BAR - 8}'
                f'M{high:.1f},{top + 4}v{BAR - 8}"/>'
            ),
        ]
    lines.append(text(f"{unit}; the whiskers are the least and the most", WIDTH / 2, height - 8, anchor="middle"))
    return frame(title, lines, width=WIDTH, height=height, left=LEFT)
