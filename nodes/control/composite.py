"""What `block` and `step` share: child specs, and the ports of children that the outside sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from engine.spec.fields import PortName
from engine.spec.model import Link
from engine.spec.schema import NodeSpec
from nodes.control.entries import NOT_EMPTY

_CHILDREN_EXAMPLE = [
    {"kind": "snippet", "language": "cel", "code": "self.body"},
    {"kind": "snippet", "language": "cel", "code": "size(self)"},
]


class ChildrenSpec(NodeSpec):
    """Fields of a kind that consists of others."""

    specs: Annotated[tuple[dict[str, Any], ...], NOT_EMPTY] = Field(examples=[_CHILDREN_EXAMPLE])
    """The children, each a spec of its own. Nobody outside can name them."""


class _Child(NodeSpec):
    name: str | None = Field(None, examples=["first", "$0"])
    """The name of the child; one without a name is called `$0`, `$1`, … by its position."""
    id: str | None = Field(None, examples=["01908c74-8b22-7cbf-a475-6b6bc871b01a"])
    """The id of the child, instead of its name."""

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.name and not self.id:
            context = {"reason": "names no child", "hint": "write its `name`, such as {name: first, port: in}"}
            raise PydanticCustomError("field", "{reason}", context)
        return self


class Inbound(_Child):
    """An in port of a child."""

    port: PortName = "in"
    """Its in port."""

    def link(self) -> Link:
        """As a link."""
        return Link(self.port, self.name, self.id)


class Outbound(_Child):
    """An out port of a child."""

    port: PortName = "out"
    """Its out port."""

    def link(self) -> Link:
        """As a link."""
        return Link(self.port, self.name, self.id)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, Mapping) else value


Inbounds = dict[PortName, Annotated[tuple[Inbound, ...], BeforeValidator(_listed)]]
"""In ports of children by the name that the outside calls them."""

Outbounds = dict[PortName, Annotated[tuple[Outbound, ...], BeforeValidator(_listed)]]
"""Out ports of children by the name that the outside calls them."""
