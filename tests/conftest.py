"""What all tests share: where the conformance cases are, a way to run a coroutine on either loop, and a real mongod."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings

from benchmarks.mongod import Mongod, beside, find_mongod, mongods

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


@pytest.fixture
def values_keys(tmp_path: Path) -> tuple[str, ...]:
    """Where a key for values is kept, for a store that has none of its own: what `values.key` of a config would say."""
    file = tmp_path / "values.key"
    file.write_text("a2V5IG9mIHRoZSB0ZXN0cywgYW5kIG9mIHRoZW0gb24=\n")
    file.chmod(0o600)
    return (f"file:{file}",)


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
        return find_mongod()
    except FileNotFoundError as error:
        pytest.skip(f"{error}: set WEIR_TEST_MONGODB_URL to a replica set")


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
