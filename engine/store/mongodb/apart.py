"""Work of the driver, in a task of its own.

Up to Python 3.11 the driver may swallow a cancellation (it sends with `asyncio.wait_for`); whoever waits for its work and is
cancelled must hear of that, at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

ResultT = TypeVar("ResultT")

LONGEST: Final = 5.0
"""Seconds for which somebody who was cancelled waits for the work to end; then it is left to the closing of the client."""


async def apart(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Do it; cancelled, it is cancelled, too, and has ended when this ends."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task], timeout=LONGEST)
        if task.done() and not task.cancelled():
            task.exception()  # whoever asked has gone
        raise
