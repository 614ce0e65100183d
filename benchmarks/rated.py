"""The parts that `wrk` measures: each scenario in requests per second."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from benchmarks.part import Effort, Outcome, Part, Told
from benchmarks.scenarios.alike import check
from benchmarks.scenarios.catalogue import RATED
from benchmarks.scenarios.contenders import FLOOR, Contender, contenders, running
from benchmarks.scenarios.report import reached_beside, scenario_picture, scenario_table
from benchmarks.scenarios.scenario import Scenario
from benchmarks.scenarios.turns import Turns, measure
from benchmarks.targets import Reached

ABOUT = (
    "{text} Server and load generator have a core each; the servers are measured in turns, ratios are taken per round, and "
    "*processor time* is that of the server with its threads and children."
)
START = 1.2
"""About how many seconds a server takes until it is ready."""


def parts() -> list[Part]:
    """One for each scenario."""
    return [
        Part(
            name=scenario.name,
            title=scenario.title,
            text=ABOUT.format(text=scenario.text),
            takes=round(len(contenders(scenario)) * (START + 1 + 1.1 * scenario.rounds)),
            run=partial(run, scenario),
            programs=("wrk",),
        )
        for scenario in RATED
    ]


def run(scenario: Scenario, effort: Effort, told: Told) -> Outcome:
    """Check that all answer alike, and measure."""
    taking_part = contenders(scenario)
    turns = compare(scenario, taking_part, effort, told)
    picture = f"{scenario.name}.svg"
    text = f"{scenario_table(scenario, taking_part, turns)}\n\n![{scenario.title}](pictures/{picture})"
    return Outcome(text, reached(scenario, turns), {picture: scenario_picture(scenario, taking_part, turns)})


def compare(scenario: Scenario, taking_part: Sequence[Contender], effort: Effort, told: Told) -> Turns:
    """The turns of all that take part; before the first one, whether they do the same."""
    with running(scenario, taking_part) as servers:
        told("do all answer alike?")
        check(scenario, {name: server for name, server in servers.items() if name != FLOOR})
        return measure(scenario, servers, rounds=effort.times(scenario.rounds), seconds=1, told=told)


def reached(scenario: Scenario, turns: Turns) -> dict[str, Reached]:
    """The figures of those targets that a scenario is about."""
    match scenario.name:
        case "ping":
            return {
                "ping": reached_beside(turns, "flow", "application"),
                "ping floor": reached_beside(turns, "flow", FLOOR),
            }
        case "chain":
            return {"chain": reached_beside(turns, "flow", "ping")}
        case "crud":
            return {"crud": reached_beside(turns, "flow", "application")}
        case _:
            return {}
