from __future__ import annotations

import click
import pytest

from engine.cli.unified import unified


def diff(old, new):
    return [click.unstyle(line) for line in unified(old, new, old_title="old", new_title="new")]


def test_a_change_and_what_is_around_it():
    old = {"kind": "k", "name": "n", "a": 1, "b": 2, "c": 3, "d": 4}
    assert diff(old, {**old, "d": 5}) == [
        "--- old",
        "+++ new",
        "@@ -3,4 +3,4 @@",
        " a: 1",
        " b: 2",
        " c: 3",
        "-d: 4",
        "+d: 5",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a": 1, "b": {"c": 1, "d": [{"e": 1, "f": 2}]}}, {"b": {"d": [{"f": 2, "e": 1}], "c": 1}, "a": 1}),
        ({"id": "1", "namespace": "x", "revision": 3, "a": 1}, {"id": "2", "a": 1}),
        (None, None),
    ],
)
def test_what_is_no_difference(old, new):
    assert diff(old, new) == []


def test_keys_of_the_old_side_stand_where_the_new_one_has_them():
    assert diff({"z": 1, "y": 2, "x": 3}, {"x": 3, "y": 4, "w": 5})[3:] == [" x: 3", "-y: 2", "-z: 1", "+y: 4", "+w: 5"]


def test_new_and_gone():
    assert diff(None, {"a": 1})[2:] == ["@@ -0,0 +1 @@", "+a: 1"]
    assert diff({"a": 1}, None)[2:] == ["@@ -1 +0,0 @@", "-a: 1"]


def test_lists_of_other_lengths():
    assert diff({"a": [1, 2, {"b": 3}]}, {"a": [1]})[3:] == [" a:", "   - 1", "-  - 2", "-  - b: 3"]


def test_text_of_several_lines_line_by_line():
    assert diff({"code": "one\ntwo\n"}, {"code": "one\nthree\n"})[3:] == [" code: |", "   one", "-  two", "+  three"]


def test_colours_follow_the_place_of_a_line_and_not_its_text():
    lines = unified({"a": 1}, {"--": 2}, old_title="old", new_title="new")
    assert lines[0] == click.style("--- old", bold=True)
    assert lines[1] == click.style("+++ new", bold=True)
    assert lines[2] == click.style("@@ -1 +1 @@", fg="cyan")
    assert lines[3] == click.style("-a: 1", fg="red")
    assert lines[4].startswith("\x1b[32m+")
