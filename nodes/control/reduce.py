"""`reduce`: a running total over the packets of a process."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from engine.errors import ErrorValue
from engine.flow import OneToOne, Payload, Process
from engine.graph.context import Context
from engine.graph.scheme import Codec
from engine.language.protocol import Program
from engine.spec.fields import Source
from nodes.control.expression import ExpressionSpec
from nodes.control.local import Local


class ReduceSpec(ExpressionSpec):
    """Keeps a running total over the packets of a process."""

    action: Source = Field(examples=["self[0] + self[1]"])
    """The new total, from `self`, which is `[total, payload, index]`."""
    init: Any = Field(None, examples=[0, ""])
    """The total before the first packet."""


class Reduce(OneToOne):
    """Answers every packet, and sends to `out`, the new total of its process.

    Each process has a total of its own, a forked one too. Where the action fails, the total stays as it was and the
    packet is not counted.
    """

    def __init__(self, program: Program, init: Payload, ctx: Context) -> None:
        super().__init__()
        self.program = program
        self.first = init
        self.ctx = ctx
        self.totals: Local[tuple[Payload, int]] = Local()

    def action(self, payload: Payload, process: Process) -> Any:
        total, index = self.totals.get(process) or (self.first, 0)
        total = self.program([total, payload, index])
        self.totals.set(process, (total, index + 1))
        return total

    def locate(self, error: ErrorValue) -> ErrorValue:
        return self.ctx.locate(error, ("action",))

    async def unload(self) -> None:
        self.program.close()


class WaitingReduce(Reduce):
    """A `reduce` whose action must be awaited; the packets of a process take turns."""

    async def action(self, payload: Payload, process: Process) -> Payload:
        total, index = self.totals.get(process) or (self.first, 0)
        total = await self.program([total, payload, index])
        self.totals.set(process, (total, index + 1))
        return total


def compile_reduce(spec: ReduceSpec, ctx: Context) -> Reduce:
    """The node of a `reduce`."""
    program = ctx.compile(spec.action, spec.language, path=("action",), timeout=spec.timeout)
    return (WaitingReduce if program.is_async else Reduce)(program, spec.init, ctx)


CODEC = Codec(
    kind="reduce",
    spec=ReduceSpec,
    compile=compile_reduce,
    family="control",
    summary="Keeps a running total over the packets of a process.",
    example="""\
kind: reduce
name: sum
action: self[0] + self[1]
init: 0
""",
)
