"""The way out: nodes that a published generation no longer has, until no process can reach them.

A node that was part of the generations from `born` up to, but not including, `died` is unloaded when no live process is
pinned to one of those, and no `term` flow that is still to run leads to it. Nodes that become free together are unloaded
outer ones first, one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from engine.errors import Code, ErrorValue
from engine.flow import Generation, InPort, Node, Process
from engine.flow.node import LIFECYCLE
from engine.graph.context import Log
from engine.graph.symbol import Symbol

LOOK_AGAIN = 1.0
"""Seconds, at least, between two looks at who keeps a node whose time is over."""

_EARLY = 0.001
"""Seconds that a timer may be early."""


@dataclass(frozen=True, slots=True)
class Departure:
    """One node on its way out. `generation` is the last one that it was part of."""

    node: Node
    symbol: Symbol
    born: int
    generation: Generation

    def waits_for(self, live: Iterable[Generation]) -> bool:
        """Whether a process of some live generation can still reach the node."""
        return any(self.born <= generation.number <= self.generation.number for generation in live)


class Departures:
    """Who is on the way out, and the generations whose processes they wait for.

    `unload` is called for one node at a time. Processes that can still reach a node `drain` seconds after it was
    replaced are cancelled; those that cannot go on for as long as they like. After as long again those that still run
    are reported, and left behind. `moved` is called when an older generation is not needed any more.
    """

    def __init__(
        self,
        unload: Callable[[Departure], Awaitable[None]],
        log: Log,
        *,
        drain: Callable[[], float],
        moved: Callable[[], None] = lambda: None,
    ) -> None:
        self._unload = unload
        self._moved = moved
        self._log = log
        self._drain = drain
        self._waiting: dict[Node, Departure] = {}
        self._since: dict[Node, float] = {}
        self._overdue: set[Node] = set()
        self._looked_at = 0.0
        self._superseded: list[Generation] = []
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> tuple[Departure, ...]:
        """The nodes that have not been unloaded yet, outer ones first."""
        return tuple(self._waiting.values())

    @property
    def superseded(self) -> tuple[Generation, ...]:
        """Older generations that still have processes, oldest first."""
        return tuple(self._superseded)

    def oldest(self, current: Generation) -> int:
        """The number of the oldest generation that anybody follows: a process, or the `term` flow of a node."""
        generations = (*self._superseded, *(departure.generation for departure in self._waiting.values()), current)
        return min(generation.number for generation in generations)

    def supersede(self, generation: Generation, leaving: Iterable[Departure]) -> None:
        """A new generation is published; `generation` was the current one until now."""
        now = asyncio.get_running_loop().time()
        for departure in leaving:
            self._waiting[departure.node] = departure
            self._since[departure.node] = now
        if generation.live:
            self._superseded.append(generation)
        self._collect()

    def drained(self, generation: Generation) -> None:
        """The last process of a generation has ended."""
        if generation not in self._superseded:
            return
        self._superseded.remove(generation)
        self._collect()
        self._moved()

    async def join(self) -> None:
        """Wait until every node that is on the way out has been unloaded."""
        await self._idle.wait()

    def _collect(self) -> None:
        if self._task is None and self._free():
            self._task = asyncio.get_running_loop().create_task(self._unload_all())
        if self._waiting:
            self._idle.clear()
        elif self._task is None:
            self._idle.set()
        self._set_timer()

    def _free(self) -> list[Departure]:
        """Those that nobody can reach any more, outer ones first.

        The `term` flow of one that still waits can reach nodes that came after it, and which no process holds.
        """
        free: list[Departure] = []
        needed: set[Node] = set()
        for each in self._waiting.values():
            if each.node in needed or each.waits_for(self._superseded):
                term, number = each.node.lifecycle("term"), each.generation.number
                if term is not None:
                    needed |= _reach(term.at(number), number)
            else:
                free.append(each)
        return free

    async def _unload_all(self) -> None:
        try:
            while free := self._free():
                for departure in free:
                    try:
                        await self._unload(departure)
                    finally:
                        del self._waiting[departure.node]
                        del self._since[departure.node]
                        self._overdue.discard(departure.node)
                self._moved()
        finally:
            self._task = None
            self._collect()

    def _set_timer(self) -> None:
        """Look when the next node has had its time; those that had it are looked at again now and then."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._waiting or not self._superseded:
            return
        drain = self._drain()
        times = [since + drain for node, since in self._since.items() if node not in self._overdue]
        if self._overdue:
            times.append(self._looked_at + max(drain, LOOK_AGAIN))
        self._timer = asyncio.get_running_loop().call_at(min(times), self._look)

    def _look(self) -> None:
        """Cancel the processes that keep a node whose time is over."""
        now, drain = asyncio.get_running_loop().time(), self._drain()
        self._looked_at = now
        self._overdue |= {node for node, since in self._since.items() if since + drain <= now + _EARLY}
        for generation in tuple(self._superseded):
            processes = self._keeping(generation)
            if processes:
                self._end(generation, processes, drain)
        self._set_timer()

    def _end(self, generation: Generation, processes: list[Process], drain: float) -> None:
        self._log.warning("generation.drain_exceeded", generation=generation.number, processes=len(processes))
        asyncio.get_running_loop().call_later(drain, self._leave_behind, generation, processes)
        reason = ErrorValue(Code.CANCELLED.title, Code.CANCELLED, (ErrorValue("the drain limit is over"),))
        for process in processes:
            process.cancel(reason)

    def _keeping(self, generation: Generation) -> list[Process]:
        """The processes of a generation that can reach a node whose time is over.

        One that came from outside may reach any. A node that made processes itself is reached by them.
        """
        gone = {node for node in self._overdue if self._waiting[node].waits_for([generation])}
        if not gone:
            return []
        makers = {process.maker for process in generation.live if process.maker is not None}
        number = generation.number
        able = {
            maker for maker in makers if maker in gone or not gone.isdisjoint(_reach(_following(maker, number), number))
        }
        return [process for process in generation.live if process.maker is None or process.maker in able]

    def _leave_behind(self, generation: Generation, processes: Iterable[Process]) -> None:
        left = [process for process in processes if process in generation.live]
        for process in left:
            self._log.error("process.left_behind", **process.statistics())
            generation.leave(process)


def _reach(ports: Iterable[InPort], number: int) -> set[Node]:
    """The nodes that packets which arrive at these ports can reach in generation `number`."""
    found: set[Node] = set()
    todo = [port.node for port in ports]
    while todo:
        here = todo.pop()
        if here not in found:
            found.add(here)
            todo += [port.node for port in _following(here, number)]
    return found


def _following(node: Node, number: int) -> list[InPort]:
    """Where packets of a node go in generation `number`: not by `init` and `term`, which are for its own life."""
    return [target for port in node.out_ports() if port.name not in LIFECYCLE for target in port.at(number)]
