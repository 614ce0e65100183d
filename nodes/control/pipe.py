"""`pipe`: stages, each of which gets the answer of the one before."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from engine.errors import ErrorValue
from engine.flow import NONE, Forward, OneToMany, Payload, Process
from engine.graph.context import Context
from engine.graph.scheme import Codec
from engine.spec.schema import NodeSpec


class PipeSpec(NodeSpec):
    """Sends the packet through out[0], out[1], …, each getting the answer of the one before."""


class Pipe(OneToMany):
    """Sends the packet to the first linked `out[n]`, its answer to the next one, and so on; the last answer is the answer.

    A stage that answers *none* gives the next one null. An error ends the pipe: it goes to `error` if that is linked,
    and is the answer otherwise. Without any stage the packet comes back.
    """

    def action(self, payload: Payload, process: Process) -> Generator[Any, Any, Payload]:
        number = process.generation.number
        stages = [port for port in self.outs if port.at(number)]
        if not stages:
            return payload
        catches = bool(self.error.at(number))
        # Nothing is left to do after the last stage, unless somebody wants its errors.
        last = None if catches else stages.pop()
        answer = payload
        for port in stages:
            answer = yield port, None if answer is NONE else answer
            if isinstance(answer, ErrorValue):
                return Forward(self.error, answer) if catches else answer
        return answer if last is None else Forward(last, None if answer is NONE else answer)


def compile_pipe(_spec: PipeSpec, _ctx: Context) -> Pipe:
    """The node of a `pipe`."""
    return Pipe()


CODEC = Codec(
    kind="pipe",
    aliases=("call",),
    spec=PipeSpec,
    compile=compile_pipe,
    family="control",
    summary="Sends the packet through out[0], out[1], …, each getting the answer of the one before.",
    example="""\
kind: pipe
name: page
ports:
  out[0]:
    - {name: load, port: in}
  out[1]:
    - {name: render, port: in}
  error:
    - {name: fail, port: in}
""",
)
