"""One end of the socket between a supervisor and a worker: messages that are told, and questions with their answers.

Messages arrive in the order in which they were sent. A question is answered by a task of its own, so that one that takes
long holds up nobody. When the other side is gone, whatever waits for an answer gets an error, and `gone` is called, once.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from engine.daemon.supervisor.frames import Reader, Writer
from engine.daemon.supervisor.messages import Message, error_from_json, error_to_json, from_json, to_json
from engine.errors import UnavailableError, WeirError


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back for a question: JSON data, and descriptors, which the receiver closes.

    Descriptors that are sent stay open on the side of the sender.
    """

    value: Any = None
    descriptors: Sequence[int] = ()


class Peer(Protocol):
    """Who is at this end."""

    def told(self, message: Message) -> None:
        """Something was told. Must not raise."""
        ...

    def asked(self, message: Message) -> Coroutine[Any, Any, Answer]:
        """Something was asked; what this raises is raised at the other end, as a WeirError."""
        ...

    def gone(self) -> None:
        """The other side is gone, or makes no sense any more. Nothing more will come."""
        ...


class Channel:
    """This end of `sock`, which is made non-blocking. Must be made where a loop runs; `close` it in the end."""

    def __init__(self, sock: socket.socket, peer: Peer) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(sock)
        self._writer = Writer(sock)
        self._stuck = False
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._open = True
        self._loop.add_reader(sock.fileno(), self._read)

    @property
    def is_open(self) -> bool:
        """Whether there is somebody at the other end, as far as is known."""
        return self._open

    def tell(self, message: Message) -> None:
        """Send a message. One that cannot arrive any more is dropped: whoever needs to know is told by `gone`."""
        self._send({"tell": to_json(message)})

    async def ask(self, message: Message) -> Answer:
        """Send a question and wait for its answer. Cancelled, the answer is dropped, and its descriptors are closed.

        Raises :class:`~engine.errors.WeirError`: the other side's own, or `unavailable` if it is gone.
        """
        if not self._open:
            raise _gone()
        number = next(self._numbers)
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._asked[number] = future
        try:
            self._send({"ask": to_json(message), "number": number})
            return await future
        finally:
            del self._asked[number]

    def flush(self) -> None:
        """Write what waits, holding up everything else: for the last words of a process that ends."""
        if self._open and self._stuck:
            self._sock.setblocking(True)
            self._write()

    def close(self) -> None:
        """End it. Questions that wait get an error; `gone` is not called."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._sock.fileno())
        if self._stuck:
            self._loop.remove_writer(self._sock.fileno())
        for future in self._asked.values():
            if not future.done():
                future.set_exception(_gone())
        for task in self._answering:
            task.cancel()
        self._reader.close()
        self._writer.close()
        self._sock.close()

    # --- inside

    def _send(self, form: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        if self._open:
            self._writer.put(form, descriptors)
            if not self._stuck:
                self._write()

    def _write(self) -> None:
        try:
            done = self._writer.write()
        except OSError:
            # Nobody reads any more. What has come before is still to be read, so it is the reader that ends it.
            done = True
            self._writer.close()
        if done and self._stuck:
            self._loop.remove_writer(self._sock.fileno())
        elif not done and not self._stuck:
            self._loop.add_writer(self._sock.fileno(), self._write)
        self._stuck = not done

    def _read(self) -> None:
        try:
            goes_on = self._reader.read()
            for form, descriptors in self._reader.frames():
                self._take(form, descriptors)
                if not self._open:
                    return
        except (OSError, WeirError):
            goes_on = False
        if not goes_on:
            self.close()
            self._peer.gone()

    def _take(self, form: Any, descriptors: list[int]) -> None:
        if "tell" in form:
            self._peer.told(from_json(form["tell"]))
        elif "ask" in form:
            task = self._loop.create_task(self._answer(form["ask"], form["number"]))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        else:
            future = self._asked.get(form["answers"])
            if future is None or future.done():
                for descriptor in descriptors:
                    os.close(descriptor)
            elif "error" in form:
                future.set_exception(error_from_json(form["error"]))
            else:
                future.set_result(Answer(form["value"], descriptors))

    async def _answer(self, form: Any, number: int) -> None:
        try:
            answer = await self._peer.asked(from_json(form))
            self._send({"answers": number, "value": answer.value}, answer.descriptors)
        except Exception as error:  # whoever asks must not wait for ever, be it an answer that cannot be sent
            self._send({"answers": number, "error": error_to_json(error)})


def _gone() -> UnavailableError:
    return UnavailableError("the process at the other end is gone")
