"""What the looks at servers with waiting requests come to, and those at start-up and help."""

from __future__ import annotations

from benchmarks import help as help_part
from benchmarks import startup
from benchmarks.figures import Spread
from benchmarks.scenarios.contenders import FLOOR, contenders
from benchmarks.scenarios.patience import PATIENCE
from benchmarks.startup import Start, read_event, specs
from benchmarks.targets import Reached
from benchmarks.waiting import Look, outcome
from engine.spec.model import parse_spec


def test_what_a_request_holds_is_counted_from_the_floor():
    looks = {
        FLOOR: [Look(8_000, 10_000, 0.0001)] * 3,
        "application": [Look(8_500, 11_000, 0.0001)] * 3,
        "flow": [Look(8_500, 12_000, 0.0001), Look(8_500, 12_500, 0.0002), Look(8_500, 13_000, 0.0003)],
    }
    alone = {"made": 170.0, "waiting": 2_000.0, "with a request": 3_000.0}
    found = outcome(contenders(PATIENCE), looks, alone, 10_000)
    assert found.targets == {"waiting": Reached(Spread(2.5, 2.0, 3.0))}
    [row] = [line for line in found.text.splitlines() if "sleep → snippet" in line]
    assert row.endswith("| 8.50 KB | 12.50 KB | 2.50 (2.00 to 3.00) KB | 200 (100 to 300) µs |")
    assert "| that waits with a request | 3.00 KB |" in found.text
    assert list(found.pictures) == ["waiting.svg"]


def test_specs_are_half_cel_from_a_hundred_sources():
    made = list(specs(10_000))
    parsed = [parse_spec(spec) for spec in made]
    assert len({spec.name for spec in parsed}) == 10_000
    codes = [spec["code"] for spec in made if spec.get("language") == "cel"]
    assert len(codes) == 5_000
    assert len(set(codes)) == startup.SOURCES
    assert all(25 <= len(code) <= 40 for code in codes)
    names = {spec["name"] for spec in made}
    links = [link["name"] for spec in made for links in spec.get("ports", {}).values() for link in links]
    assert set(links) <= names


def test_the_start_with_the_most_specs_is_what_the_target_is_about():
    found = {
        "the imports alone (floor)": [Start(0.5, 0.4, 2**20)],
        startup.title_of(0): [Start(0.6, 0.5, 2**20)],
        startup.title_of(10_000): [Start(2.0, 1.9, 2**20)],
    }
    assert startup.outcome(found, "reload").targets == {
        "start": Reached(Spread(2.0, 2.0, 2.0), "1.90 s of the processor")
    }
    small = {startup.title_of(100): [Start(1.0, 1.0, 1)]}
    assert startup.outcome(small, "reload").targets == {}  # a quick run has no say


def test_a_line_of_the_log_that_is_none():
    assert read_event('{"event": "daemon.started"}\n') == {"event": "daemon.started"}
    assert read_event("Traceback (most recent call last):\n") == {}
    assert read_event("3\n") == {}


def test_help_is_told_in_milliseconds():
    took = {"floor": [0.02, 0.03], "click": [0.08, 0.08], "weir": [0.12, 0.14]}
    found = help_part.outcome(help_part.commands(), took, took)
    spread = found.targets["help"].spread
    assert (round(spread.median, 6), round(spread.least, 6), round(spread.most, 6)) == (130.0, 120.0, 140.0)
    assert "| `weir --help` | 130 (120 to 140) ms | 130 ms |" in found.text
