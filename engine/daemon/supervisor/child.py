"""One worker, as its supervisor sees it: a process, the channel to it, and what it has said of itself.

1. :func:`start` makes the process and tells it who it is: `starting`.
2. It says that it is ready, or that it cannot start, or it dies. :meth:`Child.settled` waits for one of them.
3. It is told to drain, or dies. :attr:`Child.ended` has its exit code when it is gone, and all it said has been read.

A worker whose event loop does not turn for `hang` seconds is killed: it answers nobody, and would not hear that it is to end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, Protocol, TypeAlias

from engine.daemon.supervisor.channel import Answer, Channel
from engine.daemon.supervisor.messages import (
    Begin,
    Drain,
    EndNow,
    Failed,
    Message,
    Ping,
    Pong,
    Ready,
    Reload,
    Report,
    error_from_json,
)
from engine.errors import UnavailableError, WeirError
from engine.graph.context import Log

State: TypeAlias = Literal["starting", "ready", "draining"]

PINGS: Final = 6
"""How often a worker is asked for a sign of life within the time after which it counts as hung."""

START: Final = 60.0
"""Seconds that a worker has at least until its first sign of life: it loads its modules before its loop turns."""

LAST_WORDS: Final = 1.0
"""Seconds that what a dead process has said may take to arrive."""

# It finds the modules where this process finds them; `-P` keeps the working directory out.
_PROGRAM: Final = "import sys; sys.path[:] = sys.argv[2:]; from engine.cli.worker import main; main(int(sys.argv[1]))"


class Host(Protocol):
    """What a worker says that is not for its :class:`Child` to know."""

    def told(self, child: Child, message: Message) -> None: ...
    def asked(self, child: Child, message: Message) -> Coroutine[Any, Any, Answer]: ...


class Child:
    """A worker process. Made by :func:`start`."""

    def __init__(
        self,
        begin: Begin,
        process: asyncio.subprocess.Process,
        sock: socket.socket,
        *,
        host: Host,
        log: Log,
        hang: float,
    ) -> None:
        self.number = begin.slot
        """The slot that it serves in."""
        self.pid = process.pid
        self.state: State = "starting"
        self.failure: WeirError | None = None
        """Why it could not start, in its own words."""
        self.instances: Sequence[str] = ()
        self.hung = False
        loop = asyncio.get_running_loop()
        self.started = loop.time()
        self.ended: asyncio.Future[int] = loop.create_future()
        self._time = loop.time
        self._heard = self.started
        self._hang = hang
        self._log = log
        self._host = host
        self._process = process
        self._settled = asyncio.Event()
        self._silent = asyncio.Event()
        self._channel = Channel(sock, self)
        self._channel.tell(begin)
        self._waiting = loop.create_task(self._wait(), name=f"worker {self.number} ({self.pid})")
        self._watching = loop.create_task(self._watch(), name=f"pings of worker {self.number} ({self.pid})")

    @property
    def lived(self) -> float:
        """Seconds since its start."""
        return self._time() - self.started

    async def settled(self) -> None:
        """Wait until it is ready. Raises WeirError when it ends before that: its own words, if it left any."""
        await self._settled.wait()
        if self.state == "starting":
            raise self.failure or UnavailableError(f"worker {self.number} {self.last_words()} before it was ready")

    async def report(self, what: str, argument: str | None) -> Any:
        """Ask it for something. Raises WeirError if it is gone, or cannot say."""
        return (await self._channel.ask(Report(what, argument))).value

    def drain(self, *, linger: bool = False) -> None:
        """Tell it to end in good order."""
        self.state = "draining"
        self._channel.tell(Drain(linger))

    def end_now(self) -> None:
        """Tell it to end at once."""
        self._channel.tell(EndNow())

    def reload(self) -> None:
        """Tell it to read the config again."""
        self._channel.tell(Reload())

    def kill(self) -> None:
        """End it, now, whatever it does."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def end_within(self, seconds: float) -> None:
        """Wait for its end, and kill it when the time is over."""
        await asyncio.wait([self.ended], timeout=seconds)
        if not self.ended.done():
            self._log.error("worker.killed", worker=self.number, pid=self.pid, reason=f"it did not end in {seconds:g}s")
            self.kill()
            await asyncio.shield(self.ended)

    def last_words(self) -> str:
        """How it ended, for people: by which exit code or signal."""
        code = self.ended.result() if self.ended.done() else self._process.returncode
        if self.hung:
            return "gave no sign of life and was killed"
        if code is None:
            return "went silent"
        if code >= 0:
            return f"ended with exit code {code}"
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"

    # --- the other end of the channel

    def told(self, message: Message) -> None:
        """See :class:`engine.daemon.supervisor.channel.Peer`."""
        self._heard = self._time()
        if isinstance(message, Ready):
            self.instances = message.instances
            if self.state == "starting":
                self.state = "ready"
            self._settled.set()
        elif isinstance(message, Failed):
            self.failure = error_from_json(message.error)
        elif not isinstance(message, Pong):
            self._host.told(self, message)

    def asked(self, message: Message) -> Coroutine[Any, Any, Answer]:
        """See :class:`engine.daemon.supervisor.channel.Peer`."""
        self._heard = self._time()
        return self._host.asked(self, message)

    def gone(self) -> None:
        """See :class:`engine.daemon.supervisor.channel.Peer`. A worker that ends closes its end just before."""
        self._silent.set()

    # --- inside

    async def _wait(self) -> None:
        code = await self._process.wait()
        self._watching.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await self._silent.wait()
        self._channel.close()
        self._settled.set()
        self.ended.set_result(code)

    async def _watch(self) -> None:
        """Kill it when it hangs. A supervisor that was itself held up judges nobody by that time."""
        interval = self._hang / PINGS
        while True:
            self._channel.tell(Ping())
            due = self._time() + interval
            await asyncio.sleep(interval)
            if self._time() - due > interval:
                self._heard = self._time()
            silence = self._time() - self._heard
            if silence > (self._hang if self.state != "starting" else max(self._hang, START)):
                self.hung = True
                self._log.error("worker.hung", worker=self.number, pid=self.pid, seconds=round(silence, 1))
                self.kill()
                return


async def start(begin: Begin, *, host: Host, log: Log, hang: float) -> Child:
    """Start a worker. Raises OSError when the system cannot; returns before it is ready.

    It gets a session of its own, so that a Ctrl-C or a closed terminal reaches the supervisor alone, which tells it then.
    """
    ours, its = socket.socketpair()
    with its:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-c",
                _PROGRAM,
                str(its.fileno()),
                *map(os.path.abspath, sys.path),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[its.fileno()],
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
    return Child(begin, process, ours, host=host, log=log, hang=hang)
