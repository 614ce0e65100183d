"""What the project has promised to reach, and what was measured: the table at the top of the report.

A target belongs to a part of the benchmarks. A run that does not try that part keeps the row that an earlier run has left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.figures import Spread

TITLE = "Targets"
HEAD = "| target | wanted | measured | met | when |\n| --- | --- | --- | --- | --- |"
NOT_YET = "not measured yet"


@dataclass(frozen=True, slots=True)
class Target:
    """A bound for the median of a figure: `least` or `most`, in `unit`. `form` is how figures are written."""

    words: str
    least: float | None = None
    most: float | None = None
    unit: str = ""
    form: str = ".2f"

    @property
    def wanted(self) -> str:
        """The bound, in words."""
        if self.least is not None:
            return f"at least {self.least:{self.form}}{self.unit}"
        return f"at most {self.most:{self.form}}{self.unit}"

    def is_met(self, spread: Spread) -> bool:
        """Whether the median keeps to the bound."""
        if self.least is not None:
            return spread.median >= self.least
        assert self.most is not None
        return spread.median <= self.most


@dataclass(frozen=True, slots=True)
class Reached:
    """What was measured for a target; `note` says what the figure alone does not, such as the same by another clock."""

    spread: Spread
    note: str = ""


BY_HAND = "requests per second of processor time, beside the application by hand"
TARGETS: Mapping[str, Target] = {
    "ping": Target(f"ping, one worker: {BY_HAND}", least=1.0),
    "ping floor": Target("ping, one worker: the same, beside the low-level server", least=0.85),
    "chain": Target("five CEL snippets in a chain, beside a ping", least=0.85),
    "crud": Target("CRUD on SQLite, beside the application by hand", least=0.9),
    "peer": Target("ping, beside Node-RED", least=5.0),
    "waiting": Target(
        "memory of a waiting process, beyond what aiohttp holds for its connection", most=3.0, unit=" KB"
    ),
    "start": Target("start-up with 10,000 specs on one core", most=3.0, unit=" s"),
    "help": Target("`weir --help`", most=150.0, unit=" ms", form=".0f"),
}
"""By key: what a part reports is found here."""

NOTHING_YET = "| debugger, tap and traces, while nobody looks | no cost | there are none yet | - | - |"


def targets_table(before: str | None, found: Mapping[str, Reached], *, day: str) -> str:
    """The table: new rows for what was found, the rows of `before` for the rest.

    `before` is the text of the section as it was, None where there is none; `day` is when it was measured.
    """
    kept = _rows(before or "")
    rows = [_row(target, found.get(key), kept, day) for key, target in TARGETS.items()]
    return "\n".join([HEAD, *rows, NOTHING_YET])


def _row(target: Target, reached: Reached | None, kept: Mapping[tuple[str, str], str], day: str) -> str:
    if reached is None:
        # A target that has been changed since was not tried.
        empty = f"| {target.words} | {target.wanted} | {NOT_YET} | - | - |"
        return kept.get((target.words, target.wanted), empty)
    verdict = "yes" if target.is_met(reached.spread) else "**no**"
    measured = f"{reached.spread.text(target.form)}{target.unit}" + (f"; {reached.note}" if reached.note else "")
    return f"| {target.words} | {target.wanted} | {measured} | {verdict} | {day} |"


def _rows(text: str) -> dict[tuple[str, str], str]:
    """The rows of an earlier table, by target and bound."""
    lines = (line for line in text.splitlines() if re.match(r"\| (?!target |---)", line))
    rows: dict[tuple[str, str], str] = {}
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5:
            rows[cells[0], cells[1]] = line
    return rows
