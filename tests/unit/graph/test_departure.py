"""Nodes on their way out: who waits for whom, the drain limit, and those left behind."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

from engine.flow import Generation, Node, OneToOne, Process, State
from engine.graph.departure import Departure, Departures
from engine.graph.scheme import Codec
from engine.spec.schema import NodeSpec


def leave(born: int, generation: Generation) -> Departure:
    return Departure(Node(), SimpleNamespace(), born, generation)


def test_a_node_waits_for_the_generations_that_it_was_part_of() -> None:
    first, second, third = (Generation(number) for number in (1, 2, 3))
    departure = leave(2, second)
    assert departure.waits_for([second])
    assert not departure.waits_for([first, third])
    assert leave(1, third).waits_for([second])


def test_the_oldest_generation_is_kept_for_processes_and_for_term_flows(run) -> None:
    async def main() -> None:
        gate = asyncio.get_running_loop().create_future()
        moved = []

        async def unload(_departure: Departure) -> None:
            await gate

        departures = Departures(unload, None, drain=lambda: 3600, moved=lambda: moved.append(1))
        generations = [Generation(number, drained=departures.drained) for number in range(1, 4)]
        process = Process(generations[0])
        departures.supersede(generations[0], [leave(1, generations[0])])
        assert departures.oldest(generations[1]) == 1
        process.exit()
        assert departures.superseded == ()
        assert departures.oldest(generations[2]) == 1, "its term flow may still run"
        gate.set_result(None)
        await departures.join()
        assert departures.oldest(generations[2]) == 3
        assert len(moved) == 2

    run(main)


def test_at_the_drain_limit_processes_are_cancelled_and_later_left_behind(run, bench) -> None:
    async def main() -> None:
        it = bench(drain=0.0)
        await it.put("- {kind: record, name: h, tag: hold}")
        it.take_diary()
        process = it.process()
        lost = it.process()
        question = asyncio.ensure_future(process.ask(it.table.find("h").running.in_ports("in")[0], []))
        await asyncio.sleep(0)
        await it.put("", deleted=["h"])
        answer = await question
        assert answer.text == "cancelled: the drain limit is over"
        process.exit()
        await it.table.departures.join()
        assert it.take_diary() == ["retire hold", "unload hold"]
        events = [event for event, _ in it.log.events]
        assert events.count("generation.drain_exceeded") == 1
        assert lost.id in [fields["id"] for event, fields in it.log.events if event == "process.left_behind"]
        assert process.state is State.CANCELLED
        assert not it.table.departures.superseded
        lost.exit()
        assert lost.state is State.CANCELLED

    run(main)


def test_a_drained_generation_needs_no_timer(run, bench) -> None:
    async def main() -> None:
        it = bench()
        await it.put("- {kind: record, name: a, tag: a}")
        process = it.process()
        await it.put("", deleted=["a"])
        assert it.table.departures._timer
        process.exit()
        assert not it.table.departures._timer
        await it.table.departures.join()

    run(main)


def test_an_unload_that_raises_does_not_stop_the_others(run) -> None:
    async def main() -> None:
        gone = []

        async def unload(departure: Departure) -> None:
            gone.append(departure)
            await asyncio.sleep(0)

        departures = Departures(unload, None, drain=lambda: 3600)
        generation = Generation(1, drained=departures.drained)
        leaving = [leave(1, generation) for _ in range(3)]
        departures.supersede(generation, leaving)
        await departures.join()
        assert gone == leaving
        assert departures.waiting == ()

    run(main)


def test_a_process_that_cannot_reach_what_leaves_goes_on(run, bench) -> None:
    async def main() -> None:
        it = bench(drain=0.0)
        await it.put("""
- {kind: record, name: a, tag: a, ports: {out: [{name: b}], term: [{name: other}]}}
- {kind: record, name: b, tag: b}
- {kind: record, name: other, tag: one}
""")
        near, far = Process(it.table.current), Process(it.table.current)
        near.maker = it.table.find("other").running.node
        far.maker = it.table.find("a").running.node
        await it.put("- {kind: record, name: other, tag: two}")
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert near.state is State.CANCELLING
        assert far.state is State.RUNNING, "only the term flow of its node leads there, and no packet of its own"
        near.exit()
        far.exit()
        await it.close()

    run(main)


def test_the_limit_of_a_node_begins_when_it_is_replaced_not_with_an_earlier_change(run, bench) -> None:
    async def main() -> None:
        it = bench(drain=100.0)
        await it.put("- {kind: record, name: a, tag: a}\n- {kind: record, name: other, tag: one}")
        holder, process = it.process(), Process(it.table.current)  # the first keeps `other`
        process.maker = holder.maker = it.table.find("a").running.node
        await it.put("- {kind: record, name: other, tag: two}")
        departures = it.table.departures
        [(other, began)] = departures._since.items()
        departures._since[other] = began - 200
        await it.put("- {kind: record, name: a, tag: anew}")
        departures._look()
        assert process.state is State.RUNNING
        for node in departures._since:
            departures._since[node] -= 200
        departures._look()
        assert process.state is State.CANCELLING
        process.exit()
        holder.exit()
        await it.close()

    run(main)


def test_a_change_after_which_nothing_leaves_cancels_nobody(run, bench) -> None:
    async def main() -> None:
        it = bench(drain=0.0)
        await it.put("- {kind: record, name: a, tag: a}")
        process = Process(it.table.current)
        await it.put("- {kind: record, name: b, tag: b}")
        await asyncio.sleep(0.01)
        assert process.state is State.RUNNING
        process.exit()
        await it.close()

    run(main)


def test_a_term_flow_finds_the_nodes_that_it_leads_to(run, bench) -> None:
    """They may have come later than the node itself, and nobody else may hold them."""

    async def main() -> None:
        it = bench()
        outer = "- {kind: record, name: outer, tag: outer, ports: {term: [{name: middle}]}}"
        await it.put(f"{outer}\n- {{kind: record, name: middle, tag: middle, ports: {{out: [{{name: inner}}]}}}}")
        await it.put("- {kind: record, name: inner, tag: inner1}")
        process = it.process()
        await it.put("- {kind: record, name: inner, tag: inner2}")
        await it.put("", deleted=["outer", "middle", "inner"])
        it.take_diary()
        for _ in range(5):
            await asyncio.sleep(0)
        assert it.take_diary() == []
        process.exit()
        await it.table.departures.join()
        assert it.take_diary() == ["unload inner1", "hook middle", "unload outer", "unload middle", "unload inner2"]

    run(main)


def test_nodes_wait_for_all_that_a_term_flow_has_set_off(run, bench) -> None:
    """A cache behind it, say, fetches in a process of its own."""

    async def main() -> None:
        it = bench()
        flights: list[Process] = []
        it.scheme.codecs["flight"] = Codec(kind="flight", spec=NodeSpec, compile=lambda _spec, _ctx: Flight(flights))
        await it.put("""
- {kind: record, name: outer, tag: outer, ports: {term: [{name: b}]}}
- {kind: flight, name: b}
- {kind: record, name: c, tag: c}
""")
        it.take_diary()
        await it.put("", deleted=["outer", "b", "c"])
        for _ in range(10):
            await asyncio.sleep(0)
        assert "unload outer" not in it.diary
        flights[0].exit()
        await it.table.departures.join()
        assert "unload outer" in it.diary

    run(main)


def test_a_term_flow_that_does_not_end_is_left_behind(run, bench, monkeypatch) -> None:
    monkeypatch.setattr("engine.graph.table.INIT_TIMEOUT", 0.0)
    monkeypatch.setattr("engine.graph.table.UNLOAD_TIMEOUT", 0.01)

    async def main() -> None:
        it = bench()
        gate = asyncio.get_running_loop().create_future()
        it.scheme.codecs["stubborn"] = Codec(kind="stubborn", spec=NodeSpec, compile=lambda _spec, _ctx: Stubborn(gate))
        await it.put("""
- {kind: record, name: outer, tag: outer, ports: {term: [{name: b}]}}
- {kind: stubborn, name: b}
""")
        await it.put("", deleted=["outer", "b"])
        async with asyncio.timeout(20):
            await it.table.departures.join()
        assert "unload outer" in it.diary
        assert [event for event, _ in it.log.events if event == "process.left_behind"]
        gate.set_result(None)
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)

    run(main)


class Flight(OneToOne):
    def __init__(self, flights: list[Process]) -> None:
        super().__init__()
        self.flights = flights

    def action(self, payload: Any, process: Process) -> Any:
        self.flights.append(Process(process.generation))
        return payload


class Stubborn(OneToOne):
    """Does not let itself be cancelled."""

    def __init__(self, gate: asyncio.Future[None]) -> None:
        super().__init__()
        self.gate = gate

    async def action(self, payload: Any, process: Process) -> Any:
        while not self.gate.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait((self.gate,))
        return payload
