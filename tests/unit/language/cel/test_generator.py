"""The fast way and the strict way: where the fast one gives a value, the strict one gives the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ErrorValue, ExpressionError
from engine.language import cel
from engine.language.cel.generator import Setting
from engine.language.cel.library import make_library
from engine.language.cel.limits import Limits
from engine.language.cel.parser import parse
from engine.language.cel.program import build
from engine.language.cel.source import Source

SETTING = Setting(make_library(max_size=1000), Limits(), payload=True)
ERROR = ErrorValue("x")

PAYLOADS = st.fixed_dictionaries(
    {
        name: st.sampled_from(
            [
                None, True, False, 0, 1, 2.0, cel.UInt(1), "", "x", "xy", b"x", [], [1, "x"], ["x", ERROR], (1.0,), {},
                {"x": 1}, {1: "x"}, {"x": {"x": "x"}}, {True: 1}, ERROR,
            ]
        )
        for name in ("a", "b")
    }
)  # fmt: skip

TEMPLATES = [
    "({} == 'x')", "({} != 1)", "({} == true)", "(null != {})", "({} < 2)", "('w' <= {})", "({} in ['x', 'y'])", "('x' in {})",
    "({} == {})", "({} in {})", "({} + {})", "({} && {})", "({} || {})", "!{}", "({} ? {} : {})", "{}.x", "{}['x']", "{}[0]",
    "{}[{}]", "has({}.x)", "size({})", "{}.size()", "{}.startsWith('x')", "{}.contains('x')", "{}.matches('x+')", "string({})",
    "[{}, {}]", "{{'k': {}}}", "{}.map(x, x == 'x')", "{}.map(x, {})", "{}.filter(x, x != {})", "{}.all(x, x == 'x')",
    "{}.exists(x, x == {})", "{}.exists_one(x, x == 1)", "{}.transformMap(k, v, [k, v])", "cel.bind(x, {}, x == x || {})",
    "{}.?x", "{}.?x.orValue({})", "[?{}.?x]", "dyn({})", "type({})", "{}.orValue(1)", "{}.sortBy(x, x)", "cel.block([{}], {})",
]  # fmt: skip


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def filled(template: str) -> st.SearchStrategy[str]:
        count = template.replace("{{", "").count("{}")
        return st.tuples(*[inner] * count).map(lambda parts: template.format(*parts))

    return st.sampled_from(TEMPLATES).flatmap(filled)


SOURCES = st.recursive(
    st.sampled_from(["a", "b", "self", "a.x", "'x'", "1", "true", "null", "2u", "x"]), _grow, max_leaves=5
)


def _same(left, right) -> bool:
    if cel.type_name(left) != cel.type_name(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict):
        return [*left] == [*right] and all(map(_same, left.values(), right.values()))
    return left == right


@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(text=SOURCES, payload=PAYLOADS)
def test_both_ways_agree(text, payload) -> None:
    source = Source(text)
    try:
        tree = parse(source, max_nesting=100)
        fast = build(tree, source, SETTING, strict=False)
    except ExpressionError:
        with pytest.raises(ExpressionError):
            build(parse(source, max_nesting=100), source, SETTING, strict=True)
        return
    strict = build(tree, source, SETTING, strict=True)
    try:
        value = fast(payload)
    except Exception:
        return  # the strict way decides, and has tests of its own
    assert _same(value, strict(payload)), text


def test_the_fast_way_is_plain_python() -> None:
    """No function of ours runs for what is asked most: reading keys and comparing with a literal."""
    source = Source("request.method == 'POST' && size(request.path) > 3 && 'x' in request.headers")
    program = build(parse(source, max_nesting=100), source, SETTING, strict=False)
    asked = {"equals", "select", "payload_name", "is_in", "greater"}
    for name in asked:
        program.__globals__[name] = None
    assert program({"request": {"method": "POST", "path": "/api", "headers": {"x": "1"}}}) is True
