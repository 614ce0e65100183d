"""The supervisor: what `weir start` is where the config asks for several workers.

Life of a supervisor:

1. What must happen once happens here: the store is opened, which also brings its schema up to date, trials that are over
   are taken back, and what the files say is written. A store that cannot be opened is fatal now, and only now.
2. All workers start at the same time. If one cannot, the others end, and its error is that of the daemon.
3. They serve. Those that die or hang are started again. HUP passes a new `drain_timeout` on and changes the number of workers.
   USR2 replaces all of them, one after the other, by new ones with the code and the config of now.
4. TERM and INT drain all at the same time. A second signal ends them at once.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from engine.daemon.config import SYSTEM_NAMESPACE, Config
from engine.daemon.daemon import AT_ONCE, Follow, prepare
from engine.daemon.keys import make_store
from engine.daemon.logs import Log
from engine.daemon.supervisor.addresses import Addresses, Key
from engine.daemon.supervisor.backoff import Backoff
from engine.daemon.supervisor.channel import Answer
from engine.daemon.supervisor.child import Child, start
from engine.daemon.supervisor.messages import PROTOCOL, Begin, Gather, Listen, Message, Release, Siblings, refusal
from engine.daemon.supervisor.slot import Slot
from engine.errors import InvalidError, UnavailableError, WeirError
from engine.store.protocol import Write
from engine.store.shown import shown

ANSWER: Final = 1.0
"""Seconds that a worker has to answer what a sibling wants to know."""

MARGIN: Final = 10.0
"""Seconds beyond all that a worker may wait for before it is killed."""

RELOADABLE: Final = frozenset({"drain_timeout", "drain_timeouts", "workers"})
"""Keys that HUP takes over; USR2 takes all."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where workers find their config: what `load_config` was given here."""

    file: str | None
    overrides: Mapping[str, Any]
    development: bool = False


class Supervisor:
    """One daemon of several workers. `reread` gives the config as it is now."""

    def __init__(self, config: Config, log: Log, source: Source, *, reread: Callable[[], Config]) -> None:
        self.config = config
        self._log = log
        self._source = source
        self._reread = reread
        self._addresses = Addresses()
        self._slots: dict[int, Slot] = {}
        self._children: set[Child] = set()
        self._ending = asyncio.Event()
        self._signals = 0
        self._changing = asyncio.Lock()
        self._beside: set[asyncio.Task[Any]] = set()

    async def run(self, *, first: Sequence[Write] = (), follow: Follow | None = None) -> None:
        """Serve until told to end. `first` is written to the store before any worker starts; `follow` runs beside them.

        Raises :class:`~engine.errors.WeirError` when it cannot start.
        """
        refused = self.config.unsupported()
        if refused:
            raise InvalidError("; ".join(refused))
        began = monotonic()
        async with AsyncExitStack() as stack:
            async with AsyncExitStack() as once:
                store = make_store(self.config, self._log)
                await once.enter_async_context(store)
                await prepare(store, self._log, first)
                if follow is not None:
                    stack.push_async_exit(once.pop_all())
            stack.callback(self._addresses.close)
            stack.push_async_callback(self._end_all)
            self._listen_to_signals()
            async with self._changing:
                await self._open_all()
            if not self._ending.is_set():
                if follow is not None:
                    self._do(follow(store))
                self._announce(monotonic() - began)
            await self._ending.wait()
            self._log.info("daemon.draining", workers=len(self._children))
        self._log.info("daemon.ended")

    @property
    def was_interrupted(self) -> bool:
        """Whether somebody did not wait for the orderly end."""
        return self._signals > 1

    def end(self) -> None:
        """Drain and end, as TERM does; called again, end at once."""
        self._signals += 1
        self._ending.set()
        if self._signals == 1:
            return
        self._log.warning("daemon.ending_now")
        for child in self._children:
            child.end_now()
        asyncio.get_running_loop().call_later(2 * AT_ONCE, self._kill_all)

    # --- what workers say

    def told(self, child: Child, message: Message) -> None:
        """See :class:`engine.daemon.supervisor.child.Host`."""
        if isinstance(message, Release):
            self._addresses.release(Key(message.owner, message.host, message.port), child)

    async def asked(self, child: Child, message: Message) -> Answer:
        """See :class:`engine.daemon.supervisor.child.Host`."""
        if isinstance(message, Listen):
            try:
                sockets = await self._addresses.take(Key(message.owner, message.host, message.port), child)
            except OSError as error:
                return Answer(refusal(error))
            return Answer(None, [sock.fileno() for sock in sockets])
        if isinstance(message, Siblings):
            return Answer([slot.to_json() for slot in self._slots.values()])
        if isinstance(message, Gather):
            others = [each for each in self._children if each is not child and each.state != "starting"]
            return Answer(await asyncio.gather(*(_report(each, message) for each in others)))
        raise UnavailableError(f"a worker asks for {type(message).__name__}, which this supervisor does not know")

    # --- the start and the end

    async def _open_all(self) -> None:
        """Start every worker. Returns when all are ready, or when the daemon is to end; raises what one failed of."""
        self._slots = {number: self._slot(number) for number in range(1, self.config.workers + 1)}
        opening = [asyncio.ensure_future(slot.open()) for slot in self._slots.values()]
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            pending: set[asyncio.Future[Any]] = set(opening)
            while pending and not ending.done():
                done, _ = await asyncio.wait([*pending, ending], return_when=asyncio.FIRST_COMPLETED)
                for each in done - {ending}:
                    each.result()
                pending -= done
        except OSError as error:
            raise UnavailableError(f"a worker cannot be started: {error}") from error
        finally:
            for each in (*opening, ending):
                each.cancel()
            await asyncio.gather(*opening, ending, return_exceptions=True)
        for slot in self._slots.values():
            slot.keep()

    async def _end_all(self) -> None:
        """End every worker, and whatever else goes on here."""
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await asyncio.gather(*(slot.abandon() for slot in self._slots.values()))
        for child in self._children:
            child.drain()
        await asyncio.gather(*(child.end_within(self._end_limit()) for child in self._children))

    def _kill_all(self) -> None:
        for child in self._children:
            child.kill()

    def _announce(self, seconds: float) -> None:
        address = self.config.admin.address
        self._log.info(
            "daemon.started",
            store=shown(self.config.store.url),
            namespaces=[*self.config.served, SYSTEM_NAMESPACE],
            admin=f"http://{address}" if address is not None else "off",
            workers=len(self._slots),
            seconds=round(seconds, 3),
        )

    # --- workers

    def _slot(self, number: int) -> Slot:
        return Slot(
            number,
            self._start,
            addresses=self._addresses,
            backoff=Backoff(random.random),
            log=self._log,
            end_limit=self._end_limit,
        )

    async def _start(self, number: int, stale: Sequence[str]) -> Child:
        source = self._source
        begin = Begin(
            PROTOCOL, number, self.config.workers, source.file, dict(source.overrides), source.development, list(stale)
        )
        child = await start(begin, host=self, log=self._log, hang=self.config.limits.hang.total_seconds())
        self._children.add(child)
        child.ended.add_done_callback(lambda _: self._children.discard(child))
        return child

    def _end_limit(self) -> float:
        """Three times `drain_timeout`: for connections that linger, for what runs, and for what was cancelled."""
        return 3 * self.config.longest_drain.total_seconds() + MARGIN

    # --- signals

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self.end)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._do(self._reload()))
        loop.add_signal_handler(signal.SIGUSR2, lambda: self._do(self._upgrade()))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._beside.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("daemon.part_broke", error=str(error), exc_info=error)

    def _read_config(self) -> Config | None:
        """The config as it is now; None if it cannot be used, which is told."""
        try:
            config = self._reread()
            refused = config.unsupported()
            if refused:
                raise InvalidError("; ".join(refused))
        except WeirError as error:
            self._log.error("config.refused", reason=error.value.text, place=str(error.place), hint=error.hint)
            return None
        return config

    async def _reload(self) -> None:
        """HUP: take over what can change while workers run."""
        async with self._changing:
            config = self._read_config()
            if config is None:
                return
            changed = self.config.changed(config)
            refused = [key for key in changed if key not in RELOADABLE]
            if refused:
                hint = "USR2 replaces the workers, one by one, by some that have them"
                self._log.error("config.refused", reason="these keys need new workers", keys=refused, hint=hint)
                return
            self.config = config
            if changed != ["workers"]:
                for child in self._children:
                    child.reload()
            await self._resize()
            self._log.info("config.reloaded", changed=changed)

    async def _upgrade(self) -> None:
        """USR2: replace every worker, one after the other."""
        async with self._changing:
            config = self._read_config()
            if config is None:
                return
            self._log.info("workers.restarting", workers=len(self._slots))
            for number, slot in tuple(self._slots.items()):
                try:
                    await slot.replace()
                except (WeirError, OSError) as error:
                    reason = error.value.text if isinstance(error, WeirError) else str(error)
                    self._log.error("workers.restart_stopped", worker=number, reason=reason)
                    return
            self.config = config
            await self._resize()
            self._log.info("workers.restarted", workers=len(self._slots))

    async def _resize(self) -> None:
        """Have as many workers as the config says: start new ones, or end those with the highest numbers, one by one."""
        wanted = self.config.workers
        for number in range(1, wanted + 1):
            if number in self._slots:
                continue
            slot = self._slots[number] = self._slot(number)
            slot.keep()
        for number in sorted((number for number in self._slots if number > wanted), reverse=True):
            await self._slots.pop(number).close()


async def _report(child: Child, message: Gather) -> dict[str, Any]:
    form: dict[str, Any] = {"worker": child.number, "pid": child.pid}
    try:
        async with asyncio.timeout(ANSWER):
            form["answer"] = await child.report(message.what, message.argument)
    except (TimeoutError, WeirError):
        return form
    return form
