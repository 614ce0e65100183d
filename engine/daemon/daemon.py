"""The daemon: a store, a runtime for each namespace, the admin API beside them, and an orderly end.

Life of a daemon:

1. The config is read, and refused where this version cannot honour it. The store is opened; without one there is
   nothing to serve, so that is fatal at the start, and only at the start. Trials that are over are taken back.
2. Every runtime lists its specs and publishes its first generation. A spec that fails is told of, and stops nobody.
3. It serves. TERM and INT drain: triggers stop first, what runs has `drain_timeout` to end, then it is cancelled. A
   second signal ends at once. HUP reads the config again and takes over what can change while it runs.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import Any

from engine.daemon.beacon import Beacon
from engine.daemon.config import SYSTEM_NAMESPACE, Config
from engine.daemon.languages import make_languages
from engine.daemon.logs import Log
from engine.daemon.operations import Operations
from engine.daemon.system import LISTENER, system_environment, system_specs
from engine.daemon.trials import Trials
from engine.errors import InvalidError, WeirError
from engine.flow import Limits, Process
from engine.graph.context import Settings
from engine.graph.forecast import Effect
from engine.graph.intake import Changes
from engine.graph.reconcile import Report
from engine.graph.scheme import Scheme
from engine.language.registry import Languages
from engine.runtime import Runtime, Services
from engine.spec.model import Spec
from engine.store.protocol import Store, Write
from engine.store.shown import shown
from engine.store.url import open_store

RELOADABLE = ("drain_timeout",)
"""Keys that HUP takes over; the others need a restart."""

AT_ONCE = 1.0
"""Seconds that a second signal gives to what is being cancelled."""


def settle_memory() -> None:
    """Keep the collector away from what is there to stay.

    Modules, specs and nodes live as long as the daemon; walking over all of them again and again costs requests time.
    """
    gc.collect()
    gc.freeze()


Follow = Callable[[Store], Coroutine[Any, Any, None]]
"""Something that goes on beside the daemon and writes to its store."""


class Daemon:
    """One daemon. `reread` gives the config as it is now, for HUP."""

    def __init__(
        self, config: Config, log: Log, *, reread: Callable[[], Config] | None = None, development: bool = False
    ) -> None:
        self.config = config
        self.log = log
        self.runtimes: dict[str, Runtime] = {}
        self.started = asyncio.Event()
        """Set when every runtime has published its first generation."""
        self._reread = reread
        self._development = development
        self._ending = asyncio.Event()
        self._signals = 0
        self._builtin: list[Spec] = []
        self._closing: asyncio.Task[None] | None = None

    async def run(self, *, first: Sequence[Write] = (), follow: Follow | None = None) -> None:
        """Serve until told to end. `first` is written to the store before anything is loaded; `follow` runs beside it.

        Raises :class:`~engine.errors.WeirError` when it cannot start.
        """
        refused = self.config.unsupported()
        if refused:
            raise InvalidError("; ".join(refused))
        async with AsyncExitStack() as stack:
            store = open_store(self.config.store.url)
            await stack.enter_async_context(store)
            languages = make_languages(self.config)
            stack.callback(languages.close)
            trials = Trials(store, self.log)
            await trials.look()  # what is over goes back before anything is served, and before what the files say
            if first:
                await store.apply(first, author="weir start", message="from files")
            self._make_runtimes(store, languages, trials)
            await self._serve(store, trials, follow)
        self.log.info("daemon.ended")

    def end(self) -> None:
        """Drain and end, as TERM does; called again, end at once."""
        self._signals += 1
        if self._signals == 1:
            self._ending.set()
            return
        self.log.warning("daemon.ending_now")
        if self._closing is not None:
            self._closing.cancel()
        asyncio.get_running_loop().call_later(AT_ONCE, os._exit, 130)

    @property
    def was_interrupted(self) -> bool:
        """Whether somebody did not wait for the orderly end."""
        return self._signals > 1

    # --- what the operations ask

    def processes(self) -> Iterable[Process]:
        """Every live process of every namespace."""
        return [process for runtime in self.runtimes.values() for process in runtime.table.processes()]

    def builtin(self) -> Sequence[Spec]:
        """The specs that come with the package."""
        return self._builtin

    def runs(self, namespace: str) -> bool:
        """Whether this daemon runs a namespace."""
        return namespace in self.runtimes

    async def forecast(self, namespace: str, changes: Changes) -> Sequence[Effect]:
        """What a change of the store would do to what runs in a namespace."""
        return await self.runtimes[namespace].forecast(changes)

    async def health(self) -> Mapping[str, Any]:
        """What `/readyz` tells. `ready` is false while starting and while draining."""
        namespaces = {}
        for namespace, runtime in self.runtimes.items():
            loader = runtime.loader
            statuses = [status for status in runtime.table.statuses() if status.state in ("failed", "pending")]
            namespaces[namespace] = {
                "generation": runtime.table.current.number,
                "revision": loader.revision if loader is not None else 0,
                "store": "reached" if loader is None or loader.lost is None else loader.lost,
                "view_age": round(loader.age, 3) if loader is not None else 0.0,
                "processes": sum(1 for _ in runtime.table.processes()),
                "not_active": [
                    {"spec": f"{each.kind}/{each.name or each.id}", "state": each.state, "reason": each.reason}
                    for each in statuses
                ],
            }
        ready = self.started.is_set() and not self._ending.is_set()
        return {"ready": ready, "draining": self._ending.is_set(), "namespaces": namespaces}

    # --- parts of run

    def _make_runtimes(self, store: Store, languages: Languages, trials: Trials) -> None:
        config = self.config
        scheme = Scheme.installed(only=config.plugins)
        self._builtin = system_specs()
        if config.admin.address is None:
            self._builtin = [spec for spec in self._builtin if spec.name != LISTENER]
        settings = Settings(
            body_limit=config.limits.body,
            request_timeout=config.limits.process_timeout or timedelta(seconds=60),
            process_timeout=config.limits.process_timeout,
            development=self._development,
        )
        services = Services(
            scheme=scheme,
            languages=languages,
            log=self.log,
            settings=settings,
            limits=Limits(loop_budget=config.limits.loop_budget.total_seconds()),
            environment=config.environment,
            syscalls=Operations(store, scheme, languages, self, trials=trials),
            drain=config.drain_timeout,
        )
        system = replace(services, environment={**config.environment, **system_environment(config)})
        for namespace in config.served:
            self.runtimes[namespace] = Runtime(namespace, services)
        self.runtimes[SYSTEM_NAMESPACE] = Runtime(SYSTEM_NAMESPACE, system)

    async def _serve(self, store: Store, trials: Trials, follow: Follow | None) -> None:
        began = monotonic()
        beacon = Beacon(store, list(self.runtimes.values()), self.log)

        async def plan_done(report: Report) -> None:
            await beacon.plan_done(report)
            await trials.plan_done(report)

        loaders = [
            runtime.start(
                store,
                builtin=self._builtin if namespace == SYSTEM_NAMESPACE else (),
                on_report=plan_done,
            )
            for namespace, runtime in self.runtimes.items()
        ]
        for name, handler in ((signal.SIGTERM, self.end), (signal.SIGINT, self.end), (signal.SIGHUP, self._reload)):
            asyncio.get_running_loop().add_signal_handler(name, handler)
        ending = asyncio.ensure_future(self._ending.wait())
        ready = asyncio.ensure_future(asyncio.wait([asyncio.ensure_future(each.ready.wait()) for each in loaders]))
        beside = [asyncio.ensure_future(beacon.run()), asyncio.ensure_future(trials.run())]
        if follow is not None:
            beside.append(asyncio.ensure_future(follow(store)))
        for each in beside:
            each.add_done_callback(self._tell_if_broken)
        try:
            await asyncio.wait([ready, ending], return_when=asyncio.FIRST_COMPLETED)
            if not self._ending.is_set():
                self.started.set()
                settle_memory()
                self._announce(monotonic() - began)
            await asyncio.wait([ending])
            self.log.info("daemon.draining", processes=len(list(self.processes())))
        finally:
            for task in (ready, ending):
                task.cancel()
            self._closing = asyncio.ensure_future(self._close())
            await asyncio.gather(self._closing, return_exceptions=True)
            for each in beside:
                each.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await beacon.put_out()

    def _tell_if_broken(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("daemon.part_broke", error=str(error), exc_info=error)

    async def _close(self) -> None:
        """End the runtimes: what the operator runs first, the admin API last."""
        served = [runtime for namespace, runtime in self.runtimes.items() if namespace != SYSTEM_NAMESPACE]
        for runtimes in (served, [self.runtimes[SYSTEM_NAMESPACE]]):
            outcomes = await asyncio.gather(*(runtime.close() for runtime in runtimes), return_exceptions=True)
            for runtime, outcome in zip(runtimes, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    self.log.error("runtime.close_failed", namespace=runtime.namespace, exc_info=outcome)

    def _announce(self, seconds: float) -> None:
        address = self.config.admin.address
        self.log.info(
            "daemon.started",
            store=shown(self.config.store.url),
            namespaces=list(self.runtimes),
            admin=f"http://{address}" if address is not None else "off",
            seconds=round(seconds, 3),
        )

    def _reload(self) -> None:
        """Read the config again; what cannot change while it runs is refused by name."""
        if self._reread is None:
            return
        try:
            config = self._reread()
        except WeirError as error:
            self.log.error("config.refused", reason=error.value.text, place=str(error.place), hint=error.hint)
            return
        changed = self.config.changed(config)
        refused = [key for key in changed if key not in RELOADABLE]
        if refused:
            self.log.error("config.refused", reason="these keys need a restart", keys=refused)
            return
        self.config = config
        for runtime in self.runtimes.values():
            runtime.table.drain = config.drain_timeout
        self.log.info("config.reloaded", changed=changed)
