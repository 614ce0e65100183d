"""`merge`: waits for one packet at each in port, and joins them."""

from __future__ import annotations

from collections import deque

from engine.errors import ErrorValue
from engine.flow import NONE, ManyToOne, OutPort, Payload, Process, join
from engine.graph.context import Context
from engine.graph.scheme import Codec
from engine.spec.schema import NodeSpec
from nodes.control.local import Local


class MergeSpec(NodeSpec):
    """Joins one packet of each in port into a row."""


class Merge(ManyToOne):
    """Pairs the packets of one process, first in, first out at each `in[i]`, into rows; a complete row goes to `out`.

    A row has as many places as the highest linked `in[i]` tells. A packet that does not complete a row is answered with
    *none*; the one that does gets the answer to the row. A row with an error in it goes to `error`. What is left over
    is forgotten with its process.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: Local[list[deque[Payload]]] = Local()
        # No link can lead from here: what is sent is the answer.
        self.back = OutPort(self, "none")

    def action(self, index: int, payload: Payload, process: Process) -> tuple[OutPort, Payload]:
        waiting = self.rows.get(process)
        width = max(index + 1, self.width(process), len(waiting or ()))
        if width == 1:
            return self._send([payload])
        if waiting is None:
            waiting = []
            self.rows.set(process, waiting)
        while len(waiting) < width:
            waiting.append(deque())
        waiting[index].append(payload)
        if not all(waiting):
            return self.back, NONE
        return self._send([column.popleft() for column in waiting])

    def _send(self, row: list[Payload]) -> tuple[OutPort, Payload]:
        joined = join(row)
        return (self.error if isinstance(joined, ErrorValue) else self.out), joined


def compile_merge(_spec: MergeSpec, _ctx: Context) -> Merge:
    """The node of a `merge`."""
    return Merge()


CODEC = Codec(
    kind="merge",
    aliases=("combine",),
    spec=MergeSpec,
    compile=compile_merge,
    family="control",
    summary="Joins one packet of each in port into a row.",
    example="""\
- kind: merge
  name: both
  ports:
    out:
      - {name: save, port: in}
- kind: snippet
  name: left
  code: self.left
  ports:
    out:
      - {name: both, port: 'in[0]'}
- kind: snippet
  name: right
  code: self.right
  ports:
    out:
      - {name: both, port: 'in[1]'}
""",
)
