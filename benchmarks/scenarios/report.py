"""What the turns of a scenario come to: a table, a picture, and ratios for the targets."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.bars import Bar, draw_bars
from benchmarks.figures import Spread, ratios, table
from benchmarks.scenarios.contenders import FLOOR, Contender
from benchmarks.scenarios.scenario import Scenario
from benchmarks.scenarios.turns import CONNECTIONS, Turns
from benchmarks.targets import Reached


def efficiencies(turns: Turns, name: str) -> list[float]:
    """Requests per second of processor time, round by round."""
    return [each.efficiency for each in turns[name]]


def rates(turns: Turns, name: str) -> list[float]:
    """Requests per second, round by round."""
    return [each.rate for each in turns[name]]


def beside(turns: Turns, ours: str, theirs: str) -> Spread:
    """What one does with a second of processor time, by what another does with it; paired by rounds."""
    return ratios(efficiencies(turns, ours), efficiencies(turns, theirs))


def by_rate(turns: Turns, ours: str, theirs: str) -> Spread:
    """The rate of one by that of another; paired by rounds."""
    return ratios(rates(turns, ours), rates(turns, theirs))


def reached_beside(turns: Turns, ours: str, theirs: str) -> Reached:
    """The ratio that a target is about, and the same by the clock."""
    return Reached(beside(turns, ours, theirs), f"{by_rate(turns, ours, theirs).median:.2f} by the clock")


def scenario_table(scenario: Scenario, taking_part: Sequence[Contender], turns: Turns) -> str:
    """A row for each that took part."""
    hand = next(iter(scenario.applications))
    head = [
        f"{CONNECTIONS} connections, one core, {len(turns[FLOOR])} rounds",
        "requests/s",
        "by hand = 1",
        "per second of processor time",
        "by hand = 1 (least to most)",
        "floor = 1",
    ]
    rows = [
        [
            each.title,
            f"{Spread.of(rates(turns, each.name)).median:,.0f}",
            f"{by_rate(turns, each.name, hand).median:.2f}",
            f"{Spread.of(efficiencies(turns, each.name)).median:,.0f}",
            beside(turns, each.name, hand).text(".2f"),
            f"{beside(turns, each.name, FLOOR).median:.2f}",
        ]
        for each in taking_part
    ]
    return table(head, rows)


def scenario_picture(scenario: Scenario, taking_part: Sequence[Contender], turns: Turns) -> str:
    """Requests per second of processor time, as SVG."""
    bars = [
        Bar(each.title.replace("`", ""), Spread.of(efficiencies(turns, each.name)), each.part) for each in taking_part
    ]
    return draw_bars(scenario.title, bars, unit="requests per second of processor time")
