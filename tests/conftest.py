"""What all tests share: where the conformance cases are, and a way to run a coroutine on either loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

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
