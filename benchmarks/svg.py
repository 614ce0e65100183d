"""What the pictures share: a frame that reads well on light and on dark, and a scale of round numbers."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, log10
from xml.sax.saxutils import escape, quoteattr

STYLE = (
    "text{font:12px sans-serif;fill:#555}.t{font-size:14px;fill:#222}.b{fill:#fff}.g{stroke:#ddd}.w{stroke:#222}"
    "@media(prefers-color-scheme:dark){text{fill:#aaa}.t{fill:#eee}.b{fill:#161b22}.g{stroke:#333}.w{stroke:#eee}}"
)
"""Classes: `t` a title, `b` the background, `g` a line of the grid, `w` a whisker."""


def frame(title: str, body: Iterable[str], *, width: int, height: int, left: int) -> str:
    """A whole picture around its lines. The title is written above them, and told to who cannot see."""
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
                f"aria-label={quoteattr(title)}>"
            ),
            f"<style>{STYLE}</style>",
            f'<rect class="b" width="{width}" height="{height}"/>',
            text(title, left, 20, kind="t"),
            *body,
            "</svg>\n",
        ]
    )


def text(words: str, x: float, y: float, *, anchor: str = "start", kind: str = "") -> str:
    """Words at a point. `anchor` is start, middle or end."""
    chosen = f' class="{kind}"' if kind else ""
    aligned = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text{chosen} x="{x:.1f}" y="{y:.1f}"{aligned}>{escape(words)}</text>'


def step(most: float) -> float:
    """A round number that goes into `most` some two to four times; 1 where there is nothing to show."""
    if most <= 0:
        return 1.0
    rough = most / 4
    unit = 10.0 ** floor(log10(rough))
    return next(unit * factor for factor in (1.0, 2.0, 5.0, 10.0) if unit * factor >= rough * 0.999)
