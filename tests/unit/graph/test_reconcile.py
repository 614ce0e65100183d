"""Reload: order, undoing, falling back, and who must keep what."""

from __future__ import annotations

import asyncio
import gc

import pytest

from engine.flow import Process
from engine.graph import reconcile as reconcile_module
from engine.graph.reconcile import Changes, reconcile
from engine.spec.model import parse_spec

CHAIN = """
- {kind: trigger, name: t, tag: t, ports: {out: [{name: a}]}}
- {kind: record, name: a, tag: a, ports: {out: [{name: b}]}}
- {kind: record, name: b, tag: b}
"""


def test_nodes_are_loaded_from_the_inside_and_unloaded_from_the_outside(run, bench) -> None:
    async def main() -> None:
        it = bench()
        report = await it.put(CHAIN)
        assert report.published
        assert report.loaded == ["record/b", "record/a", "trigger/t"]
        assert it.take_diary() == [
            *("load b", "load a", "load t"),
            *("activate b", "activate a", "activate t"),
        ]
        assert await it.ask("a") == ["a", "b"]
        await it.close()
        assert it.take_diary() == [
            *("retire t", "retire a", "retire b"),
            *("unload t", "unload a", "unload b"),
        ]

    run(main)


def test_what_a_cycle_leads_to_is_loaded_before_all_of_it(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("""
- {kind: record, name: a, tag: a, ports: {out: [{name: c}, {name: d}]}}
- {kind: record, name: c, tag: c, ports: {out: [{name: a}]}}
- {kind: record, name: d, tag: d}
- {kind: record, name: z, tag: z, ports: {out: [{name: c}]}}
""")
        loads = it.take_diary()[:4]
        assert loads[0] == "load d"
        assert loads[-1] == "load z"
        await it.close()

    run(main)


def test_a_node_that_cannot_be_loaded_is_left_out_and_the_rest_is_published(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put(
            "- {kind: record, name: a, tag: a1, ports: {out: [{name: b}]}}\n- {kind: record, name: b, tag: b1}"
        )
        number = it.table.current.number
        it.take_diary()
        report = await it.put("""
- {kind: record, name: a, tag: a2, fail: load, ports: {out: [{name: b}]}}
- {kind: record, name: b, tag: b2}
""")
        assert it.take_diary()[:4] == ["load b2", "load a2", "unload a2", "activate b2"]
        assert [status.name for status in report.failed] == ["a"]
        assert it.states() == {"a": ("failed", 1), "b": ("active", 2)}
        assert "load of a2 fails" in report.failed[0].reason
        assert await it.ask("a") == ["a1", "b2"]
        assert it.table.current.number > number
        await it.close()

    run(main)


def test_a_failed_generation_number_is_not_used_again_and_leaves_no_links(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("- {kind: record, name: a, tag: a1}\n- {kind: record, name: b, tag: b1}")
        first = it.table.current.number
        await it.put("- {kind: record, name: a, tag: a2, fail: load, ports: {out: [{name: b}]}}")
        assert it.table.current.number == first
        assert await it.ask("a") == ["a1"]
        await it.put("- {kind: record, name: a, tag: a1, ports: {out: [{name: b}]}}")
        assert it.table.current.number > first + 1
        assert await it.ask("a") == ["a1", "b1"]
        for name in ("a", "b"):
            symbol = it.table.find(name).running
            assert all(not port.history for port in symbol.node.out_ports())
            assert len(symbol.node.in_port("in").feeds) <= 1
        await it.close()

    run(main)


def test_a_spec_that_only_reads_differently_restarts_nothing(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put(CHAIN)
        it.take_diary()
        number = it.table.current.number
        report = await it.put("# moved down\n\n- {name: b, tag: b, kind: record, annotations: {why: not}}")
        assert not report.published
        assert it.take_diary() == []
        assert it.table.current.number == number
        assert it.states()["b"] == ("active", 2)
        assert it.table.find("b").running.node.place.line == 3
        await it.close()

    run(main)


def test_a_spec_waits_for_what_it_leads_to_and_stops_with_it(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("- {kind: record, name: a, tag: a, ports: {out: [{name: b}]}}")
        assert it.states() == {"a": ("pending", None)}
        assert "does not exist" in next(it.table.statuses()).reason
        await it.put("- {kind: record, name: b, tag: b}")
        assert it.states() == {"a": ("active", 1), "b": ("active", 2)}
        await it.put("", deleted=["b"])
        assert it.states()["a"] == ("pending", None)
        await it.table.departures.join()
        assert it.take_diary()[-2:] == ["unload a", "unload b"]
        await it.put("- {kind: record, name: b, tag: b}")
        assert await it.ask("a") == ["a", "b"]
        await it.close()

    run(main)


def test_the_id_of_a_spec_is_no_name_of_it(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("- {kind: record, name: b, labels: {id: b-id}, tag: b, ports: {out: [{name: nobody}]}}")
        await it.put("- {kind: record, name: a, tag: a, ports: {out: [{name: b-id}]}}")
        assert it.table.find("a").status.reason == "out leads to 'b-id', which does not exist"
        await it.put("- {kind: record, name: a, tag: a, ports: {out: [{name: b}]}}")
        assert "which is not active" in it.table.find("a").status.reason
        await it.close()

    run(main)


def test_a_node_that_opens_nothing_is_loaded_like_the_others(run, bench) -> None:
    async def main() -> None:
        it = bench()
        report = await it.put("""
            - {kind: fork, name: f, ports: {init: [{name: a}], 'out[0]': [{name: b}]}}
            - {kind: record, name: a, tag: a}
            - {kind: record, name: b, tag: b}
            - {kind: fork, name: g, ports: {out: [{name: b}]}}
        """)
        assert sorted(report.loaded) == ["fork/f", "fork/g", "record/a", "record/b"]
        assert "hook a" in it.take_diary()  # its init flow has run
        await it.close()
        assert not it.table.born

    run(main)


def test_a_new_revision_without_a_port_that_is_used_does_not_replace_the_old_one(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put(CHAIN)
        await it.put("- {kind: trigger, name: b, tag: b2}")
        assert it.states() == {"t": ("active", 1), "a": ("active", 1), "b": ("failed", 1)}
        assert "needs a port" in it.table.find("b").status.reason
        assert await it.ask("a") == ["a", "b"]
        await it.close()

    run(main)


def test_a_rename_that_fails_does_not_stop_those_who_use_the_old_name(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("""
- {kind: record, labels: {id: a}, name: a, tag: a, ports: {out: [{name: d}]}}
- {kind: record, labels: {id: z}, name: d, tag: d}
""")
        await it.put("- {kind: record, labels: {id: z}, name: e, tag: d, ports: {out: [{name: nowhere}]}}")
        assert it.table.entries["a"].status.state == "active"
        assert it.table.entries["z"].status.serving == 1
        assert await it.ask("a") == ["a", "d"]
        await it.put("- {kind: record, labels: {id: z}, name: e, tag: d}")
        assert it.table.entries["a"].status.state == "pending"
        await it.close()

    run(main)


def test_two_specs_can_swap_their_names(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("""
- {kind: record, labels: {id: x}, name: one, tag: x}
- {kind: record, labels: {id: y}, name: two, tag: y}
- {kind: record, labels: {id: a}, name: a, tag: a, ports: {out: [{name: one}]}}
""")
        it.take_diary()
        await it.put(
            "- {kind: record, labels: {id: x}, name: two, tag: x}\n- {kind: record, labels: {id: y}, name: one, tag: y}"
        )
        assert await it.ask("a") == ["a", "y"]
        assert it.take_diary() == []
        await it.close()

    run(main)


def test_init_runs_before_publishing_and_term_before_unloading(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("""
- {kind: record, name: a, tag: a, ports: {init: [{name: h}], term: [{name: h}]}}
- {kind: record, name: h, tag: h}
""")
        assert it.take_diary() == ["load h", "load a", "hook h", "activate h", "activate a"]
        await it.put("", deleted=["a"])
        await it.table.departures.join()
        assert it.take_diary() == ["retire a", "hook h", "unload a"]
        await it.close()

    run(main)


def test_term_runs_on_the_old_links_also_when_all_goes_at_once(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("""
- {kind: record, name: a, tag: a, ports: {term: [{name: h}]}}
- {kind: record, name: h, tag: h, ports: {out: [{name: i}]}}
- {kind: record, name: i, tag: i}
""")
        it.take_diary()
        await it.close()
        assert it.take_diary()[3:] == ["hook h", "unload a", "unload h", "unload i"]

    run(main)


def test_a_failing_init_flow_fails_the_spec_whose_term_does_not_run(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("""
- {kind: record, name: a, tag: a, ports: {init: [{name: bad}], term: [{name: h}], out: [{name: b}]}}
- {kind: record, name: b, tag: b, ports: {init: [{name: h}], term: [{name: h}]}}
- {kind: record, name: h, tag: h}
- {kind: record, name: bad, tag: bad, fail: packet}
""")
        assert it.states() == {
            "a": ("failed", None),
            "b": ("active", 1),
            "h": ("active", 1),
            "bad": ("active", 1),
        }
        diary = it.take_diary()
        undone = diary[diary.index("unload a") :]
        assert "hook h" not in undone
        assert not [event for event in undone if event in ("unload b", "unload h", "unload bad")]
        await it.close()

    run(main)


def init_flows() -> list[Process]:
    """The processes of `init` flows of `a`; a candidate generation is nowhere to be found but in them."""
    return [each for each in gc.get_objects() if isinstance(each, Process) and each.origin == "record/a"]


def test_a_cancelled_reconcile_leaves_the_current_generation_as_it_was(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("- {kind: record, name: a, tag: a1}\n- {kind: record, name: hold, tag: hold}")
        before = it.table.current
        settled = []
        task = asyncio.ensure_future(
            it.put("- {kind: record, name: a, tag: a2, ports: {init: [{name: hold}], out: [{name: hold}]}}")
        )
        while not it.gates:
            await asyncio.sleep(0)
        (process,) = init_flows()
        process.on_settle(settled.append)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert it.table.current is before
        assert settled[0] is not None, "what an init flow did is rolled back"
        assert process.state.is_over
        assert it.take_diary()[-2:] == ["hook hold", "unload a2"]
        port = it.table.find("a").running.node.out_port("out")
        assert port.at(99) == ()

    run(main)


def test_a_reconcile_that_is_cancelled_while_it_gives_up_unloads_all_that_it_has_loaded(run, bench) -> None:
    async def main() -> None:
        it = bench()
        gate = asyncio.get_running_loop().create_future()
        unload = it.table.unload

        async def slow(departure, *, term=True):
            await gate
            await unload(departure, term=term)

        it.table.unload = slow
        task = asyncio.ensure_future(
            it.put("- {kind: record, name: a, tag: good}\n- {kind: record, name: b, tag: bad, fail: load}")
        )
        while "load bad" not in it.diary:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        gate.set_result(None)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert it.take_diary() == ["load good", "load bad", "unload bad", "unload good"]
        assert it.table.find("a").running is None
        await it.put("- {kind: record, name: c, tag: c}")
        assert it.states() == {"a": ("active", 1), "b": ("failed", None), "c": ("active", 2)}
        await it.close()

    run(main)


def test_a_reconcile_that_is_cancelled_between_two_attempts_unloads_what_the_first_has_loaded(
    run, bench, monkeypatch
) -> None:
    calls: list[set[str]] = []

    async def choose(table, region):
        calls.append(region)
        if len(calls) == 2:
            await asyncio.get_running_loop().create_future()
        return await real(table, region)

    real = reconcile_module.choose
    monkeypatch.setattr(reconcile_module, "choose", choose)

    async def main() -> None:
        it = bench()
        calls.clear()
        task = asyncio.ensure_future(
            it.put("- {kind: record, name: a, tag: good}\n- {kind: record, name: b, tag: bad, fail: load}")
        )
        while len(calls) < 2:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert it.take_diary() == ["load good", "load bad", "unload bad", "unload good"]
        await it.close()

    run(main)


def test_a_hook_with_a_bug_stops_neither_the_plan_nor_the_others(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("""
- {kind: record, name: a, tag: a, fail: activate}
- {kind: record, name: b, tag: b, fail: retire}
- {kind: record, name: c, tag: c, fail: unload}
""")
        assert {state for state, _ in it.states().values()} == {"active"}
        await it.close()
        assert it.take_diary()[-3:] == ["unload c", "unload b", "unload a"]
        events = [event for event, _ in it.log.events]
        assert events.count("spec.hook_failed") == 2
        assert events.count("spec.unload_failed") == 1

    run(main)


def test_triggers_of_a_passive_table_are_never_loaded_nor_unloaded(run, bench) -> None:
    async def main() -> None:
        it = bench(passive=True)
        await it.put(CHAIN)
        assert it.states()["t"] == ("active", 1)
        await it.close()
        assert not [event for event in it.take_diary() if event.endswith(" t")]

    run(main)


def test_a_process_finishes_on_its_generation_and_its_nodes_wait_for_it(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put(
            "- {kind: record, name: h, tag: hold, ports: {out: [{name: b}]}}\n- {kind: record, name: b, tag: b1}"
        )
        old = asyncio.ensure_future(it.ask("h"))
        await asyncio.sleep(0)
        it.take_diary()
        await it.put("- {kind: record, name: b, tag: b2}")
        assert it.take_diary() == ["load b2", "activate b2", "retire b1"]
        assert it.states()["b"] == ("active", 2)
        assert await it.ask("h", ["free"]) == ["free", "hold", "b2"]
        assert it.take_diary() == []
        it.gates.pop().set_result(None)
        assert await old == ["hold", "b1"]
        await it.table.departures.join()
        assert it.take_diary() == ["unload b1"]
        await it.close()

    run(main)


def test_a_deleted_spec_that_drains_is_seen(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("- {kind: record, name: h, tag: hold}")
        old = asyncio.ensure_future(it.ask("h"))
        await asyncio.sleep(0)
        await it.put("", deleted=["h"])
        assert it.states() == {"h": ("draining", 1)}
        assert it.table.find("h") is None
        it.gates.pop().set_result(None)
        assert await old == ["hold"]
        await it.table.departures.join()
        assert it.states() == {}

    run(main)


def test_an_edit_of_a_child_keeps_the_nodes_of_its_siblings(run, bench) -> None:
    async def main() -> None:
        it = bench()
        text = """
- kind: sequence
  name: s
  specs:
  - {kind: record, name: one, tag: one}
  - {kind: record, name: two, tag: TWO}
  - {kind: record, tag: three}
"""
        await it.put(text)
        before = it.table.find("s").running
        it.take_diary()
        await it.put(text.replace("TWO", "2"))
        after = it.table.find("s").running
        assert it.take_diary()[:3] == ["load 2", "activate 2", "retire TWO"]
        assert after.node is before.node
        assert [after.children[key].node is before.children[key].node for key in after.children] == [True, False, True]
        assert await it.ask("s") == ["one", "2", "three"]
        await it.close()

    run(main)


def test_a_change_costs_what_it_concerns(run, bench) -> None:
    """Specs that have nothing to do with a change are not looked at."""

    async def main() -> None:
        it = bench()
        await it.put("\n".join(f"- {{kind: record, name: n{index}, tag: t}}" for index in range(50)))
        others = {id: entry.status for id, entry in it.table.entries.items()}
        await it.put("- {kind: record, name: n7, tag: new}")
        assert [id for id, entry in it.table.entries.items() if entry.status is not others[id]] == ["n7"]
        await it.close()

    run(main)


def test_a_spec_whose_old_revision_others_need_can_be_replaced_by_another_of_its_name(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("- {kind: record, name: a, tag: a, ports: {out: [{name: b}]}}\n- {kind: record, name: b, tag: b1}")
        await it.put("- {kind: trigger, name: b, tag: b2}")
        assert it.states()["b"] == ("failed", 1)
        old = it.table.find("b").spec
        new = parse_spec(
            {"kind": "record", "name": "b", "tag": "b3", "id": "00000000-0000-7000-8000-00000000abcd", "revision": 9}
        )
        await reconcile(it.table, Changes(specs=[new], deleted=[old.id]))
        await it.put("- {kind: record, name: c, tag: c}")
        await it.table.departures.join()
        assert it.states() == {
            "a": ("active", 1),
            "b": ("active", 9),
            "c": ("active", it.table.find("c").spec.revision),
        }
        assert await it.ask("a") == ["a", "b3"]
        await it.close()

    run(main)


def test_init_flows_that_wait_for_each_other_are_refused_and_nothing_moves(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("- {kind: record, name: a, tag: a}")
        generation = it.table.current
        report = await it.put("""
- {kind: record, name: a, tag: new, ports: {init: [{name: via}]}}
- {kind: record, name: via, tag: via, ports: {out: [{name: b}]}}
- {kind: record, name: b, tag: b, ports: {init: [{name: a}]}}
""")
        reasons = {status.name: (status.state, status.reason) for status in report.failed}
        assert reasons["a"] == ("failed", "its init flow leads to record/b, whose init flow leads back to it")
        assert reasons["b"] == ("failed", "its init flow leads to record/a, whose init flow leads back to it")
        assert reasons["via"][0] == "pending"
        [found] = next(status.diagnostics for status in report.failed if status.name == "a")
        assert (found.place.line, found.place.column) == (2, 45)
        assert it.table.current is generation
        assert await it.ask("a") == ["a"]
        assert "load via" not in it.take_diary()
        await it.put("- {kind: record, name: b, tag: b}")
        assert it.states()["a"] == ("active", 2)
        await it.close()

    run(main)


def test_what_an_init_flow_needs_is_loaded_first_within_a_cycle(run, bench) -> None:
    """`a` and `z` lead to each other, so that links alone say nothing about their order."""

    async def main() -> None:
        for first, second in (("a", "z"), ("z", "a")):
            it = bench()
            report = await it.put(f"""
- {{kind: record, name: {first}, tag: {first}, ports: {{init: [{{name: {second}}}]}}}}
- {{kind: record, name: {second}, tag: {second}, ports: {{out: [{{name: {first}}}]}}}}
""")
            assert report.failed == []
            assert it.take_diary()[:2] == [f"load {second}", f"load {first}"]
            await it.close()

    run(main)
