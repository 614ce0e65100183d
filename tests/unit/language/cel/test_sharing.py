"""Values that stand in a result many times are small in memory and large when somebody writes them out."""

from __future__ import annotations

import json

import pytest

from engine.errors import Code, ExpressionError
from engine.language import cel
from engine.language.cel.sharing import MANY, NOTHING, Held, weigh

NAMES = [f"v{number}" for number in range(30)]


def doubled(result: str, times: int = 30) -> str:
    """`cel.bind(v0, [self, self], cel.bind(v1, [v0, v0], …))` around `result`, in which `{}` is the last."""
    source = result.format(NAMES[times - 1])
    for number in range(times - 1, -1, -1):
        inner = NAMES[number - 1] if number else "self"
        source = f"cel.bind({NAMES[number]}, [{inner}, {inner}], {source})"
    return source


BLOCK = "cel.block([[1, 1], " + ", ".join(f"[cel.index({n}), cel.index({n})]" for n in range(40)) + "], cel.index(40))"
BOMBS = {
    "bind": doubled("{}"),
    "field": doubled("{{'a': {}}}"),
    "map literal": doubled("{}").replace("[v9, v9]", "{'a': v9, 'b': v9}"),
    "equal": doubled("{0} == {0}"),
    "in": doubled("{0} in [{0}]"),
    "format": doubled("'%s'.format([{}])"),
    "json": doubled("json.encode({})"),
    "distinct": doubled("{}.distinct()"),
    "sets": doubled("sets.contains({0}, {0})"),
    "chosen": doubled("true == true ? {} : []"),
    "joined": doubled("{0} + {0}"),
    "optional": doubled("optional.of({}).orValue([])"),
    "optional element": doubled("[?optional.of({})]"),
    "block": BLOCK,
    "maps": "[self]" + ".map(x, [x, x])" * 40,
    "filtered": "[self]" + ".map(x, [x, x]).filter(y, true == true)" * 20,
    "two variables": "[self]" + ".transformList(i, x, [x, x])" * 40,
    "optMap": "optional.of(self)" + ".optMap(x, [x, x])" * 40,
    "whole payload each time": "lists.range(300).map(x, lists.range(300).map(y, self))",
    "one text each time": "cel.bind(t, self[0], lists.range(200000).map(x, t))",
    "written out": "[" + "self, " * 5000 + "]",
    "in an inner loop": "self.map(x, lists.range(90000).map(y, x))",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_a_clear_error(name) -> None:
    with pytest.raises(ExpressionError) as caught:
        cel.CelCompiler().compile(BOMBS[name])(["x" * 5000])
    assert caught.value.code is Code.LIMIT
    assert "when written out" in str(caught.value)
    assert caught.value.place is not None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (doubled("size({})"), 2),
        (doubled("{}", times=3), [[[["x"]] * 2] * 2] * 2),
        ("self.map(x, {'x': x, 'all': self})", [{"x": "x", "all": ["x"]}]),
        ("[1, 2].map(x, self)", [["x"], ["x"]]),
        ("[self, self]", [["x"], ["x"]]),
    ],
)
def test_what_is_small_passes(source, expected) -> None:
    result = cel.CelCompiler().compile(source)(["x"])
    assert result == expected
    json.dumps(result)


@pytest.mark.parametrize(
    "source", ["self.filter(x, size(self) > 0)", "self.map(x, x)", "[self[0], self]", "self.map(x, [x, size(self)])"]
)
def test_a_payload_is_not_weighed_where_its_parts_stand_once(source) -> None:
    compiler = cel.CelCompiler(limits=cel.Limits(size=100))
    compiler.compile(source)(["x" * 1000])
    with pytest.raises(ExpressionError, match="when written out"):
        compiler.compile("self.map(x, self)")(["x" * 1000])


class TestHeld:
    def test_sums_stay_small_numbers(self) -> None:
        held = Held(1, 0)
        for _ in range(100):
            held = held.beside(held)
        assert held.times == MANY

    def test_a_loop_around_what_was_made_outside(self) -> None:
        assert Held(1, 0).collected(1).many
        assert not Held(1, 1).collected(1).many
        assert not NOTHING.collected(1).many


class TestWeigh:
    def test_it_is_what_json_would_be_or_more(self) -> None:
        shared = ["x" * 10, {"key": [1, None, True]}]
        value = [shared, [shared, {"a": shared}]]
        size = len(json.dumps(value, separators=(",", ":")))
        with pytest.raises(ExpressionError):
            weigh(value, size)
        assert weigh(value, size * 10) is value

    def test_a_shared_value_is_visited_once(self) -> None:
        value = ["x"]
        for _ in range(200):
            value = [value, value]
        with pytest.raises(ExpressionError, match="larger than 1000"):
            weigh(value, 1000)
