"""What a change would do, asked before it is done. (That it foretells what `reconcile` does: tests/property/test_table.py.)"""

from __future__ import annotations

from typing import Any

from engine.flow import Node
from engine.graph.context import Context
from engine.graph.forecast import forecast, imagine
from engine.graph.intake import Changes
from engine.graph.scheme import Codec, Scheme
from engine.graph.sketch import Copies
from engine.spec.schema import NodeSpec


class PortSpec(NodeSpec):
    port: int


class Port(Node):
    def __init__(self, spec: PortSpec, _ctx: Context) -> None:
        super().__init__()
        self.port = spec.port

    @property
    def claim(self) -> tuple[str, ...]:
        return ("port", str(self.port))


def told(effects: Any) -> list[tuple[str, str, str]]:
    return [(effect.spec.name, effect.action, effect.state) for effect in effects]


def test_what_was_written_comes_first_and_then_what_else_moves(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("""
- {kind: record, name: z, tag: z, ports: {out: [{name: a}]}}
- {kind: record, name: a, tag: a, ports: {out: [{name: b}]}}
- {kind: record, name: b, tag: b}
- {kind: record, name: far, tag: far}
""")
        it.take_diary()
        change = Changes(
            specs=it.specs("""
- {kind: record, name: new, tag: new, ports: {out: [{name: nobody}]}}
- {kind: record, name: b, tag: changed}
- {kind: record, name: far, tag: far, annotations: {note: a word}}
""")
        )
        assert told(await forecast(it.table, change)) == [
            ("new", "waiting", "pending"),
            ("b", "rebuilt", "active"),
            ("far", "unchanged", "active"),
            ("a", "relinked", "active"),
        ]
        effects = await forecast(it.table, Changes(deleted=["b"]))
        assert told(effects) == [("b", "closed", "deleted"), ("a", "closed", "pending"), ("z", "closed", "pending")]
        assert effects[1].reason == "out leads to 'b', which does not exist"
        assert it.take_diary() == []
        assert await it.ask("z") == ["z", "a", "b"]
        await it.close()

    run(main)


def test_a_broken_revision_is_kept_out(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("- {kind: record, name: a, tag: a}")
        [effect] = await forecast(it.table, Changes(specs=it.specs("- {kind: record, name: a, tga: a}")))
        assert (effect.action, effect.state, effect.diagnostics[0].rule) == ("kept", "failed", "unknown-field")
        assert effect.to_json()["diagnostics"][0]["line"] == 1
        await it.close()

    run(main)


def test_children_are_counted(run, bench) -> None:
    async def main() -> None:
        it = bench()
        text = "- {kind: sequence, name: s, specs: [{kind: record, tag: a}, {kind: record, tag: b}]}"
        await it.put(text)
        [effect] = await forecast(it.table, Changes(specs=it.specs(text.replace("tag: b", "tag: c"))))
        assert (effect.action, effect.made, effect.nodes) == ("rebuilt", 1, 3)
        await it.close()

    run(main)


def test_two_that_want_the_same_are_found_without_loading(run, bench) -> None:
    async def main() -> None:
        it = bench()
        codec = Codec(kind="port", spec=PortSpec, compile=Port, trigger=True)
        it.compiler.scheme = Scheme.of([codec])
        stored = it.specs("- {kind: port, name: a, port: 80}\n- {kind: port, name: b, port: 81}")
        table = await imagine("default", it.compiler, stored)
        effects = await forecast(table, Changes(specs=it.specs("- {kind: port, name: b, port: 80}")))
        assert told(effects) == [("b", "kept", "failed")]
        assert effects[0].reason == "port 80 belongs to port/a"
        swapped = it.specs("- {kind: port, name: a, port: 81}\n- {kind: port, name: b, port: 80}")
        effects = await forecast(table, Changes(specs=swapped))
        assert told(effects) == [("a", "rebuilt", "active"), ("b", "rebuilt", "active")]

    run(main)


def test_the_table_that_moved_on_is_asked_again(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("- {kind: record, name: a, tag: a}")
        compile = it.compiler.compile
        moved = []

        def compile_and_move(*given: Any, **named: Any) -> Any:
            if not moved:
                moved.append(it.table.current)
                it.table.current = it.table.new_generation()
            return compile(*given, **named)

        it.compiler.compile = compile_and_move
        [effect] = await forecast(it.table, Changes(specs=it.specs("- {kind: record, name: a, tag: b}")))
        assert effect.action == "rebuilt"
        it.table.current = moved[0]
        await it.close()

    run(main)


def test_copies() -> None:
    base = {"a": {1}, "b": {2}}
    copies = Copies(base)
    copies["a"].add(9)
    del copies["b"]
    copies.setdefault("c", set()).add(3)
    assert (dict(copies), len(copies), "b" in copies, copies.get("b")) == ({"a": {1, 9}, "c": {3}}, 2, False, None)
    copies["b"] = {4}
    assert copies["b"] == {4}
    assert base == {"a": {1}, "b": {2}}
