"""How long a change takes to be live, in a daemon with many specs that does nothing else.

Two figures, since they have different causes:

* *commit to live*: another process has written to the SQLite file, as `weir apply` does; until the first answer that
  shows it. The daemon looks at the file every 25 ms, so half of that is waiting, on the average.
* *event to published*: the daemon has heard of the change; until the new generation is current. That is the work: a burst is
  waited for (2 ms), the spec compiled, the plan made, and one assignment.

The first is measured on a real daemon in a process of its own. The second is measured in a runtime in this process, where
a second watch on the same store hears of a change in the same turn of the event loop as the loader does. Changes come one
at a time, at moments that have nothing to do with the daemon's own rhythm.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import monotonic, perf_counter
from typing import Any

from benchmarks.reload.clients import HOST
from benchmarks.reload.daemon import Daemon, free_port
from engine.daemon.config import LogSection
from engine.daemon.logs import make_log
from engine.graph.reconcile import Report
from engine.graph.scheme import Scheme
from engine.language.registry import default_languages
from engine.runtime import Runtime, Services
from engine.spec.model import Spec, parse_spec
from engine.store.protocol import PutSpec
from engine.store.url import open_store
from engine.store.watch import Watch

SIZES = (1_000, 10_000)
PATIENCE = 30.0
"""Seconds after which a change that is not live never will be."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds, for a table of `size` specs."""

    size: int
    live: list[float]
    published: list[float]


async def measure(size: int, *, times: int, seed: int = 1) -> Latency:
    """Change one node of `size` so many times, one after another."""
    return Latency(size, await _live(size, times, Random(seed)), await _published(size, times, Random(seed)))


def changed(turn: int) -> Spec:
    """The node that changes; its answer is the number of the change."""
    return parse_spec({"kind": "snippet", "name": "answer", "language": "text", "code": f"turn {turn}"})


def filling(size: int, port: int | None) -> Iterator[Spec]:
    """`size` specs: the node that changes, a listener that leads to it where there is a port, and chains of ten."""
    yield changed(0)
    if port is not None:
        yield parse_spec({"kind": "listener", "name": "web", "port": port, "ports": {"out": [{"name": "answer"}]}})
    for index in range(size - 1 - (port is not None)):
        spec: dict[str, Any] = {"kind": "snippet", "name": f"n{index}", "language": "cel", "code": f"self + {index}"}
        if index % 10:
            spec["ports"] = {"out": [{"name": f"n{index - 1}"}]}
        yield parse_spec(spec)


async def _live(size: int, times: int, random: Random) -> list[float]:
    found: list[float] = []
    with tempfile.TemporaryDirectory(prefix="weir-latency-") as folder:
        port = free_port()
        complaints: list[object] = []
        daemon = Daemon(Path(folder), level="warning", hear=complaints.append)
        async with open_store(daemon.store) as store:
            await store.apply([PutSpec(spec) for spec in filling(size, port)])
            async with daemon:
                reader, writer = await asyncio.open_connection(HOST, port)
                for turn in range(1, times + 1):
                    await asyncio.sleep(random.uniform(0.05, 0.1))
                    await store.apply([PutSpec(changed(turn))])
                    since = monotonic()
                    while await _ask(reader, writer) != f"turn {turn}":
                        if monotonic() - since > PATIENCE:
                            raise RuntimeError(f"change {turn} does not come: {complaints}")
                        await asyncio.sleep(0.0005)  # the daemon has better things to do than to answer
                    found.append(monotonic() - since)
                writer.close()
                await writer.wait_closed()
        if complaints:
            raise RuntimeError(f"the daemon complains: {complaints}")
    return found


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.partition(b"Content-Length: ")[2].partition(b"\r")[0])
    return (await reader.readexactly(length)).decode()


async def _published(size: int, times: int, random: Random) -> list[float]:
    published: asyncio.Queue[float] = asyncio.Queue()
    found: list[float] = []

    async def on_report(report: Report) -> None:
        if report.published:
            published.put_nowait(perf_counter())

    languages = default_languages()
    with tempfile.TemporaryDirectory(prefix="weir-latency-") as folder:
        log = make_log(LogSection(level="error"))
        runtime = Runtime("default", Services(scheme=Scheme.installed(), languages=languages, log=log))
        async with open_store(f"sqlite:///{folder}/weir.db") as store:
            await store.apply([PutSpec(spec) for spec in filling(size, None)])
            await runtime.start(store, on_report=on_report).ready.wait()
            await published.get()
            gc.collect()
            gc.freeze()  # as the daemon does once it has started
            async with store.watch(frozenset({"default"})) as watch:
                for turn in range(1, times + 1):
                    await asyncio.sleep(random.uniform(0.005, 0.01))
                    async with asyncio.timeout(PATIENCE):
                        heard, _ = await asyncio.gather(_hear(watch), store.apply([PutSpec(changed(turn))]))
                        found.append(await published.get() - heard)
            await runtime.close()
            gc.unfreeze()
    languages.close()
    return found


async def _hear(watch: Watch) -> float:
    await anext(watch)
    return perf_counter()
