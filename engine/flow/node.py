"""What a node is, and the four templates that most nodes are made from.

A node is a few ports and a handler for each in port. The templates look at how `action` is written and choose the
:class:`~engine.flow.port.Mode`:

* a plain method `action(self, payload, process)` returns the payload for `out`;
* an `async def` may await, and never sends;
* a generator sends: `answer = yield self.out, payload`, awaits: `result = yield awaitable`, and returns the answer, or
  :class:`~engine.flow.frame.Forward`.

What it raises goes to `error`, or back to whoever asked where `error` has no link.

Life of a node: made by its codec (cheap, no I/O) → :meth:`Node.load`, inner nodes first → :meth:`Node.activate`, when its generation is published → serves → :meth:`Node.retire`,
outer nodes first, the moment that a generation without it is published → :meth:`Node.unload`, when no process can reach
it any more. A node that is only linked anew passes through none of these.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from engine.errors import ErrorValue, Place
from engine.flow.packet import Payload
from engine.flow.port import InPort, Mode, OutPort
from engine.flow.process import Process

_INDEXED = re.compile(r"(\w+)\[(\d{1,4})\]")

MAX_INDEX = 255
"""The highest port of a node with many: naming one makes all below it."""

LIFECYCLE = ("init", "term")
"""Out ports that every node has: what they lead to runs when the node is loaded and unloaded."""


def split_name(name: str) -> tuple[str, int | None]:
    """`out[3]` → `("out", 3)`, `out` → `("out", None)`."""
    match = _INDEXED.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, None)


class Node:
    """Ports by name, and a life. A kind of node derives from one of the templates below.

    `label` (`kind/name`) and `place` (where its spec stands) are set by whoever compiles it, for messages.
    """

    def __init__(self) -> None:
        self.label = type(self).__name__
        self.place: Place | None = None
        self._ins: dict[str, InPort] = {}
        self._outs: dict[str, OutPort] = {}

    def in_port(self, name: str) -> InPort | None:
        """The in port of this name, made now if the node makes ports on demand; None if it has no such port."""
        return self._ins.get(name)

    def out_port(self, name: str) -> OutPort | None:
        """The out port of this name; None if it has no such port. `init` and `term` are made when they are asked for."""
        if name in LIFECYCLE and name not in self._outs:
            return self._add_out(name)
        return self._outs.get(name)

    def lifecycle(self, name: str) -> OutPort | None:
        """The port `init` or `term`, if it has been made: most nodes have neither."""
        return self._outs.get(name)

    def in_names(self) -> list[str]:
        """Names of in ports, for a hint."""
        return list(self._ins)

    def out_names(self) -> list[str]:
        """Names of out ports, for a hint."""
        return [*(name for name in self._outs if name not in LIFECYCLE), *LIFECYCLE]

    def out_ports(self) -> list[OutPort]:
        """Every out port that has been made, `init` and `term` included."""
        return list(self._outs.values())

    def locate(self, error: ErrorValue) -> ErrorValue:
        """The error with its place in the YAML. Kinds with code in them know better and override this.

        A place in no file, in a request body say, is not where the node stands.
        """
        known = error.place is not None and error.place.file is not None
        return error if known or self.place is None else replace(error, place=self.place)

    @property
    def claim(self) -> tuple[str, ...] | None:
        """What no other node of the same generation may have, in words: `("address", "127.0.0.1:8000")`."""
        return None

    async def load(self) -> None:
        """Begin: open what the node needs. What it raises keeps the node from becoming active."""

    def activate(self) -> None:
        """The generation with this node has just become the current one: a trigger begins here. Never raises."""

    def retire(self) -> None:
        """A generation without this node has been published: make no more processes. Never raises."""

    async def unload(self) -> None:
        """The end: let go of everything. No packet arrives any more."""

    def _add_out(self, name: str) -> OutPort:
        port = self._outs[name] = OutPort(self, name)
        return port

    def _add_in(
        self,
        name: str,
        handler: Callable[..., Any],
        *,
        out: OutPort,
        error: OutPort,
        mode: Mode | None = None,
        many: bool = False,
    ) -> InPort:
        mode = mode if mode is not None else mode_of(handler)
        port = self._ins[name] = InPort(self, name, handler, mode=mode, out=out, error=error, many=many)
        return port

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label}>"


def mode_of(handler: Callable[..., Any], *, plain: Mode = Mode.CALL) -> Mode:
    """How the driver calls a handler, read off the way it is written."""
    if inspect.iscoroutinefunction(handler):
        return Mode.COROUTINE
    if inspect.isgeneratorfunction(handler):
        return Mode.GENERATOR
    return plain


class ZeroToOne(Node):
    """A trigger: `out` and `error`, and no in port. It makes processes of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.out = self._add_out("out")
        self.error = self._add_out("error")


class OneToOne(Node):
    """`in` → `out`, `error`. Set `many` on the class to let several turns of one process run at a time."""

    many = False

    def __init__(self) -> None:
        super().__init__()
        self.out = self._add_out("out")
        self.error = self._add_out("error")
        self.input = self._add_in("in", self.action, out=self.out, error=self.error, many=self.many)

    def map(self, function: Callable[[Payload], Payload]) -> None:
        """Let the driver call a plain function of the payload, instead of :meth:`action`."""
        self.input.handler = function
        self.input.mode = Mode.MAP

    def action(self, payload: Payload, process: Process) -> Any:
        """One packet in; what is returned goes to `out`."""
        raise NotImplementedError


class OneToMany(Node):
    """`in` → `out[0]`, `out[1]`, …, `error`. The plain name `out` is `out[0]`.

    A plain `action` returns `(port, payload)`; a generator sends as it likes. Ports are made when they are asked for.
    """

    many = False

    def __init__(self) -> None:
        super().__init__()
        self.outs: list[OutPort] = []
        self.error = self._add_out("error")
        first = self.out_at(0)
        mode = mode_of(self.action, plain=Mode.ROUTE)
        self.input = self._add_in("in", self.action, out=first, error=self.error, mode=mode, many=self.many)

    def out_at(self, index: int) -> OutPort:
        """The port `out[index]`."""
        while len(self.outs) <= index:
            self.outs.append(self._add_out(f"out[{len(self.outs)}]"))
        return self.outs[index]

    def out_port(self, name: str) -> OutPort | None:
        base, index = split_name(name)
        if base == "out":
            return self.out_at(index or 0) if (index or 0) <= MAX_INDEX else None
        return super().out_port(name) if index is None else None

    def out_names(self) -> list[str]:
        return ["out", "out[0]", "out[1]", "error", *LIFECYCLE]

    def action(self, payload: Payload, process: Process) -> Any:
        """One packet in; `(port, payload)` out."""
        raise NotImplementedError


class ManyToOne(Node):
    """`in[0]`, `in[1]`, … → `out`, `error`. The plain name `in` is `in[0]`.

    `action(index, payload, process)` returns the payload for `out`, or (with mode ROUTE) a port and a payload.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ins: list[InPort] = []
        self.out = self._add_out("out")
        self.error = self._add_out("error")
        self.in_at(0)

    def in_at(self, index: int) -> InPort:
        """The port `in[index]`."""
        while len(self.ins) <= index:
            handler = self._handler(len(self.ins))
            mode = mode_of(self.action, plain=Mode.ROUTE)
            port = self._add_in(f"in[{len(self.ins)}]", handler, out=self.out, error=self.error, mode=mode)
            self.ins.append(port)
        return self.ins[index]

    def in_port(self, name: str) -> InPort | None:
        base, index = split_name(name)
        return self.in_at(index or 0) if base == "in" and (index or 0) <= MAX_INDEX else None

    def in_names(self) -> list[str]:
        return ["in", "in[0]", "in[1]"]

    def width(self, process: Process) -> int:
        """Places in a row: as many as the highest linked in port tells in this process's generation, at least one."""
        number = process.generation.number
        for index in range(len(self.ins) - 1, 0, -1):
            if self.ins[index].is_fed(number):
                return index + 1
        return 1

    def action(self, index: int, payload: Payload, process: Process) -> Any:
        """One packet in at `in[index]`; `(port, payload)` out."""
        raise NotImplementedError

    def _handler(self, index: int) -> Callable[[Payload, Process], Any]:
        def handle(payload: Payload, process: Process) -> Any:
            return self.action(index, payload, process)

        return handle
