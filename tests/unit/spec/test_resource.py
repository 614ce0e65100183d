"""What a spec means: what restarts a node and what does not."""

from __future__ import annotations

import dataclasses

import pytest

from engine.spec.model import Spec, meaning, parse_spec

BASE = {
    "kind": "x",
    "name": "n",
    "code": "1",
    "env": {"A": {"data": 1}},
    "ports": {"out": [{"name": "b", "port": "in"}]},
}


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {"a": "b"}},
        {"annotations": {"a": "b"}},
        {"revision": 5},
        {"env": {"A": [{"value": 1}]}},
        {"env": {"A": 1}},
        {"ports": {"out": {"name": "b"}}},
    ],
)
def test_what_means_the_same(change):
    assert meaning(parse_spec({**BASE, **change})) == meaning(parse_spec(BASE))


def test_links_is_another_spelling_of_ports():
    other = {("links" if key == "ports" else key): value for key, value in reversed(BASE.items())}
    assert meaning(parse_spec(other)) == meaning(parse_spec(BASE))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "y"},
        {"name": "m"},
        {"code": "2"},
        {"code": 1},
        {"extra": None},
        {"env": {"A": {"data": 1.0}}},
        {"env": {"A": {"data": 1, "name": "v"}}},
        {"env": {"A": [1, 2]}},
        {"ports": {"out": [{"name": "b", "port": "x"}]}},
        {"ports": {"error": [{"name": "b", "port": "in"}]}},
    ],
)
def test_what_means_something_else(change):
    assert meaning(parse_spec({**BASE, **change})) != meaning(parse_spec(BASE))


def test_specs_cannot_be_changed():
    spec = Spec("x")
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.kind = "y"
    assert not hasattr(spec, "__dict__")
