"""Those who answer: a child process each, on the core that all of them share, and its processor time.

Linux only: processor time is read from the clock that the kernel keeps for each process, with all its threads, to the
nanosecond. Another system has no such clock for a process that is not one's own.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

PROJECT = Path(__file__).resolve().parent.parent.parent
HOST = "127.0.0.1"
PATIENCE = 60.0
"""Seconds that a server may take to start."""
SERVING, LOADING = 0, 1
"""The core of the servers, and that of who asks them."""


class BrokenError(Exception):
    """A server did not start, or a load went wrong. The text says what to do."""


class Server:
    """A program that answers on a port. It is killed at the end: what it would still have to say is of no interest."""

    def __init__(
        self, command: Sequence[str], port: int, *, folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.port = port
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the server
        with on_core(SERVING):
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=clean_environment() | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def until_ready(self) -> None:
        """Wait until the port is open. Raises :class:`BrokenError` with what the server has said when it does not come."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            try:
                socket.create_connection((HOST, self.port), timeout=1.0).close()
            except OSError:
                time.sleep(0.01)
            else:
                return
        raise BrokenError(f"the server did not start: {self.said()}")

    def said(self) -> str:
        """The end of what it has written."""
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - 2_000))
        return self._output.read().decode(errors="replace").strip()

    def processor_time(self) -> float:
        """Seconds that it has used so far, with its children."""
        return sum(map(processor_time, family(self.pid)))

    def resident(self) -> int:
        """Bytes of resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    def close(self) -> None:
        """Kill it, and what it has started."""
        for pid in reversed(family(self.pid)) if self._process.poll() is None else []:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it has gone with its parent
        self._process.wait()
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def processor_time(pid: int) -> float:
    """Seconds of processor time of a process with all its threads; 0 where it has ended."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # the kernel's name for this clock, see clock_getcpuclockid(3)
    except OSError:
        return 0.0


def family(pid: int) -> list[int]:
    """A process and all that descend from it, parents before children."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it has just ended
        parent = int(stat.rpartition(")")[2].split()[1])
        parents.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started inside runs on this core, counted among those that are there; with a single one, on that."""
    before = os.sched_getaffinity(0)
    cores = sorted(before)
    os.sched_setaffinity(0, {cores[core % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def clean_environment() -> dict[str, str]:
    """The environment without what would change how Weir runs, and with the project on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WEIR_")}
    # Else each start would compile whatever was edited since: an installation has its bytecode.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"}


def weir(*arguments: str) -> list[str]:
    """The command line of `weir`."""
    return [sys.executable, "-m", "engine.cli", *arguments]


def data_folder() -> str | None:
    """Where databases are put: in memory where the system has a file system there, else where temporary files are."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and os.access(memory, os.W_OK) else None
