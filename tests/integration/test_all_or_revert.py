"""`weir apply --wait=all-or-revert` and `weir get instances -w`, with two real daemons on one store."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import pytest

from engine.store.instance import Instance, SpecState
from engine.store.url import open_store

WEIR = [sys.executable, "-m", "engine.cli"]
PATIENCE = 60

WEB = """
- kind: listener
  name: web
  port: '{{ .PORT }}'
  env:
    PORT: {data: '{{ .WEB_PORT }}'}
  ports:
    out: [{name: hello}]
"""
HELLO = "- {kind: snippet, name: hello, language: text, code: %s}\n"
SECOND = """
- kind: listener
  name: second
  port: '{{ .PORT }}'
  env:
    PORT: {data: '{{ .SECOND_PORT }}'}
  ports:
    out: [{name: hello}]
"""


class Home:
    """Two daemons on one store, each with ports of its own; `taken` is one that the second cannot open."""

    def __init__(self, folder: Path, url: str, daemons: list[Any], ports: list[int]) -> None:
        self.folder, self.url, self.daemons, self.ports = folder, url, daemons, ports

    def begin(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        environ = {**os.environ, "WEIR_STORE_URL": self.url, "PYTHONUNBUFFERED": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*WEIR, *arguments], cwd=self.folder, env=environ, text=True, **pipes, **options)

    def weir(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """What a verb has written to its two streams."""
        with self.begin(*arguments) as process:
            out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, (arguments, out, err)
        return out, err

    def write(self, text: str) -> None:
        (self.folder / "set.yaml").write_text(text)

    def codes(self) -> dict[str, Any]:
        return {spec["name"]: spec.get("code") for spec in json.loads(self.weir("get", "-o", "json")[0])}

    def ids(self) -> dict[str, str]:
        return {spec["name"]: spec["id"] for spec in json.loads(self.weir("get", "-o", "json")[0])}

    def trials(self) -> list[Any]:
        found: list[Any] = json.loads(self.weir("get", "trials", "-A", "-o", "json")[0])
        return found


@pytest.fixture(params=["sqlite", "mongodb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    found: str = (
        request.getfixturevalue("mongodb_url") if request.param == "mongodb" else f"sqlite:///{tmp_path}/two.db"
    )
    return found


@pytest.fixture
def home(url: str, start: Callable[..., Any], tmp_path: Path) -> Iterator[Home]:
    """Two daemons; the second cannot open its second port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [free_port() for _ in range(3)]
        yield begin(url, start, tmp_path, ports=ports, seconds=[ports[2], taken.getsockname()[1]])


@pytest.fixture
def alone(url: str, start: Callable[..., Any], tmp_path: Path) -> Home:
    """One daemon that runs everything."""
    ports = [free_port(), free_port()]
    return begin(url, start, tmp_path, ports=ports, seconds=ports[1:])


def begin(url: str, start: Callable[..., Any], folder: Path, *, ports: list[int], seconds: list[int]) -> Home:
    daemons = [
        start(environ={"WEIR_STORE_URL": url, "WEIR_ENVIRONMENT": f"{{WEB_PORT: {web}, SECOND_PORT: {second}}}"})
        for web, second in zip(ports, seconds, strict=False)
    ]
    home = Home(folder, url, [daemon.started() for daemon in daemons], ports)
    home.write(WEB + HELLO % "old")
    home.weir("apply", "-f", "set.yaml", "--wait")
    return home


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def clients(home: Home, http: Callable[..., Any]) -> Iterator[list[tuple[int, str]]]:
    """Someone who keeps asking both daemons; what they have answered."""
    seen: list[tuple[int, str]] = []
    enough = threading.Event()

    def ask(port: int) -> None:
        while not enough.wait(0.01):
            try:
                answer = http(f"http://127.0.0.1:{port}/")
                seen.append((answer.status, answer.text))
            except OSError as error:
                seen.append((0, str(error)))

    threads = [threading.Thread(target=ask, args=(port,)) for port in home.ports[:2]]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        enough.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("server", [False, True], ids=["store", "server"])
def test_all_of_it_or_none_of_it_everywhere(home, http, server):
    where = ["--server", home.daemons[0].admin] if server else []
    with clients(home, http) as seen:
        home.write(WEB + HELLO % "new")
        out, err = home.weir("apply", "-f", "set.yaml", "--wait=all-or-revert", "-m", "good", *where)
        assert out == "listener/web unchanged\nsnippet/hello configured\n"
        assert "goes back when a daemon refuses it" in err
        assert err.endswith("2 daemons of the namespace 'default' run it\n")
        assert home.trials() == []

        home.write(WEB + HELLO % "bad" + SECOND)
        out, err = home.weir("apply", "-f", "set.yaml", "--wait=all-or-revert", "-m", "bad", *where, code=1)
        assert out == ""
        assert f"daemon {socket.gethostname()}:{home.daemons[1].process.pid}: listener/second is failed" in err
        assert "snippet/hello is back to revision 3" in err
        assert "listener/second is gone again" in err
        assert "2 daemons of the namespace 'default' run it" in err, "they are back when the command ends"
        assert home.codes() == {"web": None, "hello": "new"}
        assert home.trials() == []
        for port in home.ports[:2]:
            assert http(f"http://127.0.0.1:{port}/").text == "new"
    assert {status for status, _ in seen} == {200}, [each for each in seen if each[0] != 200][:3]
    assert {text for _, text in seen} <= {"old", "new", "bad"}


class Slow:
    """A daemon of which nobody knows more than its row, renewed all the time: it is at an old revision, until it fails."""

    def __init__(self, url: str) -> None:
        self._url = url
        now = datetime.now(UTC)
        self._row = Instance(str(uuid4()), "slow", 1, "default", now, now, revision=1, active=2)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._beat()))

    def fail(self, known: str) -> None:
        """Say that the spec with this id is wrong."""
        self._row = replace(self._row, revision=1000, states={known: SpecState(1000, "failed", "it is wrong")})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    async def _beat(self) -> None:
        async with open_store(self._url) as store:
            while not self._ended.is_set():
                await store.put_instance(self._row)
                await asyncio.to_thread(self._ended.wait, 0.1)
            await store.remove_instance(self._row.id)


def began(process: subprocess.Popen[str]) -> str:
    """The id of the trial that a command has begun."""
    assert process.stderr is not None
    said = process.stderr.readline()
    assert said.startswith("trial "), said + process.stderr.read()
    return said.split()[1].rstrip(":")


@pytest.mark.parametrize("url", ["mongodb"], indirect=True)
def test_what_somebody_else_writes_meanwhile_is_his(alone):
    with Slow(alone.url) as slow:
        alone.write(HELLO % "mine" + HELLO.replace("hello", "beside") % "mine")
        with alone.begin("apply", "-f", "set.yaml", "--wait=all-or-revert,10m") as first:
            id = began(first)
            alone.write(HELLO % "his")
            refused = alone.weir("apply", "-f", "set.yaml", "--wait=all-or-revert", code=1)[1]
            assert f"snippet/hello is in trial {id} already, until " in refused
            assert f"weir confirm {id}" in refused
            alone.weir("apply", "-f", "set.yaml")
            slow.fail(alone.ids()["beside"])
            err = first.communicate(timeout=PATIENCE)[1]
    assert first.returncode == 1
    assert "daemon slow:1: snippet/beside is failed: it is wrong" in err
    assert "it was taken back, but for what others have changed meanwhile:" in err
    assert "snippet/hello stays as it is: it was changed meanwhile" in err
    assert "snippet/beside is gone again" in err
    assert alone.codes() == {"web": None, "hello": "his"}


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_command_that_is_interrupted_takes_it_back_and_one_that_is_killed_leaves_that_to_the_daemons(alone):
    alone.write(HELLO % "new")
    with Slow(alone.url):
        with alone.begin("apply", "-f", "set.yaml", "--wait=all-or-revert", start_new_session=True) as process:
            began(process)
            process.send_signal(signal.SIGINT)
            err = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 130
        assert "snippet/hello is back to revision 2" in err
        assert (alone.codes()["hello"], alone.trials()) == ("old", [])

        with alone.begin("apply", "-f", "set.yaml", "--wait=all-or-revert,10m") as process:
            id = began(process)
            process.kill()
        [trial] = alone.trials()
    assert trial["id"] == id
    left = datetime.fromisoformat(trial["deadline"]) - datetime.fromisoformat(trial["made"])
    assert left == timedelta(minutes=10, seconds=15)
    alone.weir("confirm", "--revert")
    assert alone.codes()["hello"] == "old"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_daemon_that_starts_meanwhile_has_a_say(alone, start):
    alone.write(SECOND)
    with alone.begin("apply", "-f", "set.yaml", "--wait=all-or-revert,10m") as process:
        with Slow(alone.url):
            began(process)
            ports = f"{{WEB_PORT: {free_port()}, SECOND_PORT: {alone.ports[1]}}}"  # the first one has that
            other = start(environ={"WEIR_STORE_URL": alone.url, "WEIR_ENVIRONMENT": ports}).started()
            assert process.stderr is not None
            refused = process.stderr.readline(), process.stderr.readline()
        err = "".join(refused) + process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 1
    assert f":{other.process.pid}: listener/second is failed" in err


@pytest.mark.parametrize("url", ["mongodb"], indirect=True)
def test_instances_are_watched(home):
    pids = {str(daemon.process.pid) for daemon in home.daemons}
    with home.begin("get", "instances", "-w") as watch:
        try:
            assert watch.stdout is not None
            header = watch.stdout.readline().split()
            assert header[:5] == ["EVENT", "NAMESPACE", "HOST", "PID", "REVISION"]
            listed = [watch.stdout.readline().split() for _ in home.daemons]
            column = header.index("PID")
            assert ({row[0] for row in listed}, {row[column] for row in listed}) == ({"LISTED"}, pids)
            assert {row[header.index("VIEW")] for row in listed} == {"fresh"}
            home.write(HELLO % "new")
            home.weir("apply", "-f", "set.yaml", "--wait")
            changed = [watch.stdout.readline().split() for _ in home.daemons]
            assert ({row[0] for row in changed}, {row[column] for row in changed}) == ({"CHANGED"}, pids)
            assert {row[header.index("REVISION")] for row in changed} == {"3"}
            home.daemons[1].stop()
            gone = watch.stdout.readline().split()
            assert (gone[0], gone[column]) == ("ENDED", str(home.daemons[1].process.pid))
        finally:
            watch.kill()
