"""`for`: sends the elements of a list one by one, and collects the answers."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pydantic import Field

from engine.errors import ErrorValue, join_errors
from engine.flow import NONE, Forward, Gather, Payload, Process
from engine.graph.context import Context
from engine.graph.scheme import Codec
from engine.spec.schema import NodeSpec
from nodes.control.branch import TwoWay


class ForSpec(NodeSpec):
    """Sends the elements of a list to out[0] and the list of their answers to out[1]."""

    concurrency: int = Field(1, ge=1, examples=[8])
    """How many elements may be under way at one time. The answers keep the order of the elements in any case."""


class For(TwoWay):
    """Sends each element to `out[0]`, and the list of their answers to `out[1]`.

    *None* leaves no gap in the list. Anything but a list goes round once, and its answer stands bare. All elements are
    sent, whatever becomes of the others; if any of them is answered with an error, the errors, joined into one, go to
    `error` if that is linked and are the answer otherwise.
    """

    def __init__(self, concurrency: int) -> None:
        super().__init__()
        self.concurrency = concurrency

    def action(self, payload: Payload, process: Process) -> Generator[Any, Any, Payload]:
        if not isinstance(payload, (list, tuple)):
            answer = yield self.first, payload
            if isinstance(answer, ErrorValue):
                return self._fail([answer], process)
            if answer is NONE:
                return Forward(self.second, None) if self.second.at(process.generation.number) else NONE
            return Forward(self.second, answer)
        answers: list[Payload] = []
        if self.concurrency == 1:
            for item in payload:
                answers.append((yield self.first, item))  # noqa: PERF401 (each one waits for the one before)
        else:
            answers = yield Gather([(self.first, item) for item in payload], limit=self.concurrency)
        errors = [answer for answer in answers if isinstance(answer, ErrorValue)]
        if errors:
            return self._fail(errors, process)
        return Forward(self.second, [answer for answer in answers if answer is not NONE])

    def _fail(self, errors: list[ErrorValue], process: Process) -> Payload:
        error = join_errors(errors)
        return Forward(self.error, error) if self.error.at(process.generation.number) else error


def compile_for(spec: ForSpec, _ctx: Context) -> For:
    """The node of a `for`."""
    return For(spec.concurrency)


CODEC = Codec(
    kind="for",
    aliases=("loop", "foreach"),
    spec=ForSpec,
    compile=compile_for,
    family="control",
    summary="Sends the elements of a list to out[0] and the list of their answers to out[1].",
    example="""\
kind: for
name: each
concurrency: 4
ports:
  out[0]:
    - {name: work, port: in}
  out[1]:
    - {name: summary, port: in}
""",
)
