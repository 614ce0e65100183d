"""The worker's own side: a whole daemon, that takes its orders from a supervisor instead of from signals.

The end of the supervisor is the end of its workers. They notice it by the end of the socket, and drain. A worker whose event
loop hangs cannot notice anything, so a thread does: it ends the process if the worker has not done so by itself in time.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import threading
from collections.abc import Coroutine
from time import sleep
from typing import Any, Final

from engine.daemon.config import Config, load_config
from engine.daemon.daemon import Daemon
from engine.daemon.logs import Log, make_log
from engine.daemon.supervisor.channel import Answer, Channel
from engine.daemon.supervisor.lines import Lines
from engine.daemon.supervisor.link import Link
from engine.daemon.supervisor.messages import (
    PROTOCOL,
    Begin,
    Drain,
    EndNow,
    Failed,
    Message,
    Ping,
    Pong,
    Reload,
    Report,
    error_to_json,
)
from engine.errors import UnavailableError, WeirError

ORPHANED: Final = 10.0
"""Seconds beyond the two drain limits that a worker may live on without its supervisor."""


class Worker:
    """One worker, over the socket that its supervisor has given it."""

    def __init__(self, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = sock.fileno()
        self._begin: asyncio.Future[Begin] = self._loop.create_future()
        self._daemon: Daemon | None = None
        self._link: Link | None = None
        self._log: Log | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._orders: list[Message] = []
        self._channel = Channel(sock, self)

    async def run(self) -> int:
        """Serve until told to end; the answer is the exit code. What goes wrong at the start is told to the supervisor."""
        try:
            await self._serve(await self._begin)
        except Exception as error:
            if self._log is not None and not isinstance(error, WeirError):
                self._log.error("worker.failed", error=str(error), exc_info=error)
            self._channel.tell(Failed(error_to_json(error)))
            self._channel.flush()
            return 1
        finally:
            if self._leaving is not None:
                self._leaving.cancel()
                await asyncio.gather(self._leaving, return_exceptions=True)
            self._channel.close()
        return 0

    async def _serve(self, begin: Begin) -> None:
        if begin.protocol != PROTOCOL:
            raise UnavailableError(
                f"this worker speaks version {PROTOCOL} of the supervisor's protocol, the supervisor {begin.protocol}",
                hint="the versions are too far apart to replace workers one by one: start the daemon anew",
            )

        def read_config() -> Config:
            config = load_config(begin.config_file, environ=os.environ, overrides=begin.overrides).config
            # How many there are is the supervisor's affair, and no change to the one that reads it.
            return config.model_copy(update={"workers": begin.workers})

        config = read_config()
        end_with(self._descriptor, 2 * config.longest_drain.total_seconds() + ORPHANED)
        self._log = make_log(config.log, stream=Lines(2), environ=os.environ).bind(worker=begin.slot)
        self._link = Link(begin.slot, self._channel, sharers=max(2, begin.workers))
        daemon = Daemon(config, self._log, reread=read_config, development=begin.development, supervision=self._link)
        self._daemon = daemon
        # A worker is no terminal's, and the signals of the daemon are the supervisor's. Who sends TERM to all processes
        # of a service means the same as the supervisor's order, which may come before or after it.
        self._loop.add_signal_handler(signal.SIGTERM, daemon.drain)
        for order in self._orders:
            self._obey(order, daemon)
        self._orders.clear()
        await daemon.run(stale=begin.stale)

    # --- the other end of the channel

    def told(self, message: Message) -> None:
        """See :class:`engine.daemon.supervisor.channel.Peer`."""
        if isinstance(message, Ping):
            self._channel.tell(Pong())
        elif isinstance(message, Begin) and not self._begin.done():
            self._begin.set_result(message)
        elif self._daemon is None:
            self._orders.append(message)
        else:
            self._obey(message, self._daemon)

    def asked(self, message: Message) -> Coroutine[Any, Any, Answer]:
        """See :class:`engine.daemon.supervisor.channel.Peer`."""
        return self._answer(message)

    def gone(self) -> None:
        """The supervisor is gone: serve no more."""
        if self._daemon is None:
            os._exit(1)
        if self._log is not None:
            self._log.error("supervisor.lost", hint="it was killed; start the daemon again")
        self._obey(Drain(), self._daemon)

    def _obey(self, message: Message, daemon: Daemon) -> None:
        if isinstance(message, Drain):
            if self._leaving is not None:
                self._leaving.cancel()
            self._leaving = self._loop.create_task(self._leave(daemon, linger=message.linger))
        elif isinstance(message, EndNow):
            daemon.end_now()
        elif isinstance(message, Reload):
            daemon.reload()

    async def _leave(self, daemon: Daemon, *, linger: bool) -> None:
        if linger and self._link is not None:
            await self._link.sockets.withdraw(daemon.config.longest_drain.total_seconds())
        daemon.drain()

    async def _answer(self, message: Message) -> Answer:
        daemon = self._daemon
        if daemon is None or not isinstance(message, Report):
            raise UnavailableError(f"this worker cannot answer {type(message).__name__} now")
        if message.what == "processes":
            return Answer([process.statistics() for process in daemon.processes()])
        if message.what == "cancel" and message.argument is not None:
            return Answer(daemon.cancel(message.argument))
        raise UnavailableError(f"this worker does not know what {message.what!r} is")


def leave_signals_to_the_supervisor() -> None:
    """Before anything else: a signal that comes while the worker starts must not end it half-way."""
    for name in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(name, signal.SIG_IGN)


def end_with(descriptor: int, seconds: float) -> None:
    """End this process so long after whoever has the other end of a socket is gone, whatever the event loop does then."""

    def watch() -> None:
        poll = select.poll()
        poll.register(descriptor, 0)  # the end of the other side is told in any case
        poll.poll()
        sleep(seconds)
        os._exit(1)

    threading.Thread(target=watch, name="end with the supervisor", daemon=True).start()


async def serve(descriptor: int) -> int:
    """Be the worker whose supervisor is at the other end of this socket; the answer is the exit code."""
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    return await Worker(sock).run()
