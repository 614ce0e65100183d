"""`weir`, with a census: the same command, and two signals that make it tell what is alive in it.

    python -m benchmarks.reload.child start …

USR1 counts what the daemon knows of by itself, which takes microseconds. VTALRM, which a daemon has no use for, collects
garbage and counts objects too; that takes some tens of milliseconds, so it is for before and after. Each writes one line of JSON to standard output,
which the daemon does not use.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
from types import FrameType
from typing import Any

import engine.daemon.daemon
from engine.daemon.daemon import Daemon
from engine.flow import Generation, Node, Process
from engine.graph.symbol import Symbol

COUNTED = {"generation objects": Generation, "process objects": Process, "node objects": Node, "symbol objects": Symbol}


class CountedDaemon(Daemon):
    """A daemon that answers the two signals."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        signal.signal(signal.SIGUSR1, self._count)
        signal.signal(signal.SIGVTALRM, self._count_all)

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        _write(self._known())

    def _count_all(self, _number: int, _frame: FrameType | None) -> None:
        gc.collect()
        objects = gc.get_objects()
        counts = {name: sum(isinstance(each, kind) for each in objects) for name, kind in COUNTED.items()}
        _write({**self._known(), **counts})

    def _known(self) -> dict[str, int]:
        tables = [runtime.table for runtime in self.runtimes.values()]
        return {
            "tasks": len(asyncio.all_tasks()),
            "processes": len(list(self.processes())),
            "generations": sum(1 + len(table.departures.superseded) for table in tables),
            "nodes on their way out": sum(len(table.departures.waiting) for table in tables),
        }


def _write(counts: dict[str, int]) -> None:
    os.write(1, json.dumps(counts).encode() + b"\n")


if __name__ == "__main__":
    engine.daemon.daemon.Daemon = CountedDaemon  # type: ignore[misc]  # `weir start` imports it when it runs
    from engine.cli.main import main

    main()
