"""Specs to symbols, what is wrong with them and where, and composites through and through."""

from __future__ import annotations

import threading

import pytest

from engine.errors import DiagnosticsError
from engine.graph.warming import warm_up
from engine.spec.binding import bind
from engine.spec.model import parse_spec

NESTED = """
- kind: graph
  name: g
  inbounds: {in: [{name: first}, {name: inner}], other: [{name: last}]}
  outbounds: {out: [{name: last, port: out}], error: [{name: first, port: error}]}
  specs:
  - {kind: record, name: first, tag: f, ports: {out: [{name: last}]}}
  - kind: sequence
    name: inner
    specs: [{kind: record, tag: i1}, {kind: record, tag: i2}]
    ports: {out: [{name: last}]}
  - {kind: record, name: last, tag: l}
  ports: {out: [{name: z}]}
- {kind: record, name: z, tag: z}
"""


def compile_one(it, text, previous=None):
    (spec,) = it.specs(text)
    bound = bind(spec, lambda *_: None, {})
    return it.compiler.compile(spec, bound, previous=previous)


@pytest.mark.parametrize(
    ("text", "rule", "line", "column", "hint"),
    [
        ("- {kind: recrd, name: a}", "unknown-kind", 1, 10, "record"),
        ("- kind: record\n  name: a\n  ports:\n    outt: [{name: b}]", "unknown-port", 4, 5, "out"),
        ("- kind: record\n  name: a\n  links:\n    outt: [{name: b}]", "unknown-port", 4, 5, "out"),
        ("- kind: sequence\n  name: s\n  specs:\n  - kind: recrd", "unknown-kind", 4, 11, "record"),
        ("- kind: sequence\n  name: s\n  specs: []", "missing-field", 3, 10, ""),
        (
            "- kind: sequence\n  name: s\n  specs:\n  - {kind: record, name: x}\n  - {kind: record, name: x}",
            "duplicate-name",
            5,
            26,
            "",
        ),
        (
            "- kind: graph\n  name: g\n  specs:\n  - kind: record\n    name: one\n    ports:\n      out:\n      - name: oen",
            "unknown-child",
            8,
            15,
            "one",
        ),
        (
            "- kind: graph\n  name: g\n  specs: [{kind: record}]\n  inbounds:\n    in:\n    - {name: $0, port: inn}",
            "unknown-port",
            6,
            24,
            "in",
        ),
    ],
)
def test_what_is_wrong_has_its_place_and_a_hint(bench, text, rule, line, column, hint) -> None:
    with pytest.raises(DiagnosticsError) as caught:
        compile_one(bench(), text)
    found = caught.value.diagnostics[0]
    assert (found.rule, found.place.file, found.place.line, found.place.column) == (rule, "specs.yaml", line, column)
    assert hint in (found.hint or "")


def test_all_that_is_wrong_with_the_children_is_told_at_once(bench) -> None:
    with pytest.raises(DiagnosticsError) as caught:
        compile_one(bench(), "- {kind: sequence, name: s, specs: [{kind: x}, {kind: record}, {kind: y}]}")
    assert len(caught.value.diagnostics) == 2


def test_composites_may_be_nested_but_not_without_end(bench) -> None:
    text = "{kind: record}"
    for _ in range(33):
        text = f"{{kind: sequence, specs: [{text}]}}"
    with pytest.raises(DiagnosticsError, match="nested deeper than 32"):
        compile_one(bench(), f"- {text}")


def test_the_node_is_taken_over_where_its_fields_mean_the_same(bench) -> None:
    it = bench()
    before = compile_one(it, "- {kind: record, name: a, tag: x}")
    same = compile_one(it, "- {tag: x, kind: record, name: b, ports: {out: [{name: c}]}}", before)
    other = compile_one(it, "- {kind: record, name: a, tag: y}", before)
    kind = compile_one(it, "- {kind: trigger, name: a, tag: x}", before)
    assert same.node is before.node
    assert same.context is before.context
    assert other.node is not before.node
    assert kind.node is not before.node


def test_labels_and_places_change_only_when_the_symbol_is_settled(bench) -> None:
    it = bench()
    before = compile_one(it, "- {kind: record, name: a, tag: x}")
    after = compile_one(it, "\n\n- {kind: record, name: b, tag: x}", before)
    assert before.node.label == "record/a"
    after.settle()
    assert after.node.label == "record/b"
    assert after.node.place.line == 3
    assert after.context.site.name == "b"


def test_packets_pass_through_nested_composites(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put(NESTED)
        assert it.states() == {"g": ("active", 1), "z": ("active", 1)}, it.table.find("g").status.reason
        assert await it.ask("g") == [["f", "l", "z"], ["i1", "i2", "l", "z"]]
        assert await it.ask("g", port="other") == ["l", "z"]
        symbol = it.table.find("g").running
        assert symbol.in_names() == ["in", "other"]
        assert symbol.out_names() == ["out", "error", "init", "term"]
        labels = [node.label for node in symbol.nodes()]
        assert labels == [
            "record/g.last",
            "record/inner.$1",
            "record/inner.$0",
            "sequence/g.inner",
            "record/g.first",
            "graph/g",
        ]
        assert it.take_diary()[:5] == ["load z", "load l", "load i2", "load i1", "load f"]
        await it.close()

    run(main)


def test_the_error_port_of_a_sequence_takes_the_errors_of_all_its_children(run, bench) -> None:
    async def main() -> None:
        it = bench()
        for failing in ("one", "two"):
            fail = {each: "packet" if each == failing else '""' for each in ("one", "two")}
            await it.put(f"""
- kind: sequence
  name: s
  specs:
  - {{kind: record, tag: one, fail: {fail["one"]}}}
  - {{kind: record, tag: two, fail: {fail["two"]}}}
  ports: {{error: [{{name: z}}]}}
- {{kind: fork, name: z}}
""")
            answer = await it.ask("s")
            assert answer.message == "no packets please"
            assert answer.node == f"record/s.${0 if failing == 'one' else 1}"
            assert answer.place.line == (5 if failing == "one" else 6)
        await it.close()

    run(main)


def test_indexed_ports_and_a_target_that_is_named_twice(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("""
- {kind: fork, name: f, ports: {out: [{name: a}, {name: a}], "out[1]": [{name: b}, {name: a}]}}
- {kind: record, name: a, tag: a}
- {kind: record, name: b, tag: b}
""")
        assert await it.ask("f", [1]) == [1, "a"]
        assert await it.ask("f", [2]) == [[2, "b"], [2, "a"]]
        await it.close()

    run(main)


def test_languages_are_warmed_up_beside_the_loop_before_specs_are_compiled(run) -> None:
    warmed = []

    class Languages:
        def is_cold(self, name: str) -> bool:
            return name == "slow"

        def warm(self, names: list[str]) -> None:
            assert threading.current_thread() is not threading.main_thread()
            warmed.append(names)

    async def main() -> None:
        plain = parse_spec({"kind": "x", "name": "a", "language": "quick"})
        inner = {"kind": "x", "lang": "slow", "language": ["slow"]}
        nested = parse_spec({"kind": "block", "name": "b", "specs": [inner, {"kind": "x", "language": "slow"}]})
        await warm_up(Languages(), [plain])
        assert warmed == []
        await warm_up(Languages(), [plain, nested])
        assert warmed == [["slow"]]

    run(main)
