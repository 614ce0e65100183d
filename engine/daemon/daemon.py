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
import os
import signal
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic
from typing import Any, Protocol

from engine.daemon.beacon import Beacon
from engine.daemon.config import SYSTEM_NAMESPACE, Config
from engine.daemon.keys import make_store
from engine.daemon.languages import make_languages
from engine.daemon.logs import Log
from engine.daemon.memory import made_to_stay
from engine.daemon.operations import Operations
from engine.daemon.system import LISTENER, system_environment, system_specs
from engine.daemon.trials import Trials
from engine.errors import Code, ErrorValue, InvalidError, WeirError
from engine.flow import Limits, Process
from engine.graph.context import Settings
from engine.graph.forecast import Effect
from engine.graph.intake import Changes
from engine.graph.reconcile import Report
from engine.graph.scheme import Scheme
from engine.graph.sockets import OwnSockets, Sockets
from engine.language.registry import Languages
from engine.runtime import Runtime, Services
from engine.spec.model import Spec
from engine.store.protocol import Store, Write
from engine.store.shown import shown

RELOADABLE = ("drain_timeout", "drain_timeouts")
"""Keys that HUP takes over; the others need a restart."""

AT_ONCE = 1.0
"""Seconds that a second signal gives to what is being cancelled."""

Follow = Callable[[Store], Coroutine[Any, Any, None]]
"""Something that goes on beside the daemon and writes to its store."""


@dataclass(frozen=True, slots=True)
class Events:
    """What the log calls the life of a daemon, or of one worker of it."""

    started: str
    draining: str
    ending_now: str
    ended: str


DAEMON = Events("daemon.started", "daemon.draining", "daemon.ending_now", "daemon.ended")
WORKER = Events("worker.started", "worker.draining", "worker.ending_now", "worker.ended")


class Supervision(Protocol):
    """The supervisor of a daemon that is one worker of several, and through it the siblings."""

    @property
    def slot(self) -> int:
        """The number of this worker."""
        ...

    @property
    def sockets(self) -> Sockets:
        """Where its listening sockets come from."""
        ...

    def ready(self, instances: Sequence[str]) -> None:
        """This worker serves; `instances` are the ids of its rows in the store."""
        ...

    async def siblings(self) -> Sequence[Mapping[str, Any]]:
        """How all workers are: `number`, `pid` and `state` of each. Raises WeirError when the supervisor is gone."""
        ...

    async def gather(self, what: str, argument: str | None = None) -> Sequence[Mapping[str, Any]]:
        """What all others answer: `worker`, `pid` and `answer`, which is missing if none came. Raises WeirError likewise."""
        ...


async def prepare(store: Store, log: Log, first: Sequence[Write]) -> Trials:
    """What comes before anything is served: trials that are over go back, and then what the files say is written."""
    trials = Trials(store, log)
    await trials.look()
    if first:
        await store.apply(first, author="weir start", message="from files")
    return trials


class Daemon:
    """One daemon. `reread` gives the config as it is now, for HUP.

    One that is a worker has a `supervision`. Then signals are not its own affair, but its supervisor's.
    """

    def __init__(
        self,
        config: Config,
        log: Log,
        *,
        reread: Callable[[], Config] | None = None,
        development: bool = False,
        supervision: Supervision | None = None,
    ) -> None:
        self.config = config
        self.log = log
        self.runtimes: dict[str, Runtime] = {}
        self.started = asyncio.Event()
        """Set when every runtime has published its first generation."""
        self._reread = reread
        self._development = development
        self._supervision = supervision
        self._events = DAEMON if supervision is None else WORKER
        self._ending = asyncio.Event()
        self._signals = 0
        self._builtin: list[Spec] = []
        self._closing: asyncio.Task[None] | None = None

    async def run(
        self, *, first: Sequence[Write] = (), follow: Follow | None = None, stale: Sequence[str] = ()
    ) -> None:
        """Serve until told to end. `first` is written to the store before anything is loaded; `follow` runs beside it.
        `stale` are rows of instances to take away, which a daemon that was killed has left.

        Raises :class:`~engine.errors.WeirError` when it cannot start.
        """
        refused = self.config.unsupported()
        if refused:
            raise InvalidError("; ".join(refused))
        async with AsyncExitStack() as stack:
            store = make_store(self.config, self.log)
            await stack.enter_async_context(store)
            languages = make_languages(self.config)
            stack.callback(languages.close)
            trials = await prepare(store, self.log, first)
            for id in stale:
                await store.remove_instance(id)
            self._make_runtimes(store, languages, trials)
            await self._serve(store, trials, follow)
        self.log.info(self._events.ended)

    def drain(self) -> None:
        """Drain and end. However often it is called, it ends no sooner."""
        self._ending.set()

    def end(self) -> None:
        """Drain and end, as TERM does; called again, end at once."""
        self._signals += 1
        if self._signals == 1:
            self.drain()
        else:
            self.end_now()

    def end_now(self) -> None:
        """End at once: cancel what runs."""
        self.drain()
        self.log.warning(self._events.ending_now)
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

    def cancel(self, id: str) -> dict[str, Any] | None:
        """Cancel a process, as the operator wishes; its statistics, or None if there is no such process here."""
        for process in self.processes():
            if process.id == id:
                process.cancel(ErrorValue(Code.CANCELLED.title, Code.CANCELLED, (ErrorValue("by the operator"),)))
                return process.statistics()
        return None

    async def elsewhere(self, what: str, argument: str | None = None) -> Sequence[Mapping[str, Any]]:
        """What the other workers answer: see :meth:`Supervision.gather`. Nothing, where there are none."""
        return await self._supervision.gather(what, argument) if self._supervision is not None else ()

    @property
    def worker(self) -> int | None:
        """The number of this worker, None where it is the only one."""
        return self._supervision.slot if self._supervision is not None else None

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
        workers = await self._tell_workers()
        return {"ready": ready, "draining": self._ending.is_set(), **workers, "namespaces": namespaces}

    async def _tell_workers(self) -> dict[str, Any]:
        """Which worker this is, and how all are; nothing, where there is but one."""
        if self._supervision is None:
            return {}
        form: dict[str, Any] = {"worker": {"number": self._supervision.slot, "pid": os.getpid()}}
        try:
            return {**form, "workers": await self._supervision.siblings()}
        except WeirError as error:
            return {**form, "workers": [], "supervisor": error.value.text}

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
            access_log=config.log.level in ("debug", "info"),
        )
        services = Services(
            scheme=scheme,
            languages=languages,
            log=self.log,
            settings=settings,
            limits=Limits(loop_budget=config.limits.loop_budget.total_seconds()),
            environment=config.environment,
            syscalls=Operations(store, scheme, languages, self, trials=trials),
            sockets=self._supervision.sockets if self._supervision is not None else OwnSockets(),
        )
        for namespace in config.served:
            self.runtimes[namespace] = Runtime(namespace, replace(services, drain=config.drain_of(namespace)))
        self.runtimes[SYSTEM_NAMESPACE] = Runtime(
            SYSTEM_NAMESPACE,
            replace(
                services,
                drain=config.drain_of(SYSTEM_NAMESPACE),
                environment={**config.environment, **system_environment(config)},
            ),
        )

    async def _serve(self, store: Store, trials: Trials, follow: Follow | None) -> None:
        began = monotonic()
        beacon = Beacon(store, list(self.runtimes.values()), self.log, worker=self.worker)

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
        if self._supervision is None:
            self._listen_to_signals()
        ending = asyncio.ensure_future(self._ending.wait())
        ready = asyncio.ensure_future(asyncio.wait([asyncio.ensure_future(each.ready.wait()) for each in loaders]))
        beside = [asyncio.ensure_future(beacon.run()), asyncio.ensure_future(trials.run())]
        if follow is not None:
            beside.append(asyncio.ensure_future(follow(store)))
        for each in beside:
            each.add_done_callback(self._tell_if_broken)
        try:
            with made_to_stay():
                await asyncio.wait([ready, ending], return_when=asyncio.FIRST_COMPLETED)
            if not self._ending.is_set():
                self.started.set()
                self._announce(monotonic() - began)
                if self._supervision is not None:
                    self._supervision.ready(beacon.ids)
            await asyncio.wait([ending])
            self.log.info(self._events.draining, processes=len(list(self.processes())))
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

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        handlers = (
            (signal.SIGTERM, self.end),
            (signal.SIGINT, self.end),
            (signal.SIGHUP, self.reload),
            (signal.SIGUSR2, self._tell_that_it_is_alone),
        )
        for name, handler in handlers:
            loop.add_signal_handler(name, handler)

    def _tell_that_it_is_alone(self) -> None:
        """USR2 replaces workers one by one; unheeded it would end the process."""
        self.log.warning("signal.ignored", signal="SIGUSR2", reason="it replaces workers, and `workers` is 1")

    def _announce(self, seconds: float) -> None:
        address = self.config.admin.address
        self.log.info(
            self._events.started,
            store=shown(self.config.store.url),
            namespaces=list(self.runtimes),
            admin=f"http://{address}" if address is not None else "off",
            seconds=round(seconds, 3),
        )

    def reload(self) -> None:
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
            runtime.table.drain = config.drain_of(runtime.namespace)
        self.log.info("config.reloaded", changed=changed)
