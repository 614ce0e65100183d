"""A process: one unit of work, from the packet that sets it off to the release of all that it opened.

Life of a process:

1. A trigger makes it: `Process(generation)`. From now on its generation cannot be unloaded.
2. It asks: :meth:`Process.ask` sends a packet and gives the answer. Nodes keep state in it (:meth:`get`, :meth:`set`),
   register hooks, and :meth:`fork` children.
3. Its maker settles it: :meth:`settle` runs the settle hooks, which end transactions by the outcome. It happens once
   the answer is known and before it is handed out, so that a commit that fails is seen by whoever asked.
4. Its maker ends it: :meth:`exit`. A clean or failed end first waits for the children; a cancellation ends them. Then
   the exit hooks run, newest first, and the generation is left.

Anyone may :meth:`cancel` a process; the driver sees it at the next await or slice, every question still open is
answered with an error, and the maker, who got that answer, ends the process as always.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING, Any

from engine.errors import Code, ErrorValue, WeirError
from engine.flow.exchange import Exchange, is_being_cancelled
from engine.flow.port import InPort, OutPort, Reader
from engine.uuid7 import uuid7

if TYPE_CHECKING:
    from engine.flow.generation import Generation
    from engine.flow.node import Node
    from engine.flow.packet import Payload

Hook = Callable[[ErrorValue | None], Awaitable[None] | None]
"""Called once with the error that the process ends with, or None. What it raises is reported, never lost."""


class State(Enum):
    """Where a process is in its life."""

    RUNNING = "running"
    CANCELLING = "cancelling"
    """Asked to end; its questions are being answered with the error."""
    ENDING = "ending"
    """Its maker has ended it; it waits for children, tasks and hooks."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    def __init__(self, label: str) -> None:
        # An attribute: every end of a process looks at it, and to compare with members costs more than all the rest.
        self.is_over = label in ("done", "failed", "cancelled")


# Names of this module: a look-up in an enum costs as much as a hop.
_RUNNING, _CANCELLING, _ENDING = State.RUNNING, State.CANCELLING, State.ENDING
_DONE, _FAILED, _CANCELLED = State.DONE, State.FAILED, State.CANCELLED


class Process:
    """One unit of work, pinned to one generation.

    `deadline` is a time of the event loop's clock (`loop.time()`), after which the process is cancelled with the code
    `deadline`; a child has at most the deadline of its parent.
    """

    # Most processes never fork, wait, or register a hook: what they do not use costs them nothing, neither time nor
    # memory, because it stays a default of the class.
    parent: Process | None = None
    deadline: float | None = None
    origin: str | None = None
    maker: Node | None = None
    """The node that made it, or its first ancestor; None for one that came from outside."""
    state: State = _RUNNING
    error: ErrorValue | None = None
    hops: int = 0
    level: int = 0
    children: set[Process] | None = None
    exchanges: list[Exchange] | None = None
    """Those that wait; a list, as there is seldom more than one."""
    readers: dict[InPort, Reader] | None = None
    _data: dict[Any, Any] | None = None
    _shared: bool = False
    _cancelled: bool = False
    _id: str | None = None
    _timed: bool = False
    _settle_hooks: list[Hook] | None = None
    _exit_hooks: list[Hook] | None = None
    _exit_task: asyncio.Task[None] | None = None
    _closed: asyncio.Future[None] | None = None

    def __init__(
        self,
        generation: Generation,
        *,
        parent: Process | None = None,
        deadline: float | None = None,
        origin: str | None = None,
    ) -> None:
        self.generation = generation
        self.started = monotonic()
        if parent is not None:
            self.parent = parent
        if deadline is not None:
            self.deadline = deadline
        if origin is not None:
            self.origin = origin
        generation.live.add(self)

    # --- identity and data

    @property
    def id(self) -> str:
        """A UUID of version 7, made when somebody looks."""
        if self._id is None:
            self._id = uuid7()
        return self._id

    @id.setter
    def id(self, value: str) -> None:
        self._id = value

    def get(self, key: Any, default: Any = None) -> Any:
        """The value that this process, or its parent before the fork, has set."""
        return default if self._data is None else self._data.get(key, default)

    def set(self, key: Any, value: Any) -> None:
        """Set a value for this process and the children that it forks from now on."""
        if self._data is None:
            self._data = {}
        elif self._shared:
            self._data = dict(self._data)
            self._shared = False
        self._data[key] = value

    def remove(self, key: Any) -> None:
        """Forget a value, in this process only."""
        if self._data is not None and key in self._data:
            self._data = {k: v for k, v in self._data.items() if k != key}
            self._shared = False

    def reader(self, port: InPort) -> Reader:
        """The reader of `port` in this process."""
        if self.readers is None:
            self.readers = {}
        reader = self.readers.get(port)
        if reader is None:
            reader = self.readers[port] = Reader(port)
        return reader

    # --- questions

    def start(self, port: OutPort | InPort, payload: Payload) -> Exchange:
        """Send a packet and go on as far as possible without waiting.

        The exchange is `done` with its `answer` when nothing had to be awaited; otherwise tasks of the running event
        loop carry it on, and :meth:`Exchange.wait` gives the answer.
        """
        exchange = Exchange(self)
        if self.state is not _RUNNING:
            exchange.done = True
            exchange.answer = self.error or dropped()
            return exchange
        exchange.begin(port, payload)
        return exchange

    async def ask(self, port: OutPort | InPort, payload: Payload) -> Payload:
        """The answer to a packet: a payload, an error value, or *none*.

        Whoever cancels the caller cancels everything that the question set off; after the end of the process the
        answer is the error `dropped`.
        """
        exchange = self.start(port, payload)
        return exchange.answer if exchange.done else await exchange.wait()

    # --- children

    def fork(self, *, deadline: float | None = None) -> Process:
        """A child on the same generation, with this process's data as they are now.

        The child's maker ends it. A parent that ends waits for it; a parent that is cancelled cancels it. Children
        nested deeper than `limits.forks` are refused with a WeirError.
        """
        if self.level >= self.generation.limits.forks:
            raise WeirError("forked too deep", code=Code.LIMIT, hint="a cycle through fork")
        if deadline is None or (self.deadline is not None and self.deadline < deadline):
            deadline = self.deadline
        child = Process(self.generation, parent=self, deadline=deadline, origin=self.origin)
        child.level = self.level + 1
        child.maker = self.maker
        if self._data is not None:
            child._data = self._data
            child._shared = self._shared = True
        if not self.state.is_over:
            if self.children is None:
                self.children = set()
            self.children.add(child)
        if self.state is not _RUNNING:
            child.cancel(self.error)
        return child

    # --- hooks

    def on_settle(self, hook: Hook) -> None:
        """Run `hook` when the outcome is known and before it is handed out: commit or roll back."""
        if self._settle_hooks is None:
            self._settle_hooks = []
        self._settle_hooks.append(hook)

    def on_exit(self, hook: Hook) -> None:
        """Run `hook` at the end, newest first: release what was opened. At once, when the end is over."""
        if self.state.is_over:
            self._exit_hooks = [hook]
            self._run_exit_hooks()
        elif self._exit_hooks is None:
            self._exit_hooks = [hook]
        else:
            self._exit_hooks.append(hook)

    @property
    def must_settle(self) -> bool:
        """Whether :meth:`settle` has anything to do."""
        return self._settle_hooks is not None

    async def settle(self, error: ErrorValue | None = None) -> ErrorValue | None:
        """Run the settle hooks with the outcome; the error of the first that failed, or None.

        Once one has failed (a commit, say) the others get its error. A second call does nothing. When the caller is
        cancelled meanwhile, the hooks that have not begun are left to :meth:`exit`.
        """
        failed, rest = self.start_to_settle(error)
        return failed if rest is None else await rest

    def start_to_settle(
        self, error: ErrorValue | None = None
    ) -> tuple[ErrorValue | None, Coroutine[Any, Any, ErrorValue | None] | None]:
        """:meth:`settle` as far as nothing must be awaited: the error up to there, and what is to be awaited, if anything."""
        failed, waiting = self._run_settle_hooks(error, None)
        return failed, None if waiting is None else self._settle_on(waiting, error, failed)

    async def _settle_on(
        self, waiting: Awaitable[None] | None, error: ErrorValue | None, failed: ErrorValue | None
    ) -> ErrorValue | None:
        while waiting is not None:
            try:
                await waiting
            except asyncio.CancelledError as exc:
                if is_being_cancelled():
                    raise
                failed = failed or self._hook_failed(exc)
            except Exception as exc:
                failed = failed or self._hook_failed(exc)
            failed, waiting = self._run_settle_hooks(error, failed)
        return failed

    def _run_settle_hooks(
        self, error: ErrorValue | None, failed: ErrorValue | None
    ) -> tuple[ErrorValue | None, Awaitable[None] | None]:
        """Run the hooks up to one that must be awaited; without one there is nothing left to settle."""
        while self._settle_hooks:
            hook = self._settle_hooks.pop()
            try:
                waiting = hook(error or failed)
            except (Exception, asyncio.CancelledError) as exc:
                failed = failed or self._hook_failed(exc)
                continue
            if waiting is not None:
                return failed, waiting
        self._settle_hooks = None
        return failed, None

    # --- end

    def cancel(self, error: ErrorValue | None = None) -> None:
        """Ask for the end: open questions are answered with `error` as soon as their tasks are gone.

        The process itself ends when its maker, who gets that answer, calls :meth:`exit`. One that has been ended
        already, and waits for its children, cancels them.
        """
        todo = [self]  # a list, and no recursion: children may be nested deeper than Python's stack
        while todo:
            process = todo.pop()
            if process.state not in (_RUNNING, _ENDING) or process._cancelled:
                continue
            process._cancelled = True
            if process.error is None:
                process.error = error or ErrorValue(Code.CANCELLED.title, Code.CANCELLED)
            if process.state is _RUNNING:
                process.state = _CANCELLING
            for exchange in tuple(process.exchanges or ()):
                exchange.abort(process.error)
            todo.extend(process.children or ())

    def exit(self, error: ErrorValue | None = None) -> None:
        """End the process, cleanly or with `error`. It returns at once; :meth:`join` waits for the end.

        Questions that are still open are answered with the error `dropped`. Settle hooks that have not run do so now.
        """
        if self.state is not _RUNNING and self.state is not _CANCELLING:
            return
        self.state = _ENDING
        if error is not None and self.error is None:
            self.error = error
        if self.exchanges:
            for exchange in tuple(self.exchanges):
                if not exchange.done:
                    exchange.abort(dropped())
        self._end_if_idle()

    async def join(self) -> None:
        """Wait until the process has ended, its children and its hooks included."""
        if self.state.is_over:
            return
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._closed)

    def statistics(self) -> dict[str, Any]:
        """What the process is and what it waits for, as plain data."""
        waits = [place for exchange in self.exchanges or () for place in exchange.waits()]
        return {
            "id": self.id,
            "origin": self.origin,
            "state": self.state.value,
            "generation": self.generation.number,
            "parent": self.parent.id if self.parent is not None else None,
            "children": len(self.children or ()),
            "age": monotonic() - self.started,
            "hops": self.hops,
            "waits": waits,
            "readers": [reader.statistics() for reader in (self.readers or {}).values()],
        }

    # --- between the kernel's classes

    def exchange_waits(self, exchange: Exchange) -> None:
        """An exchange has to wait: from now on the deadline's timer runs, and the end waits for its last task."""
        if self.exchanges is None:
            self.exchanges = [exchange]
        else:
            self.exchanges.append(exchange)
        if self.deadline is not None and not self._timed:
            self._timed = True
            self.generation.deadlines.add(self)
        if self.state is not _RUNNING:  # a handler has asked for the end before anything had to wait
            exchange.abort(self.error or dropped())

    def exchange_over(self, exchange: Exchange) -> None:
        """An exchange that had to wait is answered and its last task is gone."""
        if self.exchanges is not None and exchange in self.exchanges:
            self.exchanges.remove(exchange)
        self._end_if_idle()

    def expire(self) -> None:
        """The deadline has come."""
        self.cancel(ErrorValue(Code.DEADLINE.title, Code.DEADLINE))

    def _end_if_idle(self) -> None:
        if self._may_end():
            self._over()

    def _may_end(self) -> bool:
        """Begin with the end if nothing stands in its way; whether it is through with its hooks by now."""
        if self.state is not _ENDING or self.children or self.exchanges or self._exit_task is not None:
            return False
        if self._settle_hooks is not None:
            self._exit_task = asyncio.ensure_future(self._settle_then_exit())
            return False
        return self._run_exit_hooks()

    async def _settle_then_exit(self) -> None:
        while self._settle_hooks is not None:
            try:
                failed = await self.settle(self.error)
                self.error = self.error or failed
            except asyncio.CancelledError as exc:
                self.error = self.error or self._hook_failed(exc)
        if self._run_exit_hooks():
            self._over()

    def _run_exit_hooks(self) -> bool:
        """Run the hooks up to one that must be awaited; whether all have run."""
        while self._exit_hooks:
            hook = self._exit_hooks.pop()
            try:
                result = hook(self.error)
            except (Exception, asyncio.CancelledError) as exc:
                self.generation.report(self, exc)
                continue
            if result is not None:
                self._exit_task = asyncio.ensure_future(self._finish_exit_hooks(result))
                return False
        return True

    async def _finish_exit_hooks(self, waiting: Awaitable[None]) -> None:
        try:
            await waiting
        except (Exception, asyncio.CancelledError) as exc:
            # Cancelled or not, what is left to release is released.
            self.generation.report(self, exc)
        if self._run_exit_hooks():
            self._over()

    def _hook_failed(self, error: BaseException) -> ErrorValue:
        self.generation.report(self, error)
        return ErrorValue.of(error)

    def _over(self) -> None:
        """The end, and that of every ancestor that only waited for this."""
        process: Process | None = self
        while process is not None and not process.state.is_over:
            if process._cancelled:
                process.state = _CANCELLED
            else:
                process.state = _DONE if process.error is None else _FAILED
            if process._timed:
                process.generation.deadlines.remove(process)
            process.generation.leave(process)
            if process._closed is not None and not process._closed.done():
                process._closed.set_result(None)
            parent = process.parent
            if parent is None:
                return
            if parent.children is not None:
                parent.children.discard(process)
            process = parent if parent._may_end() else None

    def __repr__(self) -> str:
        return f"<Process {self._id or hex(id(self))} {self.state.value} of {self.generation!r}>"


def dropped() -> ErrorValue:
    """The answer of a packet whose process has ended."""
    return ErrorValue(Code.DROPPED.title, Code.DROPPED)
