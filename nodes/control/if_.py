"""`if`: one of two ways, by a condition."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pydantic import Field

from engine.errors import ErrorValue
from engine.flow import Forward, OutPort, Payload, Process
from engine.graph.context import Context
from engine.graph.scheme import Codec
from engine.language.protocol import Program
from engine.spec.fields import Source
from nodes.control.branch import TwoWay
from nodes.control.expression import ExpressionSpec, is_true


class IfSpec(ExpressionSpec):
    """Sends the packet to out[0] if the condition holds, to out[1] otherwise."""

    when: Source = Field(examples=["age >= 18", 'self.method == "POST"'])
    """The condition. False, 0, "", null, [] and {} are false, everything else is true."""


class If(TwoWay):
    """Sends the packet as it came to `out[0]` if the condition holds, to `out[1]` otherwise.

    A condition that fails goes to `error`.
    """

    def __init__(self, program: Program, ctx: Context) -> None:
        super().__init__()
        self.program = program
        self.ctx = ctx

    def action(self, payload: Payload, process: Process) -> Any:
        return (self.first if is_true(self.program(payload)) else self.second), payload

    def locate(self, error: ErrorValue) -> ErrorValue:
        return self.ctx.locate(error, ("when",))

    async def unload(self) -> None:
        self.program.close()


class WaitingIf(If):
    """An `if` whose condition must be awaited."""

    def action(self, payload: Payload, process: Process) -> Generator[Any, Any, Forward]:
        chosen: OutPort = self.first if is_true((yield self.program(payload))) else self.second
        return Forward(chosen, payload)


def compile_if(spec: IfSpec, ctx: Context) -> If:
    """The node of an `if`."""
    program = ctx.compile(spec.when, spec.language, path=("when",), timeout=spec.timeout)
    return WaitingIf(program, ctx) if program.is_async else If(program, ctx)


CODEC = Codec(
    kind="if",
    spec=IfSpec,
    compile=compile_if,
    family="control",
    summary="Sends the packet to out[0] if the condition holds, to out[1] otherwise.",
    example="""\
kind: if
name: adult
when: age >= 18
ports:
  out[0]:
    - {name: allow, port: in}
  out[1]:
    - {name: deny, port: in}
""",
)
