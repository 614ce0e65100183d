"""An exchange: one question from outside and its answer, with the lanes that carry it on while something is awaited.

An exchange owns all its lanes, whatever fan they came from, so aborting it is flat: every lane is cancelled, the
generators on their stacks are closed, and the answer is the error.

The place that a lane holds at a reader is taken when its packet arrives, and given back in the task's done callback: a
task that is cancelled before its first step never runs its `finally`.
"""

from __future__ import annotations

import asyncio
import inspect
from time import perf_counter
from typing import TYPE_CHECKING, Any

from engine.errors import Code, ErrorValue
from engine.flow.driver import SLICE, walk
from engine.flow.frame import Fan, failure, unwind
from engine.flow.packet import Payload
from engine.flow.port import InPort, OutPort, Reader, Wait

if TYPE_CHECKING:
    from engine.flow.process import Process

AWAITS = 256
"""Awaits of one lane after which the event loop gets a turn, in case none of them suspended."""

_HOPS_HINT = "a cycle that never ends, or one that sends more at each turn"
_DEPTH_HINT = "a cycle through a node that waits for its answer, such as try or for"

_TURN, _PAUSE, _QUEUE, _READY = Wait.TURN, Wait.PAUSE, Wait.QUEUE, Wait.READY


class Lane:
    """A strand of an exchange that waits, and the task that carries it on.

    While it waits: `stack` and `opened` are the driver's, `port` is where it waits, `awaitable` or `value` for what.
    """

    __slots__ = ("awaitable", "exchange", "opened", "place", "port", "reader", "stack", "task", "value", "wait")

    def __init__(self, exchange: Exchange, place: int) -> None:
        self.exchange = exchange
        self.place = place
        """Where it stands in `exchange.lanes`."""
        self.wait = _PAUSE
        self.stack: list[Any] = []
        self.opened: list[Fan] = []
        self.port: InPort | None = None
        self.value: Payload = None
        self.awaitable: Any = None
        self.reader: Reader | None = None
        self.task: asyncio.Task[None] | None = None

    def wait_for(self, wait: Wait, stack: list[Any], port: InPort, awaitable: Any, reader: Reader | None) -> None:
        """Set what to await: the turn of a coroutine handler, or what a generator has yielded."""
        self.wait = wait
        self.stack = stack
        self.port = port
        self.awaitable = awaitable
        self.reader = reader

    def pause(self, stack: list[Any], opened: list[Fan], port: InPort, value: Payload, reader: Reader | None) -> None:
        """Give the event loop a turn before `value` is delivered to `port`."""
        self.wait = _PAUSE
        self.stack = stack
        self.opened = opened
        self.port = port
        self.value = value
        self.reader = reader

    def queue(self, reader: Reader, stack: list[Any], port: InPort, value: Payload) -> None:
        """Wait for a turn at `reader`, without a task."""
        self.wait = _QUEUE
        self.stack = stack
        self.port = port
        self.value = value
        self.reader = reader
        reader.waiting.append(self)
        if self.exchange.aborted is not None:
            self.drop()

    def take_turn(self) -> None:
        """The turn that the lane waited for is its own now."""
        self.wait = _READY
        self.start()

    def start(self) -> None:
        """Carry on in a task of its own; one that comes too late, after an abort, is cancelled before it begins."""
        self.task = asyncio.get_running_loop().create_task(self._run())
        self.task.add_done_callback(self._over)
        if self.exchange.aborted is not None:
            self.task.cancel()

    def drop(self) -> None:
        """The end of a lane without a task, in an exchange that has been aborted."""
        self.abandon()
        self.exchange.lane_over(self)

    def abandon(self) -> None:
        """Let go of everything: the exchange has been aborted."""
        awaitable, self.awaitable = self.awaitable, None
        if inspect.iscoroutine(awaitable):
            awaitable.close()
        elif asyncio.isfuture(awaitable):
            awaitable.cancel()
        reader, self.reader = self.reader, None
        if reader is not None:
            if self.wait is _QUEUE:
                reader.waiting.remove(self)
            else:
                reader.release()
        stack, self.stack, self.opened = self.stack, [], []
        unwind(stack, self.exchange.process)

    async def _run(self) -> None:
        # The frame of a coroutine that waits takes memory for each of its names and for the longest of its calls. What is
        # not needed across an await is therefore in a method.
        process = self.exchange.process
        awaits, hops, began = 0, process.hops, perf_counter()
        goes_on = True
        while goes_on:
            value: Payload = None
            error: BaseException | None = None
            if self.wait is _PAUSE:
                await asyncio.sleep(0)
                awaits, hops, began = 0, process.hops, perf_counter()
            elif self.wait is not _READY:
                try:
                    value = await self.awaitable
                except asyncio.CancelledError as cancelled:
                    # In a process that nobody cancels it is somebody else's, and an error like any other.
                    if self.exchange.aborted is not None or is_being_cancelled():
                        raise
                    error = cancelled
                except Exception as exc:
                    error = exc
                self.awaitable = None
                awaits += 1
                if awaits >= AWAITS or process.hops - hops >= SLICE or self._is_late(began):
                    await asyncio.sleep(0)
                    awaits, hops, began = 0, process.hops, perf_counter()
            goes_on = self._go_on(value, error)

    def _is_late(self, began: float) -> bool:
        """Whether the event loop must have its turn."""
        return perf_counter() - began > self.exchange.process.generation.limits.loop_budget

    def _go_on(self, value: Payload, error: BaseException | None) -> bool:
        """Walk on with what the awaitable has given; whether this lane has something to wait for again."""
        exchange = self.exchange
        to: InPort | OutPort | None = None
        if self.wait is _PAUSE or self.wait is _READY:
            to, value = self.port, self.value
        elif self.wait is _TURN:
            assert self.port is not None
            to = self.port.out
            if error is not None:
                value, to, error = failure(error, self.port), self.port.error, None
            reader, self.reader = self.reader, None
            if reader is not None:
                reader.release()
        if exchange.is_aborted():
            return False
        process = exchange.process
        if process.hops > process.generation.limits.hops:
            exchange.abort(ErrorValue("too many hops", Code.LIMIT, hint=_HOPS_HINT))
            return False
        stack, opened, held = self.stack, self.opened, self.reader
        self.stack, self.opened, self.reader, self.value = [], [], None, None
        more = walk(exchange, stack, self, opened, to, value, error=error, held=held)
        return more is not None and not exchange.is_aborted()

    def _over(self, task: asyncio.Task[None]) -> None:
        exchange = self.exchange
        if task.cancelled():
            exchange.abort(ErrorValue(Code.CANCELLED.title, Code.CANCELLED))
        elif (error := task.exception()) is not None:
            exchange.process.generation.report(exchange.process, error)
            exchange.abort(ErrorValue.of(error))
        if exchange.aborted is not None:
            self.abandon()
        exchange.lane_over(self)


def is_being_cancelled() -> bool:
    """Whether somebody has cancelled the task that runs; otherwise a `CancelledError` comes from what it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Exchange:
    """One question from outside, and everything that it leads to.

    `done` tells that `answer` is there. An exchange that had to wait is over when it is answered *and* none of its
    lanes is left: a process never ends before its last task is gone.
    """

    done: bool = False
    answer: Payload = None
    aborted: ErrorValue | None = None
    depth: int = 0
    lanes: list[Lane] | None = None
    _future: asyncio.Future[Payload] | None = None

    def __init__(self, process: Process) -> None:
        self.process = process

    def begin(self, port: OutPort | InPort, payload: Payload) -> None:
        """Send the packet and walk until something must be awaited."""
        try:
            lane = walk(self, [], None, [], port, payload)
        except Exception as error:
            self.process.generation.report(self.process, error)
            self.abort(ErrorValue.of(error))
            lane = None
        if lane is not None:
            lane.start()
        # Lanes, not the answer, decide: a handler that cancels its own process has answered what still winds down.
        if self.lanes:
            self.process.exchange_waits(self)

    async def wait(self) -> Payload:
        """The answer. Cancelling whoever waits aborts the exchange."""
        if self.done:
            return self.answer
        if self._future is None:
            self._future = asyncio.get_running_loop().create_future()
        try:
            return await self._future
        except asyncio.CancelledError:
            self.abort(ErrorValue(Code.CANCELLED.title, Code.CANCELLED))
            raise

    def abort(self, error: ErrorValue) -> None:
        """Cancel every lane; `error` is the answer as soon as they are gone. Nothing, once there is an answer."""
        if self.aborted is not None or self.done:
            return
        self.aborted = error
        for lane in tuple(self.lanes or ()):
            if lane.task is not None:
                lane.task.cancel()
            else:
                lane.drop()
        if not self.lanes:
            self.finish(error)

    # --- for the driver

    def is_aborted(self) -> bool:
        """Whether its lanes are to end."""
        return self.aborted is not None

    def lane(self) -> Lane:
        """A new lane of this exchange."""
        if self.lanes is None:
            self.lanes = []
        lane = Lane(self, len(self.lanes))
        self.lanes.append(lane)
        return lane

    def deepen(self) -> ErrorValue | None:
        """One more frame waits; the error, when that is one too many."""
        if self.depth >= self.process.generation.limits.depth:
            return ErrorValue("too deep", Code.LIMIT, hint=_DEPTH_HINT)
        self.depth += 1
        return None

    def finish(self, answer: Payload) -> None:
        """The answer is here."""
        if self.done:
            return
        self.done = True
        self.answer = answer
        if self._future is not None and not self._future.done():
            self._future.set_result(answer)

    def lane_over(self, lane: Lane) -> None:
        """A lane is gone, with its task."""
        assert self.lanes is not None
        last = self.lanes.pop()
        if last is not lane:  # it takes the place that is free now
            self.lanes[lane.place] = last
            last.place = lane.place
        if self.lanes:
            return
        if self.aborted is not None:
            self.finish(self.aborted)
        if self.done:
            self.process.exchange_over(self)

    def waits(self) -> list[str]:
        """Where the lanes wait, as `kind/name.port`."""
        return [
            f"{lane.port.node.label}.{lane.port.name}" if lane.port is not None else "event loop"
            for lane in self.lanes or ()
        ]
