from __future__ import annotations

import pytest

from engine.cli.processes import render
from engine.cli.target import RunningProcess


def process(id, **form):
    return RunningProcess(
        id, {"id": id, "state": "running", "origin": "listener/web", "age": 1.0, "children": 0} | form
    )


def rows(lines):
    return [line.split(maxsplit=4) for line in lines]


def test_the_oldest_first():
    header, *found = rows(render([process("a", age=0.0125), process("b", age=90.2), process("c", age=7201)]))
    assert " ".join(header) == "ID STATE ORIGIN AGE WAITS FOR"
    assert found == [
        ["c", "running", "listener/web", "120m", "-"],
        ["b", "running", "listener/web", "90s", "-"],
        ["a", "running", "listener/web", "12ms", "-"],
    ]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"waits": ["sql/db.in"]}, "sql/db.in"),
        ({"waits": ["sql/db.in", "sleep/s.in", "sql/db.in"]}, "sql/db.in (2), sleep/s.in"),
        ({"waits": list("abcde")}, "a, b, c, 2 more"),
        ({"waits": [], "children": 1}, "1 child process"),
        ({"children": 2}, "2 child processes"),
        ({}, "-"),
    ],
)
def test_what_it_waits_for(form, text):
    [_, row] = rows(render([process("a", **form)]))
    assert row[4] == text


def test_wide_tells_more():
    form = process("a", generation=7, hops=3, parent="p")
    header, row = (line.split() for line in render([form], wide=True))
    assert header[4:8] == ["GENERATION", "HOPS", "CHILDREN", "PARENT"]
    assert row[4:8] == ["7", "3", "0", "p"]


def test_where_there_are_several_workers_each_row_names_its_own():
    silent = RunningProcess("worker/2", {"id": "worker/2", "worker": 2, "state": "silent", "origin": "x", "waits": []})
    header, *found = (line.split() for line in render([process("a", worker=1, waits=["sleep/s.in"]), silent]))
    assert " ".join(header) == "ID STATE ORIGIN AGE WORKER WAITS FOR"
    assert found == [
        ["a", "running", "listener/web", "1s", "1", "sleep/s.in"],
        ["worker/2", "silent", "x", "0ms", "2", "-"],
    ]


def test_what_another_version_does_not_tell():
    [_, row] = render([RunningProcess("a", {"id": "a"})])
    assert row.split() == ["a", "-", "-", "0ms", "-"]


def test_a_store_does_not_know_them(weir):
    result = weir("get", "processes", code=1)
    assert "a store does not know which processes run" in result.stderr
    assert "--server http://" in result.stderr
