"""Tells the store what this daemon runs: a row for each runtime, renewed at every plan and at every heartbeat.

The row is what `weir apply --wait` waits for and `weir get instances` shows. It names the specs that are not simply active,
so that a daemon with 10,000 of them writes hundreds of bytes and not a megabyte. Plans that follow each other quickly share
one; a store that cannot take it costs nobody anything but the news.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from datetime import datetime, timedelta
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
"""Seconds from one row to the next when nothing changes."""
SHARE = 10
"""Writing rows takes at most one part in so many of the time, unless that would make the next one late."""
LEAVING = 2.0
"""Seconds that a daemon which ends gives the store to take its rows away."""
UNREADABLE = "this version of Weir cannot read it; the log of the daemon says why"
"""The reason of a spec that never came as far as the table."""
FINDINGS = 200
"""Specs of a row whose findings are told; of more, the reasons alone. A mistake in ten thousand specs must fit into a row."""


class Beacon:
    """The rows of one daemon's runtimes."""

    def __init__(self, store: Store, runtimes: Sequence[Runtime], log: Log, *, worker: int | None = None) -> None:
        self._store = store
        self._worker = worker
        self._runtimes = {runtime.namespace: runtime for runtime in runtimes}
        self._ids = {runtime.namespace: uuid7() for runtime in runtimes}
        self._began = monotonic()
        self._started: datetime | None = None
        self._log = log
        self._told: dict[str, dict[str, tuple[Status, SpecState]]] = {}
        self._news = asyncio.Event()
        self._failing = False

    @property
    def ids(self) -> list[str]:
        """The ids of the rows."""
        return list(self._ids.values())

    async def plan_done(self, _report: Report) -> None:
        """A runtime has published a plan, or tried to."""
        self._news.set()

    async def run(self) -> None:
        """Renew the rows until cancelled."""
        while True:
            self._news.clear()
            began = monotonic()
            await self._write_all()
            # A store that answers slowly, or not at all, must not make a daemon that lives look dead.
            await asyncio.sleep(min((monotonic() - began) * SHARE, HEARTBEAT))
            try:
                async with asyncio.timeout(max(0.0, HEARTBEAT - (monotonic() - began))):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def put_out(self) -> None:
        """Take the rows away: the daemon ends. A store that is away is not waited for: they age out."""
        try:
            async with asyncio.timeout(LEAVING):
                await asyncio.gather(*(self._store.remove_instance(id) for id in self._ids.values()))
        except (WeirError, TimeoutError) as error:
            self._log.debug("instance.not_removed", reason=ErrorValue.of(error).text)

    async def _write_all(self) -> None:
        try:
            if self._started is None:  # by the store's clock, as all times of a row
                self._started = await self._store.now() - timedelta(seconds=monotonic() - self._began)
            for namespace, runtime in self._runtimes.items():
                await self._store.put_instance(self._row(namespace, runtime, self._started))
        except Exception as error:  # whatever it is, the next news is worth another try
            if not self._failing:
                self._log.warning("instance.not_written", reason=ErrorValue.of(error).text)
            self._failing = True
        else:
            self._failing = False

    def _row(self, namespace: str, runtime: Runtime, started: datetime) -> Instance:
        loader = runtime.loader
        states = self._states(namespace, runtime)
        return Instance(
            id=self._ids[namespace],
            host=socket.gethostname(),
            pid=os.getpid(),
            worker=self._worker,
            namespace=namespace,
            started=started,
            heartbeat=started,  # the store puts the time in which it hears of it
            revision=loader.revision if loader is not None else 0,
            generation=runtime.table.current.number,
            states=states,
            active=sum(1 for status in runtime.table.statuses() if status.id not in states),
            view_age=round(loader.age, 1) if loader is not None else 0.0,
            lost=loader.lost if loader is not None else None,
        )

    def _states(self, namespace: str, runtime: Runtime) -> dict[str, SpecState]:
        """The specs that are not simply active. What the last row has said of one is not put together anew."""
        before = self._told.get(namespace, {})
        now: dict[str, tuple[Status, SpecState]] = {}
        for status in runtime.table.statuses():
            if status.state == "active" and status.serving in (None, status.revision) and not status.reason:
                continue
            known = before.get(status.id)
            if known is None or known[0] is not status:
                known = (status, _state_of(status, findings=len(now) < FINDINGS))
            now[status.id] = known
        self._told[namespace] = now
        states = {id: state for id, (_, state) in now.items()}
        if runtime.loader is not None:
            states |= {id: _unread(runtime, id, revision) for id, revision in runtime.loader.unreadable.items()}
        return states


def _state_of(status: Status, *, findings: bool) -> SpecState:
    return SpecState(
        status.revision,
        status.state,
        status.reason or None,
        tuple(diagnostic.to_json() for diagnostic in status.diagnostics) if findings else (),
        None if status.serving == status.revision else status.serving,
    )


def _unread(runtime: Runtime, id: str, revision: int) -> SpecState:
    """The state of a spec whose newest revision this version of Weir cannot read. What it could read runs on."""
    entry = runtime.table.entries.get(id)
    serving = entry.status.serving if entry is not None and entry.status is not None else None
    return SpecState(revision, "failed", UNREADABLE, serving=serving)
