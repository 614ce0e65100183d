"""One daemon with many specs on MongoDB: its start, what it holds, and the reload of one spec.

The store is filled before. *Start* is from the process until it serves, which includes loading Python and the driver;
*first generation* is the daemon's own figure, from the open store on. On a shared machine the *processor time* of the start
tells more than either. Changes of one spec come one at a time, with pauses;
each counts from the answer of the store to the log line of the generation that shows it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic, time

from benchmarks.daemons.fleet import PATIENCE
from benchmarks.daemons.journal import Journal
from benchmarks.reload.daemon import Daemon, free_port
from benchmarks.reload.latency import changed, filling
from engine.store.protocol import PutSpec
from engine.store.url import open_store

AT_ONCE = 1_000
"""Specs that are written in one transaction when the store is filled."""


@dataclass(slots=True)
class Size:
    """A daemon of `specs`. Times are in seconds, `rss` in KiB: after the start, and after all reloads."""

    specs: int
    filled: float = 0.0
    start: float = 0.0
    first_generation: float = 0.0
    processor: float = 0.0
    rss: tuple[int, int] = (0, 0)
    reloads: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


async def measure(specs: int, url: str, *, times: int = 200, seed: int = 1) -> Size:
    """Fill the store of a URL, start a daemon on it, and change one spec so many times."""
    size = Size(specs)
    random = Random(seed)
    journal = Journal()
    with tempfile.TemporaryDirectory(prefix="weir-size-") as folder:
        async with open_store(url) as store:
            began = monotonic()
            wanted = [PutSpec(spec) for spec in filling(specs, free_port())]
            for first in range(0, len(wanted), AT_ONCE):
                await store.apply(wanted[first : first + AT_ONCE])
            size.filled = monotonic() - began
            began = monotonic()
            async with Daemon(Path(folder), level="info", hear=journal.hear, store=url) as daemon:
                size.start = monotonic() - began
                [started] = journal.said("daemon.started")
                size.first_generation = float(started["seconds"])
                size.processor = _processor_time(daemon.pid)
                before = daemon.memory()["rss"]
                for turn in range(1, times + 1):
                    await asyncio.sleep(random.uniform(0.05, 0.1))
                    [outcome] = await store.apply([PutSpec(changed(turn))])
                    written = time()
                    await journal.until_live(outcome.revision, within=PATIENCE)
                    size.reloads.append(max(0.0, journal.published[-1].time - written))
                size.rss = (before, daemon.memory()["rss"])
    size.problems += [f"it says {event}" for event in journal.events if event["level"] in ("warning", "error")]
    return size


def _processor_time(pid: int) -> float:
    """Seconds that a process has had of the processors, its own and those spent for it by the system."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
