"""A line over a number of changes, as SVG written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 36, 40

Point = tuple[float, float]


def draw(title: str, points: Sequence[Point], *, across: str, unit: str) -> str:
    """The picture. `points` are in order of their first coordinate, at least two; the scale of the second begins at 0."""
    end = points[-1][0]
    step = _step(max(value for _, value in points))
    top = step * ceil(max(value for _, value in points) / step)

    def x(value: float) -> float:
        return LEFT + value / end * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
        "<style>text{font:12px sans-serif;fill:#555}.t{font-size:14px;fill:#222}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text class="t" x="{LEFT}" y="20">{title}</text>',
    ]
    for index in range(round(top / step) + 1):
        height = y(index * step)
        lines += [
            f'<line x1="{LEFT}" y1="{height:.1f}" x2="{WIDTH - RIGHT}" y2="{height:.1f}" stroke="#ddd"/>',
            f'<text x="{LEFT - 8}" y="{height + 4:.1f}" text-anchor="end">{index * step:g} {unit}</text>',
        ]
    for part in range(5):
        value = end * part / 4
        lines.append(f'<text x="{x(value):.1f}" y="{HEIGHT - 20}" text-anchor="middle">{value:,.0f}</text>')
    path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
    lines += [
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 4}" text-anchor="middle">{across}</text>',
        f'<polyline points="{path}" fill="none" stroke="#1f6feb" stroke-width="2"/>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _step(most: float) -> float:
    """A round number that goes into `most` some three to seven times."""
    rough = most / 4
    unit = 10.0 ** floor(log10(rough))
    return next(unit * factor for factor in (1.0, 2.0, 5.0, 10.0) if unit * factor >= rough)
