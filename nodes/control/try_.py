"""`try`: catches the errors that come back."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from engine.errors import ErrorValue
from engine.flow import Forward, OneToOne, Payload, Process
from engine.graph.context import Context
from engine.graph.scheme import Codec
from engine.spec.schema import NodeSpec


class TrySpec(NodeSpec):
    """Sends the packet to out, and an error that comes back to error."""


class Try(OneToOne):
    """Sends the packet to `out`; an error that comes back goes to `error`, whose answer is the answer.

    Without a link at `error` the error is the answer. What the handler itself raises is not caught again.
    """

    def action(self, payload: Payload, process: Process) -> Generator[Any, Any, Payload]:
        if not self.error.at(process.generation.number):
            return Forward(self.out, payload)
        answer = yield self.out, payload
        return Forward(self.error, answer) if isinstance(answer, ErrorValue) else answer


def compile_try(_spec: TrySpec, _ctx: Context) -> Try:
    """The node of a `try`."""
    return Try()


CODEC = Codec(
    kind="try",
    spec=TrySpec,
    compile=compile_try,
    family="control",
    summary="Sends the packet to out, and an error that comes back to error.",
    example="""\
kind: try
name: guard
ports:
  out:
    - {name: risky, port: in}
  error:
    - {name: handler, port: in}
""",
)
