"""Which in ports each out port of a symbol leads to.

Links are written between names; what the driver walks are links between ports of nodes. :func:`wire` does the
translation for one symbol, through composites: a link to a composite leads to the ports of its children, and the
children's out ports lead where the composite's do.
"""

from __future__ import annotations

from itertools import pairwise

from engine.flow import InPort, OutPort
from engine.graph.symbol import Resolve, Symbol
from engine.spec.model import Link

Wires = dict[OutPort, list[InPort]]


def wire(symbol: Symbol, resolve: Resolve) -> Wires:
    """The targets of every out port of the symbol's nodes, those without a link included.

    `resolve` raises what it likes for a link that leads nowhere; it is passed on.
    """
    wires: Wires = {}
    _wire(symbol, resolve, wires)
    for node in symbol.nodes():
        for port in node.out_ports():
            wires.setdefault(port, [])
    return wires


def _wire(symbol: Symbol, resolve: Resolve, wires: Wires) -> None:
    if symbol.composite is not None:
        _wire_children(symbol, wires)
    for name, links in symbol.links.items():
        targets = [port for link in links for port in resolve(link, name)]
        for out in symbol.out_ports(name):
            wires.setdefault(out, []).extend(targets)


def _wire_children(symbol: Symbol, wires: Wires) -> None:
    def resolve(link: Link, _name: str) -> list[InPort]:
        return symbol.child(link).in_ports(link.port)

    children = list(symbol.children.values())
    for child in children:
        _wire(child, resolve, wires)
    if symbol.composite is None or not symbol.composite.is_sequence:
        return
    for child, follower in pairwise(children):
        for out in child.out_ports("out"):
            wires.setdefault(out, []).extend(follower.in_ports("in"))
