"""What is read from `wrk`, and the ratios of turns."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from benchmarks.figures import Spread
from benchmarks.scenarios import turns
from benchmarks.scenarios.contenders import contenders
from benchmarks.scenarios.ping import PING
from benchmarks.scenarios.report import beside, by_rate, reached_beside, scenario_table
from benchmarks.scenarios.servers import BrokenError
from benchmarks.scenarios.turns import Turn, measure, read_turn
from benchmarks.targets import Reached

OUTPUT = """Running 1s test @ http://127.0.0.1:1/ping
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.15ms  123.45us   2.00ms   90.00%
  25000 requests in 1.10s, 3.00MB read
Requests/sec:  22727.27
Transfer/sec:      2.72MB
"""


def test_a_turn_is_read():
    assert read_turn(OUTPUT, 0.5) == Turn(rate=22727.27, efficiency=50_000.0)


@pytest.mark.parametrize(
    "output",
    [
        "",
        "unable to connect to 127.0.0.1:1 Connection refused",
        OUTPUT + "Non-2xx or 3xx responses: 7\n",
        OUTPUT + "Socket errors: connect 0, read 1, write 0, timeout 0\n",
    ],
)
def test_answers_that_are_no_success_are_no_figures(output):
    with pytest.raises(BrokenError, match="no success"):
        read_turn(output, 0.5)


def test_a_server_that_did_nothing_is_not_infinitely_fast():
    with pytest.raises(BrokenError, match="no processor time"):
        read_turn(OUTPUT, 0.0)


@dataclass
class Course:
    """Who had a turn, in order."""

    seen: list[str] = field(default_factory=list)

    def turn(self, server, _load, _script, *, seconds):
        self.seen.append(server)
        return Turn(float(len(self.seen)), float(seconds))


def test_every_other_round_goes_the_other_way_round(monkeypatch):
    course, told = Course(), []
    monkeypatch.setattr(turns, "turn", course.turn)
    found = measure(PING, {"a": "a", "b": "b"}, rounds=3, seconds=2, told=told.append)
    assert course.seen == [*"ab", *"ab", *"ba", *"ab"]  # the first two are for warming up
    assert [each.rate for each in found["a"]] == [3.0, 6.0, 7.0]
    assert [each.efficiency for each in found["b"]] == [2.0] * 3
    assert len(told) == 3


def test_the_table_has_a_row_for_each_and_ratios_by_rounds():
    taking_part = contenders(PING)
    found = {each.name: [Turn(100, 50), Turn(10, 40)] for each in taking_part}
    found["flow"] = [Turn(200, 50), Turn(40, 60)]
    assert by_rate(found, "flow", "application") == Spread(3.0, 2.0, 4.0)
    assert beside(found, "flow", "application") == Spread(1.25, 1.0, 1.5)
    assert reached_beside(found, "flow", "application") == Reached(Spread(1.25, 1.0, 1.5), "3.00 by the clock")
    lines = scenario_table(PING, taking_part, found).splitlines()
    assert len(lines) == 2 + len(taking_part)
    assert "2 rounds" in lines[0]
    [row] = [line for line in lines if line.startswith("| `listener → router → snippet(text)` |")]
    assert row == "| `listener → router → snippet(text)` | 120 | 3.00 | 55 | 1.25 (1.00 to 1.50) | 1.25 |"
