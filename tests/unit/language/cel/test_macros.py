"""Macros: what they give, and their variables."""

from __future__ import annotations

import pytest

from engine.errors import ExpressionError
from engine.language import cel


@pytest.fixture
def run():
    compiler = cel.CelCompiler()
    return lambda source, payload=None: compiler.compile(source)(payload)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("[1, 2, 3].map(x, x > 1, x * 10)", [20, 30]),
        ("{'a': 1, 'b': 2}.map(k, k)", ["a", "b"]),
        ("[[1, 2], [3]].map(x, x.map(y, y + size(x)))", [[3, 4], [4]]),
        ("[1, 2].map(x, [x].map(x, x + 1)[0])", [2, 3]),
        ("[3, 4].transformList(i, x, i + x)", [3, 5]),
        ("[3, 4].transformMap(i, x, i + x)", {0: 3, 1: 5}),
        ("{'a': 1}.transformMapEntry(k, v, {v: k})", {1: "a"}),
        ("[1, 2, 3].existsOne(i, x, i == x - 1 && x == 2)", True),
        ("[1, 2].existsOne(x, x == 2)", True),
        ("['b', 'a'].sortBy(x, x)", ["a", "b"]),
        ("[{'n': 2, 'id': 'x'}, {'n': 1, 'id': 'y'}].sortBy(e, e.n).map(e, e.id)", ["y", "x"]),
        ("[[2, 1], [0]].map(l, l.sortBy(x, x)).sortBy(l, size(l))", [[0], [1, 2]]),
        ("cel.bind(x, 2, cel.bind(y, x + 1, x * y))", 6),
        ("cel.bind(x, [1], x + x)", [1, 1]),
        ("optional.of(2).optMap(x, x * 2).value()", 4),
        ("optional.none().optMap(x, 1 / 0).hasValue()", False),
        ("optional.of(1).orValue(1 / 0)", 1),
        ("optional.none().or(optional.of(3)).orValue(4)", 3),
        ("has({'a': null}.a)", True),
        ("has({'a': {}}.a.b)", False),
    ],
)
def test_values(run, source, expected) -> None:
    assert run(source) == expected


def test_duplicate_keys_of_transform_map_entry(run) -> None:
    with pytest.raises(ExpressionError, match="repeated key"):
        run("[1, 2].transformMapEntry(i, v, {'x': v})")
    with pytest.raises(ExpressionError, match="makes maps, not a int"):
        run("[1].transformMapEntry(i, v, v)")


def test_bool_and_number_keys_cannot_stand_together(run) -> None:
    with pytest.raises(ExpressionError, match="a bool and a number"):
        run("{true: 1, 1: 2}")


def test_a_macro_of_another_count_is_a_call(run) -> None:
    with pytest.raises(ExpressionError, match="no such method: exists"):
        run("[1].exists(x)")


def test_the_range_is_evaluated_once(run) -> None:
    assert run("[uuid()].map(x, [x, x]).all(p, p[0] == p[1])") is True
    assert run("cel.bind(u, uuid(), u == u)") is True
