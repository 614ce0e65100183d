"""What a worker asks of its supervisor: sockets, and news of its siblings."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.daemon.supervisor.channel import Answer, Channel
from engine.daemon.supervisor.messages import Gather, Listen, Message, Ready, Release, Siblings
from engine.errors import UnavailableError
from engine.graph.sockets import Listening, Withdraw


class SharedSockets:
    """Sockets that the supervisor has bound. See :class:`engine.graph.sockets.Sockets`."""

    def __init__(self, channel: Channel, sharers: int) -> None:
        self._channel = channel
        self._sharers = sharers
        self._open: dict[Listening, Withdraw] = {}
        self._withdrawn = False

    async def listen(self, host: str, port: int, *, owner: str, withdraw: Withdraw) -> Listening:
        """The sockets of an address; none once this worker leaves new connections to its siblings."""
        if self._withdrawn:
            return Listening((), sharers=self._sharers)
        wanted = Listen(owner, host, port)
        asking = asyncio.ensure_future(self._channel.ask(wanted))
        try:
            answer = await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(lambda asked: self._give_back(wanted, asked))
            raise
        if answer.value is not None:
            raise _refused(answer.value)
        listening: Listening

        def release() -> None:
            self._open.pop(listening, None)
            self._channel.tell(Release(owner, host, port))

        sockets = [socket.socket(fileno=descriptor) for descriptor in answer.descriptors]
        listening = Listening(sockets, sharers=self._sharers, release=release)
        self._open[listening] = withdraw
        return listening

    async def withdraw(self, seconds: float) -> None:
        """Accept no more, and wait until the connections are gone that there are, but no longer than so many seconds."""
        self._withdrawn = True
        leaving = [asyncio.ensure_future(withdraw()) for withdraw in self._open.values()]
        try:
            await asyncio.sleep(0)  # each has begun, and accepts no more, however little time there is
            if leaving:
                await asyncio.wait(leaving, timeout=seconds)
        finally:
            for each in leaving:
                each.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)

    def _give_back(self, wanted: Listen, asked: asyncio.Future[Answer]) -> None:
        """An answer that nobody waits for any more."""
        if asked.cancelled() or asked.exception() is not None or asked.result().value is not None:
            return
        for descriptor in asked.result().descriptors:
            os.close(descriptor)
        self._channel.tell(Release(wanted.owner, wanted.host, wanted.port))


ANSWER: Final = 3.0
"""Seconds that the supervisor has to answer; it gives each worker less. A health check must not wait with it."""


class Link:
    """A worker's way to its supervisor. See :class:`engine.daemon.daemon.Supervision`.

    `sharers` is how many workers there are, or were when this one began. One that is replaced shares with its successor, and
    one that is alone may get siblings, so its sockets are shared in any case.
    """

    def __init__(self, slot: int, channel: Channel, *, sharers: int) -> None:
        self.slot = slot
        self.sockets = SharedSockets(channel, sharers)
        self._channel = channel

    def ready(self, instances: Sequence[str]) -> None:
        """Tell that every runtime has published its first generation; `instances` are the ids of its rows."""
        self._channel.tell(Ready(list(instances)))

    async def siblings(self) -> Sequence[Mapping[str, Any]]:
        """How all workers are. Raises WeirError when the supervisor is gone, or does not answer."""
        return await self._ask(Siblings())

    async def gather(self, what: str, argument: str | None = None) -> Sequence[Mapping[str, Any]]:
        """What the others answer: see :class:`engine.daemon.supervisor.messages.Gather`. Raises WeirError likewise."""
        return await self._ask(Gather(what, argument))

    async def _ask(self, message: Message) -> Sequence[Mapping[str, Any]]:
        try:
            async with asyncio.timeout(ANSWER):
                value: list[Mapping[str, Any]] = (await self._channel.ask(message)).value
        except TimeoutError:
            raise UnavailableError("the supervisor does not answer", hint="was it stopped?") from None
        return value


def _refused(form: Mapping[str, Any]) -> OSError:
    kind = socket.gaierror if form["resolving"] else OSError
    return kind(form["errno"], form["text"])
