"""What waits for an answer: frames of generator handlers, and the slots of a fan.

The driver keeps them on plain lists, one list a strand. When a node sends several packets at the same time, the list of
whoever sent them moves into a :class:`Fan`, and every branch gets a list of its own with a :class:`Slot` at the bottom.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.errors import ErrorValue, WeirError
from engine.flow.packet import Payload
from engine.flow.port import InPort, OutPort, Reader

if TYPE_CHECKING:
    from engine.flow.process import Process

Step = Generator[Any, Any, Any]


class Forward:
    """What a generator handler returns to send a packet on and be done: the answer to it is the node's answer."""

    __slots__ = ("payload", "port")

    def __init__(self, port: OutPort, payload: Payload) -> None:
        self.port = port
        self.payload = payload


class Gather:
    """What a generator handler yields to send several packets: it is sent the list of their answers, in order.

    At most `limit` of them are under way at one time; None is no limit. An empty one gives an empty list.
    """

    __slots__ = ("limit", "sends")

    def __init__(self, sends: Sequence[tuple[OutPort, Payload]], *, limit: int | None = None) -> None:
        self.sends = sends
        self.limit = limit


class Frame:
    """A generator handler that waits: for an answer, or for what it awaits.

    `reader` is the reader whose turn it holds: from an await before its first send until that send.
    """

    __slots__ = ("port", "reader", "sent", "step")

    def __init__(self, step: Step, port: InPort, reader: Reader | None) -> None:
        self.step = step
        self.port = port
        self.reader = reader
        self.sent = False

    def end_turn(self) -> None:
        """The node's own work is over: it has sent something, or has ended."""
        self.sent = True
        reader, self.reader = self.reader, None
        if reader is not None:
            reader.release()


class Fan:
    """Several packets sent at the same time, and the stack of whoever sent them.

    `sends` pairs an in port (several links of one out port) or an out port (a :class:`Gather`) with a payload. `next`
    is the first branch that has not started, `active` counts those under way. A fan that may not start another one
    yet, because `limit` are active, is `blocked`: whoever answers next starts it.
    """

    __slots__ = ("active", "answers", "blocked", "joined", "limit", "next", "sends", "stack")

    def __init__(
        self, sends: Sequence[tuple[InPort | OutPort, Payload]], stack: list[Any], *, joined: bool, limit: int
    ) -> None:
        self.sends = sends
        self.stack = stack
        self.joined = joined
        self.limit = limit
        self.answers: list[Payload] = [None] * len(sends)
        self.next = 0
        self.active = 0
        self.blocked = False


class Slot:
    """The bottom of a branch's stack: where its answer goes."""

    __slots__ = ("fan", "index")

    def __init__(self, fan: Fan, index: int) -> None:
        self.fan = fan
        self.index = index


def next_branch(opened: list[Fan]) -> tuple[OutPort | None, InPort | None, Payload, list[Any]]:
    """Start the next branch of the innermost open fan: where its packet goes (one of the two), and its stack.

    The fan leaves `opened` when all its branches have started, or its limit is reached.
    """
    fan = opened[-1]
    index = fan.next
    fan.next += 1
    fan.active += 1
    if fan.next == len(fan.sends):
        opened.pop()
    elif fan.active >= fan.limit:
        fan.blocked = True
        opened.pop()
    to, payload = fan.sends[index]
    if type(to) is OutPort:
        return to, None, payload, [Slot(fan, index)]
    return None, to, payload, [Slot(fan, index)]  # type: ignore[return-value]


def unwind(stack: list[Any], process: Process) -> None:
    """Close the generators of a strand that gets no answer any more, innermost first.

    The stack of whoever fanned out is closed by the last of the branches that were under way.
    """
    while stack:
        top = stack.pop()
        if type(top) is Slot:
            top.fan.active -= 1
            if top.fan.active == 0:
                stack = top.fan.stack
            continue
        try:
            top.step.close()
        except (Exception, asyncio.CancelledError) as exc:
            process.generation.report(process, exc)
        top.end_turn()


def failure(error: BaseException, port: InPort) -> ErrorValue:
    """The error value of what a handler raised, with the node that raised it and its place in the YAML.

    What is not an error of ours, a bug in a node say, keeps its traceback as text in `details`, for the log.
    """
    value = ErrorValue.of(error)
    if value.node is not None:
        return value
    if not isinstance(error, WeirError):
        value = replace(value, details="".join(traceback.format_exception(error, limit=-12)))
    return port.node.locate(replace(value, node=port.node.label))
