"""From specs to a running graph.

* :mod:`~engine.graph.scheme`: kinds of nodes, each with one codec
* :mod:`~engine.graph.context`: what a node may use
* :mod:`~engine.graph.resources`: sockets and pools that outlive nodes
* :mod:`~engine.graph.symbol`: a spec that has been compiled, and its ports by name
* :mod:`~engine.graph.compile`: specs to symbols
* :mod:`~engine.graph.wiring`: which in ports an out port leads to
* :mod:`~engine.graph.table`: the symbols of a namespace, and the generations that processes are pinned to
* :mod:`~engine.graph.order`: inner nodes before outer ones
* :mod:`~engine.graph.reconcile`: reload, as one narrated function; its steps are
  :mod:`~engine.graph.intake`, :mod:`~engine.graph.choose`, :mod:`~engine.graph.plan` and :mod:`~engine.graph.departure`
* :mod:`~engine.graph.check`: what can be known of specs without running them
"""

from engine.graph.context import Clock, Context, Settings
from engine.graph.resources import Lease, Resources
from engine.graph.scheme import Codec, Composite, Scheme

__all__ = ["Clock", "Codec", "Composite", "Context", "Lease", "Resources", "Scheme", "Settings"]
