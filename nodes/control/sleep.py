"""`sleep`: lets time pass."""

from __future__ import annotations

from pydantic import Field

from engine.flow import OneToOne, Payload, Process
from engine.graph.context import Clock, Context
from engine.graph.scheme import Codec
from engine.spec.fields import Duration
from engine.spec.schema import NodeSpec


class SleepSpec(NodeSpec):
    """Passes each packet on after a while."""

    interval: Duration = Field(examples=["250ms", "1.5s", 10])
    """How long each packet waits."""


class Sleep(OneToOne):
    """Passes each packet on, unchanged, after `interval`. Packets of one process wait side by side.

    Cancelling the process ends the waiting.
    """

    many = True

    def __init__(self, interval: float, clock: Clock) -> None:
        super().__init__()
        self.interval = interval
        self.clock = clock

    async def action(self, payload: Payload, process: Process) -> Payload:
        await self.clock.sleep(self.interval)
        return payload


def compile_sleep(spec: SleepSpec, ctx: Context) -> Sleep:
    """The node of a `sleep`."""
    return Sleep(spec.interval.total_seconds(), ctx.clock)


CODEC = Codec(
    kind="sleep",
    aliases=("wait",),
    spec=SleepSpec,
    compile=compile_sleep,
    family="control",
    summary="Passes each packet on after a while.",
    example="""\
kind: sleep
name: pause
interval: 250ms
ports:
  out:
    - {name: next, port: in}
""",
)
