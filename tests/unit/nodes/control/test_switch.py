from __future__ import annotations

import pytest

from engine.errors import DiagnosticsError, ErrorValue

SPEC = """
- kind: switch
  name: s
  language: {language}
  {field}:
    - {{when: 'self["k"] == "a"', port: 'out[0]'}}
    - {{when: 'self["n"] > 1', port: 'out[3]'}}
    - {{when: 'self["n"] > 0', port: out}}
  ports:
    out[0]: [{{name: first}}]
    out[3]: [{{name: fourth}}]
"""


@pytest.fixture(params=["cel", "slow"])
def language(request):
    return request.param


def build(bench, language, field="matches"):
    return bench.flow(
        SPEC.format(language=language, field=field), first=lambda x: ("first", x["n"]), fourth=lambda x: ("4", x["n"])
    )


@pytest.mark.parametrize("field", ["matches", "match"])
def test_the_first_condition_that_holds_decides(run, bench, language, field):
    flow = build(bench, language, field)

    async def main():
        assert await flow.ask("s", {"k": "a", "n": 9}) == ("first", 9)
        assert await flow.ask("s", {"k": "b", "n": 9}) == ("4", 9)
        assert await flow.ask("s", {"k": "b", "n": 1}) == ("first", 1)
        await flow.close()

    run(main)


def test_where_none_holds_the_packet_comes_back(run, bench, language):
    flow = build(bench, language)
    payload = {"k": "b", "n": 0}

    async def main():
        assert await flow.ask("s", payload) is payload

    run(main)


@pytest.mark.parametrize("field", ["matches", "match"])
def test_a_condition_that_fails_is_told_with_its_own_place(run, bench, language, field):
    flow = build(bench, language, field)

    async def main():
        error = await flow.ask("s", {"k": "b"})
        assert isinstance(error, ErrorValue)
        assert str(error.place) == "flow.yaml:7:17"  # the third column of the second condition, behind its quote
        assert error.node == "switch/s"

    run(main)


def test_a_condition_that_fails_goes_to_error_and_later_ones_are_not_tried(run, bench, language):
    flow = bench.flow(
        f"""
        - kind: switch
          name: s
          language: {language}
          matches: [{{when: self.x, port: out}}, {{when: '1', port: 'out[1]'}}]
          ports: {{error: [{{name: failed}}], 'out[1]': [{{name: never}}]}}
        """,
        failed=lambda _: "failed",
        never=lambda _: "never",
    )

    async def main():
        assert await flow.ask("s", 1) == "failed"

    run(main)


@pytest.mark.parametrize("port", ["error", "in", "out[256]", "out[25599]", "xyz[0]"])
def test_a_port_that_cannot_be_is_an_error_of_the_spec(bench, port):
    text = f"- kind: switch\n  name: s\n  matches:\n    - when: self\n      port: '{port}'\n"
    with pytest.raises(DiagnosticsError) as caught:
        bench.one(text)
    [found] = caught.value.diagnostics
    assert found.path == ("matches", 0, "port")
    assert found.place.line == 5
    assert found.hint


def test_the_highest_port(run, bench):
    flow = bench.flow(
        "{kind: switch, name: s, matches: [{when: '1', port: 'out[255]'}], ports: {'out[255]': [{name: b}]}}",
        b=lambda _: "b",
    )

    async def main():
        assert await flow.ask("s", 1) == "b"

    run(main)


@pytest.mark.parametrize("text", ["{kind: switch, name: s}", "{kind: switch, name: s, matches: []}"])
def test_conditions_are_required(bench, text):
    with pytest.raises(DiagnosticsError, match="matches"):
        bench.one(text)


@pytest.mark.parametrize("field", ["matches", "match"])
def test_a_condition_that_does_not_compile_closes_the_others(bench, field):
    text = (
        f"- kind: switch\n  name: s\n  {field}:\n    - {{when: self, port: out}}\n    - {{when: 'self +', port: out}}\n"
    )
    with pytest.raises(DiagnosticsError) as caught:
        bench.one(text)
    assert caught.value.diagnostics[0].place.line == 5
    assert [program.closed for program in bench.languages.made] == [1]


def test_unload_closes_all_programs(run, bench):
    node = bench.one("{kind: switch, name: s, matches: [{when: self, port: out}, {when: self, port: 'out[1]'}]}")
    run(node.unload)
    assert [program.closed for program in bench.languages.made] == [1, 1]
