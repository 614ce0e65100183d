"""A line over a number of changes, as SVG written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from benchmarks.svg import frame, step, text

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 36, 40

Point = tuple[float, float]


def draw(title: str, points: Sequence[Point], *, across: str, unit: str) -> str:
    """The picture. `points` are in order of their first coordinate, at least two; the scale of the second begins at 0."""
    end = points[-1][0]
    mark = step(max(value for _, value in points))
    top = mark * ceil(max(value for _, value in points) / mark)

    def x(value: float) -> float:
        return LEFT + value / end * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    lines: list[str] = []
    for index in range(round(top / mark) + 1):
        height = y(index * mark)
        lines += [
            f'<line class="g" x1="{LEFT}" y1="{height:.1f}" x2="{WIDTH - RIGHT}" y2="{height:.1f}"/>',
            text(f"{index * mark:g} {unit}", LEFT - 8, height + 4, anchor="end"),
        ]
    for part in range(5):
        value = end * part / 4
        lines.append(text(f"{value:,.0f}", x(value), HEIGHT - 20, anchor="middle"))
    path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
    lines += [
        text(across, WIDTH / 2, HEIGHT - 4, anchor="middle"),
        f'<polyline points="{path}" fill="none" stroke="#1f6feb" stroke-width="2"/>',
    ]
    return frame(title, lines, width=WIDTH, height=HEIGHT, left=LEFT)
