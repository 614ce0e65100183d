"""`step`: nodes that run one after another."""

from __future__ import annotations

from engine.graph.scheme import Codec, Composite
from nodes.control.composite import ChildrenSpec


class StepSpec(ChildrenSpec):
    """Nodes that run one after another; an error of any of them is the step's error."""


def expand_step(spec: StepSpec) -> Composite:
    """The children in sequence."""
    return Composite(spec.specs)


CODEC = Codec(
    kind="step",
    spec=StepSpec,
    expand=expand_step,
    family="control",
    summary="Nodes that run one after another; an error of any of them is the step's error.",
    example="""\
kind: step
name: load
specs:
  - kind: snippet
    code: self.body
  - kind: snippet
    code: '{"items": self, "count": size(self)}'
""",
)
