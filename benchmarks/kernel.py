"""What the kernel costs, beside the floor that plain Python sets.

    python -m benchmarks.kernel [--rounds 7] [--loop uvloop|asyncio] [--quick]

Every figure is the median of several rounds in one run; the measurements alternate within a round, so that a machine
that gets slower makes all of them slower. Compare ratios, not microseconds of two machines.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import platform
import statistics
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import perf_counter
from typing import Any

from engine.errors import Place
from engine.flow import Generation, Limits, Mode, Node, Process
from engine.graph.check import Silence
from engine.graph.compile import SpecCompiler
from engine.graph.context import Clock, Context, Settings
from engine.graph.reconcile import Changes, reconcile
from engine.graph.resources import Resources
from engine.graph.scheme import Codec, Scheme
from engine.graph.symbol import Site
from engine.graph.table import Table
from engine.spec.model import parse_spec
from engine.spec.schema import NodeSpec


class Stop(Node):
    """One in port with any handler."""

    def __init__(self, handler: Callable[..., Any], mode: Mode = Mode.MAP) -> None:
        super().__init__()
        self.out = self._add_out("out")
        self.error = self._add_out("error")
        self.input = self._add_in("in", handler, out=self.out, error=self.error, mode=mode)

    def to(self, *others: Stop, number: int = 1) -> Stop:
        self.out.link(number, [other.input for other in others])
        return self


def same(payload: Any) -> Any:
    return payload


async def same_later(payload: Any, _process: Process) -> Any:
    await asyncio.sleep(0)
    return payload


async def same_at_once(payload: Any, _process: Process) -> Any:
    return payload


def chain(length: int, handler: Callable[..., Any] = same, mode: Mode = Mode.MAP) -> Stop:
    nodes = [Stop(handler, mode) for _ in range(length)]
    for index in range(length - 1):
        nodes[index].to(nodes[index + 1])
    return nodes[0]


GENERATION = Generation(1, limits=Limits(loop_budget=3600.0))


async def ask(node: Stop, payload: Any, times: int) -> float:
    """Seconds for one process that asks `node` once, on average."""
    began = perf_counter()
    for _ in range(times):
        process = Process(GENERATION)
        exchange = process.start(node.input, payload)
        if not exchange.done:
            await exchange.wait()
        process.exit()
    return (perf_counter() - began) / times


def recursive(depth: int) -> int:
    return same(depth) if depth == 0 else recursive(same(depth - 1))


class Measurements:
    """Named measurements; each gives seconds for one unit."""

    def __init__(self, scale: int) -> None:
        self.scale = scale
        hundred, three = chain(100), chain(3)
        self.first = {
            "three": three,
            "hundred": hundred,
            "waits": Stop(same_later, Mode.COROUTINE),
            "at once": Stop(same_at_once, Mode.COROUTINE),
            "fan": Stop(same).to(*(Stop(same) for _ in range(8))),
            "fan later": Stop(same).to(*(Stop(same_later, Mode.COROUTINE) for _ in range(8))),
            "long": chain(10_000),
        }

        def turn(payload: int, _process: Process) -> Any:
            return (None if payload == 0 else ring.out), payload - 1

        ring = Stop(turn, Mode.ROUTE)
        ring.to(ring)
        self.first["ring"] = ring

    async def call(self) -> float:
        began = perf_counter()
        for _ in range(self.scale):
            recursive(100)
        return (perf_counter() - began) / self.scale / 100

    async def sleep(self) -> float:
        began = perf_counter()
        for _ in range(self.scale):
            await asyncio.sleep(0)
        return (perf_counter() - began) / self.scale

    async def task(self) -> float:
        began = perf_counter()
        for _ in range(self.scale):
            await asyncio.ensure_future(same_at_once(1, None))  # type: ignore[arg-type]
        return (perf_counter() - began) / self.scale

    async def process(self) -> float:
        began = perf_counter()
        for _ in range(self.scale * 10):
            Process(GENERATION).exit()
        return (perf_counter() - began) / self.scale / 10

    def asking(self, name: str, times: int = 1, payload: Any = 1, per: int = 1) -> Callable[[], Awaitable[float]]:
        async def measure() -> float:
            return await ask(self.first[name], payload, max(1, int(self.scale * times))) / per

        return measure

    async def long(self) -> float:
        return await ask(self.first["long"], 1, 5)

    async def ring(self) -> float:
        return await ask(self.first["ring"], 1_000_000, 1)


class Reload:
    """A table of many nodes, one of which changes."""

    def __init__(self, size: int) -> None:
        log = Silence()
        site = Site("", "", None, "", "", Place(), None)
        context = Context(
            site=site,
            languages=None,  # type: ignore[arg-type]
            generation=lambda: self.table.current,
            log=log,
            clock=Clock(),
            resources=Resources(),
            settings=Settings(),
        )
        codec = Codec(kind="stop", spec=NodeSpec, compile=lambda _spec, _ctx: Stop(same))
        compiler = SpecCompiler(Scheme.of([codec]), context)
        self.table = Table("default", compiler, log=log, drain=timedelta(hours=1))
        self.size = size
        self.turn = 0

    def spec(self, index: int, *others: int) -> Any:
        ports = {"out": [{"name": f"n{other}"} for other in others]}
        spec = parse_spec({"kind": "stop", "name": f"n{index}", "ports": ports})
        return spec.replace(id=f"n{index}", revision=self.turn + 1)

    async def fill(self) -> None:
        await reconcile(self.table, Changes(specs=[self.spec(index, index + 1) for index in range(self.size - 1)]))
        await reconcile(self.table, Changes(specs=[self.spec(self.size - 1)]))

    async def relink(self) -> float:
        """Change the link of the outermost node, which nothing leads to."""
        times = 20
        changes = []
        for _ in range(times):
            self.turn += 1
            changes.append(Changes(specs=[self.spec(0, 1 + self.turn % 2)]))
        began = perf_counter()
        for change in changes:
            await reconcile(self.table, change)
        return (perf_counter() - began) / times


async def run(rounds: int, *, quick: bool) -> list[tuple[str, float, float | None]]:
    scale = 200 if quick else 2_000
    it = Measurements(scale)
    reload = Reload(1_000 if quick else 10_000)
    await reload.fill()
    # The table is not garbage: what is measured is the kernel, not walks of the collector over ten thousand nodes.
    gc.collect()
    gc.freeze()
    floor_call, floor_task = "recursive Python call", "task, made and awaited"
    rows: list[tuple[str, Callable[[], Awaitable[float]], str | None]] = [
        (floor_call, it.call, None),
        ("`sleep(0)`", it.sleep, None),
        (floor_task, it.task, None),
        ("hop in a chain of 100", it.asking("hundred", per=100), floor_call),
        ("hop in a flow of three nodes, with its process", it.asking("three", per=3), floor_call),
        ("process, made and ended", it.process, floor_call),
        ("process with one node that awaits `sleep(0)`", it.asking("waits"), floor_task),
        ("process with one coroutine that does not suspend", it.asking("at once"), floor_task),
        ("fan-out of 8, inline", it.asking("fan"), floor_call),
        ("fan-out of 8, each awaits", it.asking("fan later"), floor_task),
        ("chain of 10,000", it.long, floor_call),
        ("cycle of 1,000,000 turns", it.ring, floor_call),
        (f"relink and publish one node in {reload.size:,}", reload.relink, floor_call),
    ]
    results: dict[str, list[float]] = {name: [] for name, _, _ in rows}
    for _ in range(rounds):
        for name, measure, _ in rows:
            results[name].append(await measure())
    median = {name: statistics.median(values) for name, values in results.items()}
    return [(name, median[name], median[name] / median[floor] if floor else None) for name, _, floor in rows]


def text_of(seconds: float) -> str:
    return f"{seconds * 1e6:.2f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, to see that it runs")
    options = parser.parse_args()
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if options.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        rows = runner.run(run(options.rounds, quick=options.quick))
    load = os.getloadavg()[0]
    print(f"{platform.python_implementation()} {sys.version.split()[0]}, {options.loop}, {platform.machine()},")
    print(f"{os.cpu_count()} cores, load {load:.1f}, median of {options.rounds} alternating rounds\n")
    print("| measured | time | times its floor |\n| --- | ---: | ---: |")
    for name, seconds, ratio in rows:
        print(f"| {name} | {text_of(seconds)} | {'' if ratio is None else f'{ratio:,.1f}'} |")


if __name__ == "__main__":
    main()
