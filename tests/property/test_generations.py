"""A process sees exactly one generation, whatever is laid, undone, published and pruned while it is on its way."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.flow import Generation, Mode, Node, Process

NODES = 5
FUEL = 6


class Stop(Node):
    """Waits at a gate, writes its name on the packet and sends it on; without fuel it answers."""

    def __init__(self, name: str, gates: list[asyncio.Future[None]]) -> None:
        super().__init__()
        self.label = name
        self.gates = gates
        self.out = self._add_out("out")
        self.error = self._add_out("error")
        self.input = self._add_in("in", self.action, out=self.out, error=self.error, mode=Mode.GENERATOR, many=True)

    def action(self, payload: Any, _process: Process) -> Any:
        if len(payload) < FUEL:
            gate = asyncio.get_running_loop().create_future()
            self.gates.append(gate)
            yield gate
            return (yield self.out, (*payload, self.label))
        return payload


def walk(links: dict[str, list[str]], at: str, payload: tuple[str, ...]) -> Any:
    """Where a packet should go with these links."""
    if len(payload) >= FUEL:
        return payload
    payload = (*payload, at)
    answers = [walk(links, other, payload) for other in links[at]]
    if not answers:
        return payload
    return answers[0] if len(answers) == 1 else answers


@given(data=st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_an_old_process_never_takes_a_new_link(run, data) -> None:
    async def main() -> None:
        gates: list[asyncio.Future[None]] = []
        nodes = {f"n{index}": Stop(f"n{index}", gates) for index in range(NODES)}
        links: dict[str, list[str]] = {name: [] for name in nodes}
        current = Generation(1)
        number = 1
        flights: list[tuple[Process, asyncio.Task[Any], Any]] = []
        targets = st.lists(st.sampled_from(sorted(nodes)), max_size=2, unique=True)

        def alive() -> list[int]:
            return [process.generation.number for process, task, _ in flights if not task.done()] + [current.number]

        for _ in range(data.draw(st.integers(1, 25))):
            step = data.draw(st.sampled_from(["fly", "open", "open", "publish", "publish", "undo", "prune"]))
            if step == "fly":
                start = data.draw(st.sampled_from(sorted(nodes)))
                process = Process(current)
                task = asyncio.ensure_future(process.ask(nodes[start].input, ()))
                flights.append((process, task, walk(links, start, ())))
            elif step == "open" and gates:
                gates.pop(data.draw(st.integers(0, len(gates) - 1))).set_result(None)
            elif step in ("publish", "undo"):
                number += 1
                changed = data.draw(st.dictionaries(st.sampled_from(sorted(nodes)), targets, min_size=1, max_size=3))
                for name, others in changed.items():
                    nodes[name].out.link(number, [nodes[other].input for other in others])
                if data.draw(st.booleans()):
                    await asyncio.sleep(0)
                if step == "undo":
                    for name in changed:
                        nodes[name].out.unlink(number)
                else:
                    current = Generation(number)
                    links = {**links, **changed}
            elif step == "prune":
                for node in nodes.values():
                    node.out.prune(min(alive()))
            for _ in range(data.draw(st.integers(0, 3))):
                await asyncio.sleep(0)
        while not all(task.done() for _, task, _ in flights):
            await asyncio.sleep(0)
            while gates:
                gates.pop().set_result(None)
        for process, task, expected in flights:
            assert task.result() == expected
            process.exit()
            await process.join()
        for node in nodes.values():
            assert not node.out.prune(current.number)
            assert node.out.at(current.number) == tuple(nodes[other].input for other in links[node.label])

    run(main)
