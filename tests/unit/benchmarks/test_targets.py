"""The table of targets: what is met, what is not, and what an earlier run has left."""

from __future__ import annotations

import pytest

from benchmarks.figures import Spread
from benchmarks.targets import NOT_YET, NOTHING_YET, TARGETS, Reached, Target, targets_table


def rows(table):
    return {line.split("|")[1].strip(): line for line in table.splitlines()[2:]}


def test_what_nobody_has_measured_is_not_met_either():
    table = targets_table(None, {}, day="2026-01-01")
    assert table.count(NOT_YET) == len(TARGETS)
    assert table.endswith(NOTHING_YET)
    assert "2026" not in table


@pytest.mark.parametrize(
    ("key", "median", "verdict"),
    [
        ("ping", 1.0, "yes"),
        ("ping", 0.999, "**no**"),
        ("start", 3.0, "yes"),
        ("start", 3.001, "**no**"),
        ("help", 149.0, "yes"),
        ("help", 151.0, "**no**"),
    ],
)
def test_the_median_decides(key, median, verdict):
    spread = Spread(median, median / 2, median * 2)
    row = rows(targets_table(None, {key: Reached(spread)}, day="2026-01-01"))[TARGETS[key].words]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == TARGETS[key].wanted
    assert cells[2].startswith(f"{median:{TARGETS[key].form}} (")
    assert cells[3:] == [verdict, "2026-01-01"]


def test_rows_of_an_earlier_run_stay_where_nothing_new_is_known():
    before = targets_table(
        None, {"ping": Reached(Spread(1.1, 1, 1.2)), "crud": Reached(Spread(0.5, 0.5, 0.5))}, day="2026-01-01"
    )
    after = targets_table(before, {"crud": Reached(Spread(0.95, 0.9, 1.0), "0.97 by the clock")}, day="2026-01-02")
    assert rows(after)[TARGETS["ping"].words] == rows(before)[TARGETS["ping"].words]
    assert "| 0.95 (0.90 to 1.00); 0.97 by the clock | yes | 2026-01-02" in rows(after)[TARGETS["crud"].words]
    assert list(rows(after)) == list(rows(before))


def test_a_target_that_was_changed_since_is_open_again():
    before = targets_table(None, {"help": Reached(Spread(100, 90, 110))}, day="2026-01-01")
    older = before.replace(TARGETS["help"].wanted, "at most 500 ms")
    assert NOT_YET in rows(targets_table(older, {}, day="2026-01-02"))[TARGETS["help"].words]


def test_bounds_in_words():
    assert Target("x", least=0.85).wanted == "at least 0.85"
    assert Target("x", most=3.0, unit=" KB").wanted == "at most 3.00 KB"
