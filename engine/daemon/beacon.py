"""Tells the store what this daemon runs: a row for each runtime, renewed at every plan and at every heartbeat.

The row is what `weir apply --wait` waits for and `weir get instances` shows. Plans that follow each other quickly share
one; a store that cannot take it costs nobody anything but the news.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic

from engine.errors import ErrorValue, WeirError
from engine.graph.context import Log
from engine.graph.reconcile import Report
from engine.graph.status import Status
from engine.runtime import Runtime
from engine.store.instance import Instance, SpecState
from engine.store.protocol import Store
from engine.uuid7 import uuid7

HEARTBEAT = 10.0
"""Seconds between two rows when nothing changes."""
SHARE = 10
"""Writing rows takes at most one part in so many of the time."""


class Beacon:
    """The rows of one daemon's runtimes."""

    def __init__(self, store: Store, runtimes: Sequence[Runtime], log: Log) -> None:
        self._store = store
        self._runtimes = {runtime.namespace: runtime for runtime in runtimes}
        self._ids = {runtime.namespace: uuid7() for runtime in runtimes}
        self._started = datetime.now(UTC)
        self._log = log
        self._told: dict[str, dict[str, tuple[Status, SpecState]]] = {}
        self._news = asyncio.Event()
        self._failing = False

    async def plan_done(self, _report: Report) -> None:
        """A runtime has published a plan, or tried to."""
        self._news.set()

    async def run(self) -> None:
        """Renew the rows until cancelled."""
        while True:
            self._news.clear()
            began = monotonic()
            await self._write_all()
            await asyncio.sleep((monotonic() - began) * SHARE)
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def put_out(self) -> None:
        """Take the rows away: the daemon ends."""
        for id in self._ids.values():
            try:
                await self._store.remove_instance(id)
            except WeirError as error:
                self._log.debug("instance.not_removed", reason=error.value.text)

    async def _write_all(self) -> None:
        try:
            for namespace, runtime in self._runtimes.items():
                await self._store.put_instance(self._row(namespace, runtime))
        except Exception as error:  # whatever it is, the next news is worth another try
            if not self._failing:
                self._log.warning("instance.not_written", reason=ErrorValue.of(error).text)
            self._failing = True
        else:
            self._failing = False

    def _row(self, namespace: str, runtime: Runtime) -> Instance:
        loader = runtime.loader
        return Instance(
            id=self._ids[namespace],
            host=socket.gethostname(),
            pid=os.getpid(),
            namespace=namespace,
            started=self._started,
            heartbeat=datetime.now(UTC),
            revision=loader.revision if loader is not None else 0,
            generation=runtime.table.current.number,
            states=self._states(namespace, runtime),
        )

    def _states(self, namespace: str, runtime: Runtime) -> dict[str, SpecState]:
        """What the table says of every spec. Most say what they said in the last row, which is not put together anew."""
        before, now = self._told.get(namespace, {}), {}
        for status in runtime.table.statuses():
            known = before.get(status.id)
            now[status.id] = known if known is not None and known[0] is status else (status, _state_of(status))
        self._told[namespace] = now
        return {id: state for id, (_, state) in now.items()}


def _state_of(status: Status) -> SpecState:
    return SpecState(
        status.revision,
        status.state,
        status.reason or None,
        tuple(diagnostic.to_json() for diagnostic in status.diagnostics),
        None if status.serving == status.revision else status.serving,
    )
