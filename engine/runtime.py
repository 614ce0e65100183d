"""A runtime: one namespace, running.

It puts the pieces together: a scheme and languages make a compiler, the compiler and an environment a table, a store and
the table a loader. A daemon has one runtime for each namespace that it serves, and they share nothing but what is handed
to all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from engine.errors import Code, ErrorValue, Place
from engine.flow import Generation, InPort, Limits, Process
from engine.graph.compile import SpecCompiler
from engine.graph.context import Clock, Context, Languages, Log, Settings, Syscalls
from engine.graph.forecast import Effect, forecast
from engine.graph.reconcile import Changes, Report, reconcile
from engine.graph.resources import Resources
from engine.graph.scheme import Scheme
from engine.graph.sockets import OwnSockets, Sockets
from engine.graph.symbol import Site
from engine.graph.table import Table
from engine.loader import Listener, Loader
from engine.spec.model import Spec, Value
from engine.store.protocol import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What runtimes are made of and share."""

    scheme: Scheme
    languages: Languages
    log: Log
    clock: Clock = field(default_factory=Clock)
    settings: Settings = field(default_factory=Settings)
    limits: Limits = field(default_factory=Limits)
    environment: Mapping[str, Any] = field(default_factory=dict)
    syscalls: Syscalls | None = None
    sockets: Sockets = field(default_factory=OwnSockets)
    drain: timedelta = timedelta(seconds=8)


class Runtime:
    """One namespace, running.

    With a store, :meth:`start` keeps it in step with that; without one, :meth:`load` gives it specs directly. A
    `passive` runtime starts no trigger: it answers questions and does nothing by itself.
    """

    def __init__(self, namespace: str, services: Services, *, passive: bool = False) -> None:
        self.namespace = namespace
        self.resources = Resources()
        self._services = services
        prototype = Context(
            site=Site("", namespace, None, "", "", Place(), None),
            languages=services.languages,
            generation=self._generation,
            log=services.log,
            clock=services.clock,
            resources=self.resources,
            settings=services.settings,
            syscalls=services.syscalls,
            sockets=services.sockets,
        )
        self.table = Table(
            namespace,
            SpecCompiler(services.scheme, prototype),
            log=services.log,
            environment=services.environment,
            limits=services.limits,
            drain=services.drain,
            passive=passive,
            reporter=self._report,
        )
        self.loader: Loader | None = None
        self._task: asyncio.Task[None] | None = None

    # --- life

    async def load(self, specs: Sequence[Spec], values: Sequence[Value] = ()) -> Report:
        """Run these specs beside those that run already. Each needs an id."""
        return await reconcile(self.table, Changes(specs=specs, values=values))

    def start(self, store: Store, *, builtin: Sequence[Spec] = (), on_report: Listener | None = None) -> Loader:
        """Follow a store from now on; `loader.ready` tells when the first generation is published."""
        assert self._task is None, "a runtime is started once"
        self.loader = Loader(self.table, store, log=self._services.log, builtin=builtin, on_report=on_report)
        self._task = asyncio.get_running_loop().create_task(self.loader.run(), name=f"loader of {self.namespace}")
        return self.loader

    async def stop(self) -> None:
        """Follow the store no more. What runs goes on."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """End everything: triggers first, then what runs has `drain` to end and is cancelled, then nodes are unloaded.

        Cancelling this while it waits cancels what still runs, and nodes are unloaded all the same.
        """
        await self.stop()
        try:
            await reconcile(self.table, Changes(deleted=list(self.table.entries)))
            await self.table.departures.join()
        except asyncio.CancelledError:
            self.cancel()
            self.table.drain = timedelta(0)
            await asyncio.shield(self.table.departures.join())
            raise
        finally:
            await self.resources.close()

    def cancel(self, reason: str = "the daemon ends now") -> None:
        """Cancel every process."""
        error = ErrorValue(Code.CANCELLED.title, Code.CANCELLED, (ErrorValue(reason),))
        for process in self.table.processes():
            process.cancel(error)

    # --- asking

    async def forecast(self, changes: Changes) -> list[Effect]:
        """What a change would do to what runs; nothing is done."""
        return await (forecast(self.table, changes) if self.loader is None else self.loader.forecast(changes))

    def ports(self, node: str, port: str = "in") -> list[InPort] | str:
        """The in ports of an active node by its name or id; text, the reason, where it is not active."""
        entry = self.table.find(node)
        if entry is None:
            return f"no node is called {node!r}"
        if entry.running is None or (entry.status is not None and entry.status.state != "active"):
            return entry.status.reason if entry.status is not None else "it has not been looked at yet"
        ports = entry.running.in_ports(port)
        return ports or f"{entry.running.site.label} has no in port {port!r}"

    def process(self) -> Process:
        """A process on the current generation, for a question from outside."""
        return Process(self.table.current, origin="outside", deadline=self._deadline())

    def _deadline(self) -> float | None:
        timeout = self._services.settings.process_timeout
        return None if timeout is None else asyncio.get_running_loop().time() + timeout.total_seconds()

    def _generation(self) -> Generation:
        return self.table.current

    def _report(self, process: Process, error: BaseException) -> None:
        self._services.log.error(
            "process.hook_failed", process=process.id, origin=process.origin, error=str(error), exc_info=error
        )
