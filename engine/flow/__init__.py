"""The run-time kernel: processes whose packets walk from port to port. It knows no node and no spec.

* :mod:`~engine.flow.packet`: what travels: payloads, *none*, and how several answers become one
* :mod:`~engine.flow.generation`: the numbered state of a table that a process is pinned to
* :mod:`~engine.flow.port`: in ports with their readers, out ports with their writers, links by generation
* :mod:`~engine.flow.process`: one unit of work: data, children, exit hooks, deadline, cancellation
* :mod:`~engine.flow.driver`: the one loop that walks the links
* :mod:`~engine.flow.frame`: who waits for an answer: frames, fans and their slots
* :mod:`~engine.flow.exchange`: one question from outside, and the lanes (tasks) that carry it on
* :mod:`~engine.flow.node`: the node templates `ZeroToOne`, `OneToOne`, `OneToMany`, `ManyToOne`

The guarantees stand in ARCHITECTURE.md, each with the test that holds it.
"""

from engine.flow.exchange import Exchange
from engine.flow.frame import Forward, Gather
from engine.flow.generation import Generation, Limits
from engine.flow.node import ManyToOne, Node, OneToMany, OneToOne, ZeroToOne
from engine.flow.packet import NONE, Packet, Payload, join
from engine.flow.port import InPort, Mode, OutPort, Reader, Writer
from engine.flow.process import Process, State

__all__ = [
    "NONE",
    "Exchange",
    "Forward",
    "Gather",
    "Generation",
    "InPort",
    "Limits",
    "ManyToOne",
    "Mode",
    "Node",
    "OneToMany",
    "OneToOne",
    "OutPort",
    "Packet",
    "Payload",
    "Process",
    "Reader",
    "State",
    "Writer",
    "ZeroToOne",
    "join",
]
