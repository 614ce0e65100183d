"""A place for a worker, in which one follows another.

Its number is the worker's name for people; what serves in it changes. There are two ways:

* *after a death* the place is empty for a while (:mod:`.backoff`), and its siblings accept what comes;
* *replaced*, the successor is ready before the old worker is told to go, and the old one stays if it does not become so.

Addresses that a dead worker held stay bound until its successor is ready and has had its chance to take them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, TypeAlias

from engine.daemon.supervisor.addresses import Addresses
from engine.daemon.supervisor.backoff import FIRST, Backoff
from engine.daemon.supervisor.child import Child, State
from engine.errors import UnavailableError, WeirError
from engine.graph.context import Log

PATIENCE: Final = 60.0
"""Seconds that the successor of a living worker has to become ready."""

Start = Callable[[int, Sequence[str]], Awaitable[Child]]
"""Start a worker for the slot of this number, which takes these rows of instances away. Raises OSError."""

Sleep = Callable[[float], Awaitable[None]]

SlotState: TypeAlias = State | Literal["restarting"]


class Slot:
    """One place. `end_limit` gives the seconds that an orderly end may take."""

    def __init__(
        self,
        number: int,
        start: Start,
        *,
        addresses: Addresses,
        backoff: Backoff,
        log: Log,
        end_limit: Callable[[], float],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.number = number
        self.current: Child | None = None
        """Who serves, or is about to; None while nobody does."""
        self._start = start
        self._addresses = addresses
        self._backoff = backoff
        self._log = log
        self._end_limit = end_limit
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._dead: list[Child] = []
        self._keeping: asyncio.Task[None] | None = None

    @property
    def state(self) -> SlotState:
        """How it is, in a word."""
        return self.current.state if self.current is not None else "restarting"

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "number": self.number,
            "pid": self.current.pid if self.current is not None else None,
            "state": self.state,
        }

    async def open(self) -> None:
        """Start the first worker and wait until it is ready. Raises WeirError when it does not become so."""
        self.current = child = await self._begin()
        await self._welcome(child)

    def keep(self) -> None:
        """See to it, from now on, that somebody serves."""
        self._keeping = asyncio.get_running_loop().create_task(self._keep(), name=f"slot {self.number}")

    async def replace(self) -> None:
        """Put a new worker in the place of the present one, without a gap, and wait until that one is gone.

        Raises WeirError when the new one is not ready in time, or does not listen where the old one does; then it is ended,
        and the old one serves on.
        """
        async with self._turn:
            successor = await self._begin()
            try:
                async with asyncio.timeout(PATIENCE):
                    await successor.settled()
                self._compare(successor)
            except BaseException as error:
                successor.kill()
                await asyncio.shield(successor.ended)
                self._addresses.drop(successor)
                if isinstance(error, TimeoutError):
                    raise UnavailableError(f"worker {self.number} was not ready within {PATIENCE:g}s") from None
                raise
            old, self.current = self.current, successor
            self._tell_ready(successor)
            if old is not None:
                await self._dismiss(old)

    async def abandon(self) -> None:
        """Start nobody any more. Who is there goes on."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    async def close(self) -> None:
        """Give the place up: end who is there, while the siblings go on to serve."""
        await self.abandon()
        child, self.current = self.current, None
        if child is not None:
            await self._dismiss(child)
        self._forget_dead()

    # --- inside

    async def _keep(self) -> None:
        while True:
            child = self.current or await self._again()
            await asyncio.shield(child.ended)
            async with self._turn:
                if self.current is not child:
                    continue  # it was replaced
                self.current = None
                self._dead.append(child)
            await self._wait_after(child)

    async def _again(self) -> Child:
        """Start a worker after a death, and wait until it is ready or dead."""
        child = None
        while child is None:
            async with self._turn:
                if self.current is not None:
                    return self.current
                try:
                    child = self.current = await self._begin()
                except OSError as error:
                    refused = error
            if child is None:
                delay = self._backoff.delay(0.0)
                self._log.error("worker.not_started", worker=self.number, reason=str(refused), again_in=round(delay, 3))
                await self._sleep(max(delay, FIRST))
        with suppress(WeirError):  # then it is dead, which is told like every other death
            await self._welcome(child)
        return child

    async def _wait_after(self, child: Child) -> None:
        """Tell of a death that nobody wanted, and wait until it is time to try again."""
        delay = self._backoff.delay(child.lived)
        fields: dict[str, Any] = {"reason": f"it {child.last_words()}"}
        if child.failure is not None:
            fields = {"reason": child.failure.value.text}
            if child.failure.hint:
                fields["hint"] = child.failure.hint
        event = "worker.not_started" if child.state == "starting" else "worker.died"
        self._log.error(event, worker=self.number, pid=child.pid, **fields, again_in=round(delay, 3))
        await self._sleep(delay)

    async def _begin(self) -> Child:
        stale = [id for child in self._dead for id in child.instances]
        return await self._start(self.number, stale)

    async def _welcome(self, child: Child) -> None:
        await child.settled()
        self._tell_ready(child)
        self._forget_dead()

    def _tell_ready(self, child: Child) -> None:
        self._log.info("worker.ready", worker=self.number, pid=child.pid, seconds=round(child.lived, 3))

    def _compare(self, successor: Child) -> None:
        """Whether the successor of a living worker listens wherever that one does."""
        if self.current is None:
            return
        missing = self._addresses.held(self.current) - self._addresses.held(successor)
        if missing:
            where = ", ".join(sorted(f"{key.host}:{key.port}" for key in missing))
            raise UnavailableError(f"worker {self.number} does not listen on {where}, as the old one does")

    async def _dismiss(self, child: Child) -> None:
        child.drain(linger=True)
        await child.end_within(self._end_limit())
        self._addresses.drop(child)

    def _forget_dead(self) -> None:
        for child in self._dead:
            self._addresses.drop(child)
        self._dead.clear()
