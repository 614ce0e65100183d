"""`nop`: accepts every packet and says nothing."""

from __future__ import annotations

from engine.flow import NONE, Payload
from engine.graph.context import Context
from engine.graph.scheme import Codec
from engine.spec.schema import NodeSpec
from nodes.control.sink import Sink


class NopSpec(NodeSpec):
    """Accepts every packet and answers none."""


def accept(_payload: Payload) -> Payload:
    """*None*, whatever comes."""
    return NONE


def compile_nop(_spec: NopSpec, _ctx: Context) -> Sink:
    """The node of a `nop`."""
    return Sink(accept)


CODEC = Codec(
    kind="nop",
    spec=NopSpec,
    compile=compile_nop,
    family="control",
    summary="Accepts every packet and answers none.",
    example="""\
kind: nop
name: sink
""",
)
