from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.errors import Code, ErrorValue
from nodes.control.throw import thrown


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ("e1", "e1"),
        ("", ""),
        (42, "42"),
        (1.5, "1.5"),
        (False, "false"),
        ({"a": [1, None]}, '{"a": [1, null]}'),
        ({"ä": 1}, '{"ä": 1}'),
        (b"ab", "YWI="),
        (datetime(2024, 1, 1, tzinfo=UTC), "2024-01-01T00:00:00Z"),
        (["a", "b", "c"], "c: b: a"),
        (["a", None, "b"], "b: a"),
        (["only"], "only"),
        ([1, [2, 3]], "[2, 3]: 1"),
    ],
)
def test_text(payload, text):
    assert thrown(payload).text == text


@pytest.mark.parametrize("payload", [None, [], [None], [None, None]])
def test_nothing_to_throw(run, bench, payload):
    assert thrown(payload) is None
    flow = bench.flow("{kind: throw, name: t}")

    async def main():
        assert await flow.ask("t", payload) is None

    run(main)


def test_a_list_wraps_from_cause_to_context():
    error = thrown(["disk full", "cannot save"])
    assert error.message == "cannot save"
    assert [cause.message for cause in error.causes] == ["disk full"]
    assert error.says("disk full")
    assert error.says("cannot save")


def test_an_error_stays_as_it_is():
    error = ErrorValue("orig", Code.NOT_FOUND, hint="h")
    assert thrown(error) is error
    assert thrown([error]) is error


def test_context_around_an_error_keeps_its_code():
    error = ErrorValue("orig", Code.NOT_FOUND)
    wrapped = thrown([error, "while loading"])
    assert wrapped.text == "while loading: orig"
    assert wrapped.code is Code.NOT_FOUND
    assert wrapped.causes == (error,)


def test_an_error_as_context_keeps_its_own_causes():
    context = ErrorValue("outer", causes=(ErrorValue("inner"),))
    assert thrown(["first", context]).text == "outer: inner: first"


def test_the_answer_tells_who_threw(run, bench):
    flow = bench.flow("- kind: throw\n  name: t\n")

    async def main():
        error = await flow.ask("t", "boom")
        assert error.text == "boom"
        assert error.node == "throw/t"
        assert error.place.line == 1
        passed_on = await flow.ask("t", error)
        assert passed_on.text == "boom"

    run(main)


def test_it_has_no_way_out(bench):
    node = bench.one("{kind: throw, name: t}")
    assert node.out_port("out") is None
    assert node.out_port("error") is None
