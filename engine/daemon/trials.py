"""Takes back what was written on trial and nobody has confirmed in time.

Every daemon does this for all trials of its store, whatever namespaces it runs and whoever wrote them: the writer may have
locked himself out, and the flows of the admin API may be what he broke, so neither has a part in it. A trial is kept by the
store; a daemon that was killed takes back what is over as soon as it starts again. Where two daemons do it at the same
moment, the store lets one of them (:meth:`engine.store.protocol.Store.revert`).

The keeper hears of changes from the loaders, and looks now and then by itself: for trials of namespaces that nobody here
runs, and for a clock that was set. What is over is told by the store's clock, which has set the deadline. A store that cannot be reached is tried again, at longer and longer intervals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.errors import ErrorValue, NotFoundError
from engine.graph.context import Clock, Log
from engine.graph.reconcile import Report
from engine.store.protocol import Reverted, Store, Trial
from engine.store.trial import NOT_CONFIRMED

AUTHOR = "weir"
"""Who takes back a trial that is over, as the history tells it."""

LOOK = 2.0
"""Seconds between two looks when nothing is heard."""

BACKOFF = (0.25, 5.0)
"""Seconds before the store is tried again, first and at most; doubled each time."""

SHARE = 10
"""Looking takes at most one part in so many of the time, however many changes there are."""


class Trials:
    """The keeper of one daemon."""

    def __init__(self, store: Store, log: Log, *, clock: Clock | None = None) -> None:
        self._store = store
        self._log = log
        self._clock = clock or Clock()
        self._known: Mapping[str, Trial] = {}
        self._time = datetime.min.replace(tzinfo=UTC)
        self._told_at = 0.0
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._told: dict[str | None, str] = {}

    async def plan_done(self, _report: Report) -> None:
        """A loader has heard of a change: there may be a new trial."""
        self._news.set()

    async def run(self) -> None:
        """Keep the trials until cancelled. One that is being taken back then is taken back whole."""
        delay = BACKOFF[0]
        while True:
            self._news.clear()
            began = self._clock.monotonic()
            if not await self.look():
                await self._clock.sleep(delay)
                delay = min(delay * 2, BACKOFF[1])
                continue
            delay = BACKOFF[0]
            await self._clock.sleep(min((self._clock.monotonic() - began) * SHARE, self._until_next()))
            await self._wait(self._until_next())

    async def look(self) -> bool:
        """Take back what is over. False if that failed and is to be tried again; it is logged, and raises nothing."""
        async with self._turn:
            try:
                running = {trial.id: trial for trial in await self._store.trials()}
                now = await self._store.now()
            except Exception as error:
                self._fail(None, error)
                return False
            self._told.pop(None, None)
            self._compare(running)
            self._time, self._told_at = now, self._clock.monotonic()
            over = [trial for trial in running.values() if trial.deadline <= now]
            done = [await self._take_back(trial) for trial in over]
            return all(done)

    async def confirm(self, id: str) -> Trial:
        """What it wrote stays. Raises NotFoundError for a trial that has ended."""
        async with self._turn:
            trial = await asyncio.shield(self._store.confirm(id))
            self._forget(trial.id)
            self._log.info("trial.confirmed", **_fields(trial))
            return trial

    async def revert(self, id: str, *, author: str, reason: str) -> Reverted:
        """Take it back now. Raises NotFoundError for a trial that has ended."""
        async with self._turn:
            return await self._revert(id, author=author, reason=reason)

    # --- parts of look; whoever calls them has the turn

    def _compare(self, running: Mapping[str, Trial]) -> None:
        """Tell which trials are new, and which have ended without this daemon."""
        for id, trial in running.items():
            if id not in self._known:
                self._log.info("trial.begun", **_fields(trial), deadline=trial.deadline)
        for id, trial in self._known.items():
            if id not in running:
                self._log.info("trial.ended", **_fields(trial))
        self._known = running

    async def _take_back(self, trial: Trial) -> bool:
        try:
            await self._revert(trial.id, author=AUTHOR, reason=NOT_CONFIRMED)
        except NotFoundError:
            return True  # it was confirmed at the last moment, or another daemon was faster: the next look tells
        except Exception as error:  # whatever it is, the others are taken back, and this one is tried again
            self._fail(trial, error)
            return False
        return True

    async def _revert(self, id: str, *, author: str, reason: str) -> Reverted:
        # Who asked may go away meanwhile; what is written is written whole, and told.
        reverted = await asyncio.shield(asyncio.ensure_future(self._store.revert(id, author=author, reason=reason)))
        self._forget(reverted.trial.id)
        self._log.warning(
            "trial.reverted",
            **_fields(reverted.trial),
            reason=reason,
            reverted=[f"{each.namespace}/{each.name or each.id}" for each in reverted.outcomes],
        )
        for left in reverted.left:
            self._log.warning(
                "trial.skipped",
                trial=reverted.trial.id,
                spec=left.spec.label,
                namespace=left.spec.namespace,
                reason=left.reason,
            )
        return reverted

    def _forget(self, id: str) -> None:
        self._known = {known: trial for known, trial in self._known.items() if known != id}
        self._told.pop(id, None)

    def _fail(self, trial: Trial | None, error: Exception) -> None:
        """Log why it failed, once for each reason."""
        id = trial.id if trial is not None else None
        reason = ErrorValue.of(error).text
        if self._told.get(id) == reason:
            return
        self._told[id] = reason
        self._log.error("trial.not_reverted" if trial is not None else "trials.not_read", trial=id, reason=reason)

    # --- waiting

    def _until_next(self) -> float:
        """Seconds until there is something to do, or at most :data:`LOOK`."""
        now = self._time + timedelta(seconds=self._clock.monotonic() - self._told_at)
        left = [(trial.deadline - now).total_seconds() for trial in self._known.values()]
        return max(0.0, min([LOOK, *left]))

    async def _wait(self, seconds: float) -> None:
        """Wait so long, or until there is news."""
        waits: Sequence[asyncio.Future[Any]] = [
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(self._news.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


def _fields(trial: Trial) -> dict[str, Any]:
    """What the log tells of a trial."""
    return {
        "trial": trial.id,
        "author": trial.author,
        "message": trial.message,
        "specs": [spec.label for spec in trial.specs],
    }
