"""Medians, ratios and tables."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import Spread, ratios, table

FIGURES = st.lists(st.floats(min_value=0.001, max_value=1e6), min_size=1, max_size=30)


@given(FIGURES)
def test_a_spread_holds_its_median(figures):
    spread = Spread.of(figures)
    assert spread.least == min(figures)
    assert spread.most == max(figures)
    assert spread.median == statistics.median(figures)
    assert spread.least <= spread.median <= spread.most


def test_no_figures_no_median():
    with pytest.raises(ValueError, match="no figures"):
        Spread.of([])


def test_a_spread_is_written_with_its_range_in_any_unit():
    assert Spread.of([0.5, 2.0, 1.0]).text() == "1.00 (0.50 to 2.00)"
    assert Spread.of([1.5]).times(1000).text(",.0f") == "1,500 (1,500 to 1,500)"


def test_ratios_are_paired_by_rounds():
    # The second round was three times as slow for both: the ratio does not see it.
    assert ratios([200, 60, 100], [100, 30, 100]) == Spread(2.0, 1.0, 2.0)


@given(FIGURES)
def test_everything_is_one_beside_itself(figures):
    assert ratios(figures, figures) == Spread(1.0, 1.0, 1.0)


@pytest.mark.parametrize(("ours", "theirs"), [([1, 2], [1]), ([1], [0]), ([], [])])
def test_ratios_that_are_none_are_refused(ours, theirs):
    with pytest.raises(ValueError, match=r"ratio|zip|figures"):
        ratios(ours, theirs)


def test_a_table_has_its_figures_to_the_right():
    assert table(["what", "much"], [["a", "1"], ["b", "2"]]).splitlines() == [
        "| what | much |",
        "| --- | ---: |",
        "| a | 1 |",
        "| b | 2 |",
    ]
    with pytest.raises(ValueError, match="3 cells below 2"):
        table(["what", "much"], [["a", "1", "2"]])
