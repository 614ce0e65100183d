from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.cli import table


def test_columns_are_as_wide_as_what_is_in_them():
    assert table.render(["A", "LONG"], [["bbb", "c"], ["d", ""]]) == ["A     LONG", "bbb   c", "d"]


def test_wide_characters_take_two_cells():
    first, second = table.render([], [["日本", "x"], ["abcd", "x"]])
    assert first == "日本   x"
    assert second == "abcd   x"


def test_later_rows_stand_in_the_same_columns():
    widths: list[int] = []
    table.render(["NAME", "X"], [["long-name", "1"]], widths=widths)
    assert table.render([], [["a", "2"]], widths=widths) == ["a           2"]


def test_rows_stand_below_a_header_that_fits_them():
    growing = table.Growing(["EVENT", "NAME", "X"], room=["CHANGED"])
    assert growing.lines([["LISTED", "a", "1"]]) == ["EVENT     NAME   X", "LISTED    a      1"]
    assert growing.lines([["CHANGED", "bb", "2"]]) == ["CHANGED   bb     2"]
    assert growing.lines([["CHANGED", "longer", "3"]]) == ["EVENT     NAME     X", "CHANGED   longer   3"]
    assert growing.lines([["CHANGED", "b", "4"]]) == ["CHANGED   b        4"]


def test_a_header_stands_above_rows_that_are_still_to_come():
    growing = table.Growing(["EVENT", "NAME"])
    assert growing.lines([]) == ["EVENT   NAME"]
    assert growing.lines([]) == []
    assert growing.lines([["x", "y"]]) == ["x       y"]


def test_a_cell_is_one_line():
    assert table.render([], [["a\nb\x1b[31m"]]) == ["a b [31m"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 720, "3h12m"),
        (11 * 3600 + 720, "11h"),
        (48 * 3600, "2d"),
        (400 * 86400, "400d"),
    ],
)
def test_ages(seconds, text):
    assert table.age(timedelta(seconds=seconds)) == text


def test_ids_of_version_7_tell_when_they_were_made():
    # The example of RFC 9562, appendix A.6.
    made = table.made_at("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
    assert made == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)
    assert table.made_at("f81d4fae-7dec-41d0-a765-00a0c91e6bf6") is None
    assert table.made_at("name") is None
