"""A real daemon in a process of its own, on free ports and a fresh store."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

WEIR = [sys.executable, "-m", "engine.cli"]
PATIENCE = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Answer:
    def __init__(self, status: int, headers: Any, content: bytes) -> None:
        self.status = status
        self.headers = headers
        self.content = content

    @property
    def text(self) -> str:
        return self.content.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.content)


def call(url: str, body: Any = ..., *, method: str | None = None, headers: dict[str, str] | None = None) -> Answer:
    """One HTTP request; `body` is sent as JSON, bytes as they are."""
    data = None
    headers = dict(headers or {})
    if body is not ...:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    request = Request(url, data=data, method=method or ("GET" if data is None else "POST"), headers=headers)
    try:
        with urlopen(request, timeout=PATIENCE) as response:
            return Answer(response.status, response.headers, response.read())
    except HTTPError as error:
        return Answer(error.code, error.headers, error.read())


class Daemon:
    """A `weir start`; its log is read line by line, so a test waits for events and never for a time."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        environ: dict[str, str] | None = None,
        program: list[str] | None = None,
    ) -> None:
        self.folder = folder
        self.admin_port = free_port()
        self.events: list[dict[str, Any]] = []
        self.other: list[str] = []
        self._lines: Queue[str | None] = Queue()
        self.store = f"sqlite:///{folder}/weir.db"
        environment = {
            **os.environ,
            "WEIR_ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}",
            "WEIR_STORE_URL": self.store,
            "PYTHONUNBUFFERED": "1",
            **(environ or {}),
        }
        self.process = subprocess.Popen(
            [*(program or WEIR), "start", *arguments], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, event: str, **fields: Any) -> dict[str, Any]:
        """The next event (not yet waited for) with this name and these fields."""

        def fits(found: dict[str, Any]) -> bool:
            return found.get("event") == event and all(found.get(key) == value for key, value in fields.items())

        return self.wait_until(fits, f"{event} {fields}")

    def wait_until(self, fits: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        while True:
            found = self._next(what)
            if isinstance(found, dict) and fits(found):
                return found

    def wait_for_text(self, text: str) -> str:
        """The next line with this text that is no event: what a person is told."""
        while True:
            found = self._next(f"line with {text!r}")
            if isinstance(found, str) and text in found:
                return found

    def _next(self, what: str) -> dict[str, Any] | str:
        """The next event, or line that is none. Fails when there is none for too long, or no more."""
        try:
            line = self._lines.get(timeout=PATIENCE)
        except Empty:
            raise AssertionError(f"no {what}; seen: {self.events} {self.other}") from None
        if line is None:
            raise AssertionError(f"it ended without {what}; seen: {self.events} {self.other}")
        try:
            event: dict[str, Any] = json.loads(line)
        except ValueError:
            self.other.append(line)
            return line
        self.events.append(event)
        return event

    def rest(self) -> list[str]:
        """What it has said that nobody has waited for; call it after :meth:`close`."""
        lines: list[str] = []
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            lines.append(line)
        return lines

    def started(self) -> Daemon:
        self.wait_for("daemon.started")
        return self

    def stop(self, name: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(name)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def weir(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command on the daemon's store."""
        environment = {**os.environ, "WEIR_STORE_URL": self.store}
        return subprocess.run(
            [*WEIR, *arguments],
            cwd=self.folder,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


@contextmanager
def daemons(folder: Path) -> Iterator[Callable[..., Daemon]]:
    """A way to start daemons in `folder`; they are killed at the end."""
    running: list[Daemon] = []

    def make(*arguments: str, environ: dict[str, str] | None = None, program: list[str] | None = None) -> Daemon:
        daemon = Daemon(folder, *arguments, environ=environ, program=program)
        running.append(daemon)
        return daemon

    yield make
    for daemon in running:
        daemon.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Start daemons in the test's folder; they are killed at its end."""
    with daemons(tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
def start_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Daemon]]:
    """Start daemons that serve several tests of one module, in a folder of its own."""
    with daemons(tmp_path_factory.mktemp("shared")) as make:
        yield make


@pytest.fixture(scope="session")
def http() -> Callable[..., Answer]:
    return call


@pytest.fixture
def port() -> int:
    return free_port()
