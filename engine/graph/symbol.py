"""A symbol: one revision of a spec, compiled, with its ports by name.

A symbol of a plain kind has a node. A symbol of a composite kind has children, which are symbols that nobody outside
sees, and a :class:`Group` in the place of a node; its ports are the ports of its children, so a packet passes through a
composite without a hop of its own.

Two successive symbols of one spec share the nodes (of the children, too) whose own fields mean the same: such a node
keeps its state, and is merely linked anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import Place
from engine.flow import InPort, Node, OutPort
from engine.flow.node import LIFECYCLE
from engine.graph.context import Context
from engine.graph.scheme import Codec, Composite
from engine.spec.binding import Bound
from engine.spec.model import Link, Spec
from engine.spec.origin import Origin


@dataclass(frozen=True, slots=True)
class Site:
    """Who a node is and where its spec stands."""

    kind: str
    namespace: str
    name: str | None
    id: str
    label: str
    place: Place
    origin: Origin | None


class Group(Node):
    """What stands for a composite among the nodes: it has a life (`init` and `term`), and no ports of its own."""


Resolve = Callable[[Link, str], list[InPort]]
"""The in ports that a link (of the out port with this name) leads to."""


class Symbol:
    """One revision of a spec, compiled.

    `links` are the links of the out ports, templates filled.
    """

    __slots__ = ("bound", "children", "codec", "composite", "context", "links", "node", "site", "spec")

    def __init__(
        self,
        *,
        spec: Spec,
        bound: Bound,
        site: Site,
        codec: Codec[Any],
        context: Context,
        node: Node,
        composite: Composite | None = None,
        children: Mapping[str, Symbol] | None = None,
    ) -> None:
        self.spec = spec
        self.bound = bound
        self.site = site
        self.codec = codec
        self.context = context
        self.node = node
        self.composite = composite
        self.children = dict(children or {})
        self.links: Mapping[str, tuple[Link, ...]] = bound.ports

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def name(self) -> str | None:
        return self.site.name

    def nodes(self) -> Iterator[Node]:
        """Its nodes, inner ones first: the children from last to first, then its own."""
        for child in reversed(self.children.values()):
            yield from child.nodes()
        yield self.node

    def symbols(self) -> Iterator[Symbol]:
        """The symbol of each node, in the order of :meth:`nodes`."""
        for child in reversed(self.children.values()):
            yield from child.symbols()
        yield self

    def references(self) -> set[str]:
        """The names and ids that its links lead to."""
        return {link.id or link.name or "" for links in self.links.values() for link in links}

    def in_ports(self, name: str) -> list[InPort]:
        """The in ports that `name` stands for; none if there is no such port."""
        if self.composite is None:
            port = self.node.in_port(name)
            return [port] if port is not None else []
        children = list(self.children.values())
        if self.composite.is_sequence:
            return children[0].in_ports(name)
        links = (self.composite.inbounds or {}).get(name, ())
        return [port for link in links for port in self.child(link).in_ports(link.port)]

    def out_ports(self, name: str) -> list[OutPort]:
        """The out ports that `name` stands for; none if there is no such port."""
        if self.composite is None or name in LIFECYCLE:
            port = self.node.out_port(name)
            return [port] if port is not None else []
        children = list(self.children.values())
        if not self.composite.is_sequence:
            links = (self.composite.outbounds or {}).get(name, ())
            return [port for link in links for port in self.child(link).out_ports(link.port)]
        if name == "error":
            return [port for child in children for port in child.out_ports(name)]
        return children[-1].out_ports(name)

    def in_names(self) -> list[str]:
        """Names of in ports, for a hint."""
        if self.composite is None:
            return self.node.in_names()
        if self.composite.is_sequence:
            return next(iter(self.children.values())).in_names()
        return list(self.composite.inbounds or ())

    def out_names(self) -> list[str]:
        """Names of out ports, for a hint."""
        if self.composite is None:
            return self.node.out_names()
        if self.composite.is_sequence:
            return list(self.children.values())[-1].out_names()
        return [*(self.composite.outbounds or ()), *LIFECYCLE]

    def child(self, link: Link) -> Symbol:
        """The child that a link within the composite leads to; KeyError if there is none."""
        for key, child in self.children.items():
            if (link.id and child.spec.id == link.id) or (not link.id and key == link.name):
                return child
        raise KeyError(link.id or link.name or "")

    def settle(self) -> None:
        """The symbol is published: its nodes carry its names and places from now on."""
        for symbol in self.symbols():
            symbol.context.site = symbol.site
            symbol.node.label = symbol.site.label
            symbol.node.place = symbol.site.place

    def __repr__(self) -> str:
        return f"<Symbol {self.site.label} revision {self.spec.revision}>"
