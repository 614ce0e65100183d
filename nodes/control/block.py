"""`block`: several nodes as one."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from engine.graph.scheme import Codec, Composite
from engine.spec.model import Link
from nodes.control.composite import ChildrenSpec, Inbound, Inbounds, Outbound, Outbounds


class BlockSpec(ChildrenSpec):
    """Several nodes as one: a sequence, or with inbounds and outbounds a graph of its own."""

    inbounds: Inbounds | None = Field(None, examples=[{"in": [{"name": "first", "port": "in"}]}])
    """In ports of the block, and the ports of children that each leads to: all of them receive."""
    outbounds: Outbounds | None = Field(None, examples=[{"out": [{"name": "last", "port": "out"}]}])
    """Out ports of the block, and the ports of children that each stands for."""


def expand_block(spec: BlockSpec) -> Composite:
    """The children: in sequence, or, once `inbounds` or `outbounds` are given, a graph that links itself."""
    return Composite(spec.specs, inbounds=_links(spec.inbounds), outbounds=_links(spec.outbounds))


def _links(
    bounds: Mapping[str, tuple[Inbound, ...]] | Mapping[str, tuple[Outbound, ...]] | None,
) -> dict[str, tuple[Link, ...]] | None:
    if bounds is None:
        return None
    return {port: tuple(child.link() for child in children) for port, children in bounds.items()}


CODEC = Codec(
    kind="block",
    spec=BlockSpec,
    expand=expand_block,
    family="control",
    summary="Several nodes as one: a sequence, or with inbounds and outbounds a graph of its own.",
    example="""\
kind: block
name: tax
specs:
  - kind: snippet
    name: net
    code: self.gross * 0.8
    ports:
      out:
        - {name: round, port: in}
  - kind: snippet
    name: round
    code: int(self)
inbounds:
  in:
    - {name: net, port: in}
outbounds:
  out:
    - {name: round, port: out}
  error:
    - {name: net, port: error}
    - {name: round, port: error}
""",
)
