"""`split`: the elements of a list, each to a port of its own."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from engine.flow import Forward, Gather, OneToMany, Payload, Process, join
from engine.graph.context import Context
from engine.graph.scheme import Codec
from engine.spec.schema import NodeSpec


class SplitSpec(NodeSpec):
    """Sends element i of a list to out[i] and joins the answers."""


class Split(OneToMany):
    """Sends element *i* of a list to `out[i]`, all at the same time, and joins the answers in order.

    Elements beyond the last linked port go nowhere; one before it whose port has no link answers itself. Anything but a
    list goes to `out[0]`. Where nothing is sent, the packet is the answer.
    """

    def action(self, payload: Payload, process: Process) -> Generator[Any, Any, Payload]:
        if not isinstance(payload, (list, tuple)):
            return Forward(self.outs[0], payload)
        sends = list(zip(self.outs[: self._width(process)], payload, strict=False))
        if not sends:
            return payload
        if len(sends) == 1:
            return Forward(*sends[0])
        return join((yield Gather(sends)))

    def _width(self, process: Process) -> int:
        number = process.generation.number
        for index in range(len(self.outs) - 1, -1, -1):
            if self.outs[index].at(number):
                return index + 1
        return 0


def compile_split(_spec: SplitSpec, _ctx: Context) -> Split:
    """The node of a `split`."""
    return Split()


CODEC = Codec(
    kind="split",
    spec=SplitSpec,
    compile=compile_split,
    family="control",
    summary="Sends element i of a list to out[i] and joins the answers.",
    example="""\
kind: split
name: parts
ports:
  out[0]:
    - {name: head, port: in}
  out[1]:
    - {name: second, port: in}
""",
)
