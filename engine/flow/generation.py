"""The numbered state of a table, as the kernel sees it.

A process pins the generation that it was made in: its packets follow the links of that number until it ends, whatever
is published meanwhile. The kernel needs three things of a generation: its number, the limits that hold in it, and to
tell it who is alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.flow.deadlines import Deadlines

if TYPE_CHECKING:
    from engine.flow.process import Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one process may use. Beyond a limit the answer is an error, never silence."""

    depth: int = 100_000
    """Frames (nodes that wait for an answer) at one time; then `too deep`."""
    hops: int = 10_000_000
    """Hops in all, which ends a cycle that only grows; then `too many hops`."""
    forks: int = 10_000
    """Children within children; then `forked too deep`."""
    queue: int = 10_000
    """Packets of one process that wait before one reader; then `too many packets wait`."""
    loop_budget: float = 0.010
    """Seconds of inline work before the event loop gets a turn."""


class Generation:
    """One published (or candidate) state of a table: a number, and the processes that are pinned to it.

    `drained` is called, synchronously, each time the last live process leaves. `reporter` hears of what a hook of a
    process raised; without one the event loop's exception handler does.
    """

    __slots__ = ("deadlines", "drained", "limits", "live", "number", "reporter")

    def __init__(
        self,
        number: int = 1,
        *,
        limits: Limits = Limits(),
        drained: Callable[[Generation], None] | None = None,
        reporter: Callable[[Process, BaseException], None] | None = None,
    ) -> None:
        self.number = number
        self.limits = limits
        self.live: set[Process] = set()
        self.deadlines = Deadlines()
        self.drained = drained
        self.reporter = reporter

    def leave(self, process: Process) -> None:
        """A process is gone: it has ended and its last task too."""
        self.live.discard(process)
        if not self.live and self.drained is not None:
            self.drained(self)

    def report(self, process: Process, error: BaseException) -> None:
        """Tell somebody that a hook of `process`, or a node that was being ended, raised `error`."""
        if self.reporter is not None:
            self.reporter(process, error)
        else:
            context = {"message": f"a hook of {process!r} failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    def __repr__(self) -> str:
        return f"<Generation {self.number}, {len(self.live)} live>"
