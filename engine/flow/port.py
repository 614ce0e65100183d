"""Ports: where packets enter and leave a node.

Links belong to generations. An :class:`OutPort` holds the links of the newest generation beside those of older ones that
some process may still follow; which ones count for a process is one comparison of integers. Laying links for a
generation that is not published yet disturbs nobody.

A :class:`Reader` keeps the order of one process at one in port: turns start in order of arrival, one at a time. It comes
into being only where a turn can last, that is where a node awaits something; a turn of a plain function is over before
anybody else can arrive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from engine.flow.packet import Packet, Payload

if TYPE_CHECKING:
    from engine.flow.exchange import Lane
    from engine.flow.node import Node
    from engine.flow.process import Process


class Mode(IntEnum):
    """How the driver calls the handler of an in port, and what it does with the result."""

    MAP = 0
    """`handler(payload) -> payload`, sent to `out`."""
    CALL = 1
    """`handler(payload, process) -> payload`, sent to `out`."""
    ROUTE = 2
    """`handler(payload, process) -> (OutPort, payload)`, sent there; with None for the port it is the answer."""
    COROUTINE = 3
    """`async handler(payload, process) -> payload`, sent to `out`. It never sends by itself."""
    GENERATOR = 4
    """`handler(payload, process)` yields sends and awaitables; what it returns is the answer."""


class Wait(IntEnum):
    """What a lane of the driver waits for."""

    TURN = 0
    """The coroutine of a handler; its result goes to the out port."""
    STEP = 1
    """Something that the generator on top of the stack has yielded."""
    PAUSE = 2
    """Nothing: the event loop gets a turn."""
    QUEUE = 3
    """Its turn at a reader. It has no task meanwhile."""
    READY = 4
    """Nothing: the turn at a reader that it waited for is its own, and its task is about to begin."""


class InPort:
    """Where packets enter a node.

    `out` takes what the handler returns (modes MAP, CALL, COROUTINE), `error` what it raises. `many` lifts the rule of
    one turn at a time for this port.
    """

    __slots__ = ("error", "fed", "feeds", "handler", "many", "mode", "name", "node", "out")

    def __init__(
        self,
        node: Node,
        name: str,
        handler: Callable[..., Any],
        *,
        mode: Mode,
        out: OutPort,
        error: OutPort,
        many: bool = False,
    ) -> None:
        self.node = node
        self.name = name
        self.handler = handler
        self.mode = mode
        self.out = out
        self.error = error
        self.many = many
        self.fed = 0
        """How many out ports lead here in the newest generation that links have been laid for."""
        self.feeds: tuple[tuple[int, bool], ...] = ()

    def open(self, process: Process) -> Reader:
        """The reader of this port in `process`, for looking at what waits there."""
        return process.reader(self)

    def feed(self, number: int, fed: bool) -> None:
        """Note that from generation `number` on some link leads here (or none does any more)."""
        self.unfeed(number)
        self.feeds += ((number, fed),)

    def unfeed(self, number: int) -> None:
        """Forget what was noted for generation `number`, which was not published."""
        if self.feeds and self.feeds[-1][0] == number:
            self.feeds = self.feeds[:-1]

    def prune(self, oldest: int) -> bool:
        """Forget what no generation from `oldest` on asks for. Gives whether some older note is left."""
        if len(self.feeds) > 1:
            asked_for = (note for note, (end, _) in pairwise(self.feeds) if end > oldest)
            self.feeds = (*asked_for, self.feeds[-1])
        return len(self.feeds) > 1

    def is_fed(self, number: int) -> bool:
        """Whether a link leads here in generation `number`."""
        for since, fed in reversed(self.feeds):
            if since <= number:
                return fed
        return False

    def __repr__(self) -> str:
        return f"<InPort {self.node.label}.{self.name}>"


class OutPort:
    """Where packets leave a node, and the in ports that they reach.

    `since`, `targets` and `single` describe the newest generation; `history` holds older links, oldest first.
    """

    __slots__ = ("history", "name", "node", "since", "single", "targets")

    def __init__(self, node: Node | None, name: str) -> None:
        self.node = node
        self.name = name
        self.since = 0
        self.targets: tuple[InPort, ...] = ()
        self.single: InPort | None = None
        self.history: tuple[tuple[int, tuple[InPort, ...]], ...] = ()

    @classmethod
    def to(cls, *targets: InPort) -> OutPort:
        """A port of no node, for a question from outside."""
        port = cls(None, "ask")
        port.link(0, targets)
        return port

    def link(self, number: int, targets: Sequence[InPort]) -> None:
        """Lay the links that hold from generation `number` on. A target named twice is linked once."""
        wanted = tuple(dict.fromkeys(targets))
        if number > self.since:
            self.history += ((self.since, self.targets),)
        self.since = number
        self._set(wanted)

    def unlink(self, number: int) -> None:
        """Take back the links that were laid for generation `number`, which was not published."""
        if self.since == number and self.history:
            self.since, targets = self.history[-1]
            self.history = self.history[:-1]
            self._set(targets)

    def at(self, number: int) -> tuple[InPort, ...]:
        """The targets in generation `number`."""
        if self.since <= number:
            return self.targets
        for since, targets in reversed(self.history):
            if since <= number:
                return targets
        return ()

    def prune(self, oldest: int) -> bool:
        """Forget links that no generation from `oldest` on uses. Gives whether some older ones are left."""
        if self.history:
            ends = (*(since for since, _ in self.history[1:]), self.since)
            self.history = tuple(links for links, end in zip(self.history, ends, strict=True) if end > oldest)
        return bool(self.history)

    def open(self, process: Process) -> Writer:
        """The writer of this port in `process`."""
        return Writer(self, process)

    def _set(self, targets: tuple[InPort, ...]) -> None:
        self.targets = targets
        self.single = targets[0] if len(targets) == 1 else None

    def __repr__(self) -> str:
        label = self.node.label if self.node is not None else "outside"
        return f"<OutPort {label}.{self.name}>"


class Writer:
    """One process at one out port: sends packets and gives their answers back."""

    __slots__ = ("port", "process")

    def __init__(self, port: OutPort, process: Process) -> None:
        self.port = port
        self.process = process

    async def send(self, payload: Payload) -> Payload:
        """The answer of everything that is linked: a payload, an error value, or *none*.

        Without a link the packet answers itself. In a process that has ended the answer is the error `dropped`.
        Cancelling the caller cancels what the packet set off.
        """
        return await self.process.ask(self.port, payload)


class Reader:
    """The order of one process at one in port.

    `busy` while a turn lasts; `waiting` holds the lanes whose packets have arrived meanwhile, oldest first.
    """

    __slots__ = ("busy", "port", "waiting")

    def __init__(self, port: InPort) -> None:
        self.port = port
        self.busy = False
        self.waiting: deque[Lane] = deque()

    def packets(self) -> list[Packet]:
        """The packets that wait, oldest first."""
        return [Packet(lane.value, self.port.name) for lane in self.waiting]

    def release(self) -> None:
        """End the turn; the next packet in line takes it."""
        if self.waiting:
            self.waiting.popleft().take_turn()
        else:
            self.busy = False

    def statistics(self) -> dict[str, Any]:
        """`{"port", "busy", "waiting"}`."""
        return {"port": f"{self.port.node.label}.{self.port.name}", "busy": self.busy, "waiting": len(self.waiting)}
