"""What a daemon says in its log: the revisions that it has heard of, the generations that it has published, and the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Heard:
    """The revisions of one `apply`, first to last, as they came out of the watch."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Published:
    """A generation: when it became current (seconds since 1970), and the revision that it shows."""

    time: float
    revision: int


class Journal:
    """The log of one daemon, as far as it is about one namespace. :meth:`hear` is what reads it."""

    def __init__(self, namespace: str = "default") -> None:
        self.namespace = namespace
        self.events: list[Event] = []
        self.heard: list[Heard] = []
        self.published: list[Published] = []
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def hear(self, event: Event) -> None:
        """Take a line of the log."""
        if event.get("namespace", self.namespace) != self.namespace:
            return
        self.events.append(event)
        if event.get("event") == "changes.heard":
            self.heard.append(Heard(event["first"], event["last"]))
        elif event.get("event") == "generation.published":
            time = datetime.fromisoformat(event["time"]).timestamp()
            self.published.append(Published(time, event["revision"]))
        for fits, future in self._waiting:
            if not future.done() and fits():
                future.set_result(None)

    def said(self, name: str) -> list[Event]:
        """All events of this name."""
        return [event for event in self.events if event.get("event") == name]

    @property
    def revision(self) -> int:
        """The newest revision that is live."""
        return self.published[-1].revision if self.published else 0

    async def until(self, fits: Callable[[], bool], *, within: float) -> None:
        """Wait until this is so after a line of the log; TimeoutError after so many seconds."""
        if fits():
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((fits, future))
        try:
            async with asyncio.timeout(within):
                await future
        finally:
            self._waiting.remove((fits, future))

    async def until_live(self, revision: int, *, within: float) -> None:
        """Wait until a generation shows this revision."""
        await self.until(lambda: self.revision >= revision, within=within)

    async def until_said(self, name: str, *, times: int = 1, within: float) -> None:
        """Wait until it has said this so many times."""
        await self.until(lambda: len(self.said(name)) >= times, within=within)
