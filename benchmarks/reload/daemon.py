"""`weir start` as a child process, and what can be seen of it from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from benchmarks.reload.clients import HOST

PROJECT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60.0
"""Seconds that starting, ending and draining may take."""
PROGRAM = ("-m", "benchmarks.reload.child")
FIRST = 20
"""How many lines of the log are shown when the daemon does not start."""
ADMIN = "listener/admin-listener"
"""The node that tells in the log that somebody has asked too early whether the daemon is ready."""

Event = dict[str, Any]


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def fetch(port: int, path: str) -> bytes:
    """The body of one answer, on a connection of its own. Raises OSError where nobody answers."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[2]


class Daemon:
    """A daemon on a store of its own in `folder`, or on the one that `store` names. `async with` starts it, waits until it
    serves, and ends it.

    `hear` gets every event of its log, from `level` on, but those about asking too early. `arguments` are added to its
    command line, and `program` takes the place of the command.
    """

    def __init__(
        self,
        folder: Path,
        *,
        level: str,
        hear: Callable[[Event], None],
        store: str | None = None,
        arguments: Sequence[str] = (),
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self.folder = folder
        self.level = level
        self.hear = hear
        self.admin_port = free_port()
        self.store = store or f"sqlite:///{folder}/weir.db"
        self._command = [sys.executable, *program, "start", *arguments]
        self.exit_code: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._first: list[Event] = []

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WEIR_")}
        environment |= {
            "WEIR_ADMIN_LISTEN": f"{HOST}:{self.admin_port}",
            "WEIR_STORE_URL": self.store,
            "WEIR_LOG_LEVEL": self.level,
            "WEIR_LOG_FORMAT": "json",
            "PYTHONPATH": str(PROJECT),
        }
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=self.folder,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read())
        try:
            await self._until_ready()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def end(self) -> None:
        """End it, as TERM does; one that has ended stays so."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
        finally:
            await self._end()

    async def _end(self) -> None:
        assert self._process is not None
        assert self._reading is not None
        self.exit_code = await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": "unreadable", "level": "error", "line": line.decode(errors="replace").rstrip()}
            if len(self._first) < FIRST:
                self._first.append(event)
            if not (event.get("node") == ADMIN and event.get("code") == "unavailable"):
                self.hear(event)

    async def _until_ready(self) -> None:
        assert self._process is not None
        async with asyncio.timeout(PATIENCE):
            while self._process.returncode is None:
                try:
                    health = await self.health()
                except OSError:
                    health = {}
                if health.get("ready"):
                    return
                await asyncio.sleep(0.05)
        raise RuntimeError(f"the daemon has ended with {self._process.returncode} before it was ready: {self._first}")

    def pause(self) -> None:
        """Stop it, as a machine that hangs does; nothing is lost of what comes meanwhile."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a pause."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    # --- looking

    async def health(self) -> dict[str, Any]:
        """What `/readyz` says. Raises OSError while nobody answers."""
        found: dict[str, Any] = json.loads(await fetch(self.admin_port, "/readyz") or b"{}")
        return found

    async def census(self, *, objects: bool = False) -> dict[str, int]:
        """What is alive in it; see :mod:`benchmarks.reload.child`."""
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGVTALRM if objects else signal.SIGUSR1)
        async with asyncio.timeout(PATIENCE):
            counts: dict[str, int] = json.loads(await self._process.stdout.readline())
        return counts

    def memory(self) -> dict[str, int]:
        """Resident memory in KiB, open files and threads, as the system counts them."""
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines()
        )
        return {
            "rss": int(status["VmRSS"].split()[0]),
            "fds": len(os.listdir(f"/proc/{self.pid}/fd")),
            "threads": int(status["Threads"]),
        }
