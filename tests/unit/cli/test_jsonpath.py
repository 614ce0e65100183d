from __future__ import annotations

import pytest

from engine.cli.jsonpath import Template
from engine.errors import InvalidError

DATA = {
    "name": "a",
    "ports": {"out": [{"name": "b"}, {"name": "c"}], "out[1]": [{"name": "d"}]},
    "count": 3,
    "on": True,
    "none": None,
    "a.b": "dotted",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.name}", "a"),
        (".name", "a"),
        ("{$.name}", "a"),
        ("{.count}{.on}{.none}", "3truenull"),
        ("{.ports.out[0].name}", "b"),
        ("{.ports.out[-1].name}", "c"),
        ("{.ports.out[9].name}", ""),
        ("{.ports.out[*].name}", "b c"),
        ("{.ports['out[1]'][0].name}", "d"),
        ("{['a.b']}", "dotted"),
        ("{.ports.out[0]}", '{"name":"b"}'),
        ("{.missing.deep}", ""),
        ("{.name[0]}", ""),
        ('x {.name}{"\\n"}y\\t', "x a\ny\t"),
    ],
)
def test_rendered(template, text):
    assert Template(template).render(DATA) == text


def test_lists():
    assert Template("{[*].n}").render([{"n": 1}, {"n": 2}, {}]) == "1 2"
    assert Template("{.}").render([1]) == "[1]"


@pytest.mark.parametrize(
    "template", ["{.a", "{range .items}", "{end}", "{.a[?(@.b)]}", "{.a[1:2]}", "{..a}", "{.a[}", "{a b}"]
)
def test_refused(template):
    with pytest.raises(InvalidError):
        Template(template)
