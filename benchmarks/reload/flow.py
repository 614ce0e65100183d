"""The flow under test, as a value.

A :class:`Flow` says which transaction has written each node last (its *stamp*), and how the nodes are linked. From it
follow the specs that a daemon is given and the exact answer of every route, so whether an answer is right is a
comparison, and never a matter of judgement. Each node adds its stamp to the answer: an answer whose stamps no
transaction has left behind together is made of two generations.

* `text`: one snippet, without any computation;
* `chain`: `first`, then whichever of the two middle nodes there are just now, then `last`;
* `slow`: a sleep, long enough for several changes to happen meanwhile, and behind it a query. That node has something to
  lose: unloaded too early, while somebody sleeps who will need it, it cannot answer;
* `fan`: a fan-out to two or three branches, one of which waits;
* `each`: a `for` over three elements;
* `nest`: a block in a block.

All but `text` begin with a stamp of the router, which is the name of its path parameter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]

ROUTES = ("text", "chain", "slow", "fan", "each", "nest")
ROUTERS = ("east", "west")
BRANCHES = ("fan-a", "fan-b", "fan-c")
MIDDLES = ("middle-a", "middle-b")
SNIPPETS = ("text", "first", "last", "slow-in", "slow-out", "fan-in", "each-in", "work", "each-out")
"""Specs that are a snippet with one stamp."""
CHILDREN = ("nest.enter", "nest.left", "nest.right", "nest.exit")
"""Nodes with a stamp inside the block."""
ELEMENTS = (1, 2, 3)
NAMESPACE = "default"

_ROUTE = "params.map(key, key)[0]"


@dataclass(frozen=True, slots=True)
class Flow:
    """One state. `stamps` has the transaction that wrote each node last; those that are not in it have stamp 0.

    `nap` is in milliseconds, `patience` (of the query) and `timeout` (of the listener) in seconds, `body_limit` in bytes. `listener` is part of the listener's name.
    """

    port: int
    stamps: Mapping[str, int] = field(default_factory=dict)
    router: str = ROUTERS[0]
    middle: tuple[str, ...] = ()
    fan: tuple[str, ...] = BRANCHES
    nap: int = 120
    patience: int = 5
    concurrency: int = 1
    decoys: int = 0
    listener: int = 0
    timeout: int = 30
    body_limit: int = 1024

    @property
    def listener_name(self) -> str:
        return f"web-{self.listener}"

    def mark(self, name: str) -> str:
        """The stamp of a node, as it stands in answers."""
        return f"{name}={self.stamps.get(name, 0)}"

    # --- what a daemon is given

    def specs(self) -> dict[str, Document]:
        """The specs by name."""
        found = [self._listener(), *map(self._router, ROUTERS), *self._chain(), *self._slow(), *self._fan()]
        found += [*self._each(), self._nest(), _snippet("text", self.mark("text"), language="text")]
        return {spec["name"]: spec for spec in found}

    def _listener(self) -> Document:
        return {
            "kind": "listener",
            "name": self.listener_name,
            "port": self.port,
            "timeout": f"{self.timeout}s",
            "body_limit": self.body_limit,
            "ports": {"out": [{"name": self.router}]},
        }

    def _router(self, name: str) -> Document:
        parameter = f"{name}{self.stamps.get(name, 0)}"
        heads = {
            "text": "text",
            "chain": "first",
            "slow": "slow-in",
            "fan": "fan-in",
            "each": "each-in",
            "nest": "nest",
        }
        routes = [
            {"method": "GET", "path": f"/{route}/:{parameter}", "port": f"out[{index}]"}
            for index, route in enumerate(ROUTES)
        ]
        # Routes that nobody asks for: the list gets longer and shorter.
        routes += [{"method": "GET", "path": f"/decoy/{index}", "port": "out[0]"} for index in range(self.decoys)]
        ports = {f"out[{index}]": [{"name": heads[route]}] for index, route in enumerate(ROUTES)}
        return {"kind": "router", "name": name, "routes": routes, "ports": ports}

    def _chain(self) -> list[Document]:
        names = ("first", *self.middle, "last")
        found = [_snippet("first", self._begin("first"), names[1])]
        found += [_snippet(name, self._pass(name), names[index + 2]) for index, name in enumerate(self.middle)]
        return [*found, _snippet("last", self._end("last"))]

    def _slow(self) -> list[Document]:
        ask = f'["SELECT ? AS start, ? AS entry", [{_ROUTE}, "{self.mark("slow-in")}"]]'
        nap = {"kind": "sleep", "name": "nap", "interval": f"{self.nap}ms", "ports": {"out": [{"name": "query"}]}}
        query: Document = {"kind": "sql", "name": "query", "source": ":memory:", "timeout": f"{self.patience}s"}
        query["ports"] = {"out": [{"name": "slow-out"}]}
        end = f'[self[0].start, self[0].entry, "{self.mark("slow-out")}"]'
        return [_snippet("slow-in", ask, "nap"), nap, query, _snippet("slow-out", end)]

    def _fan(self) -> list[Document]:
        waits = {
            "kind": "step",
            "name": "fan-b",
            "specs": [{"kind": "sleep", "interval": "1ms"}, _snippet(None, self._end("fan-b"))],
        }
        branches = [_snippet("fan-a", self._end("fan-a")), waits, _snippet("fan-c", self._end("fan-c"))]
        return [_snippet("fan-in", self._begin("fan-in"), *self.fan), *branches]

    def _each(self) -> list[Document]:
        elements = f'{list(ELEMENTS)}.map(i, {{"trail": [{_ROUTE}, "{self.mark("each-in")}"], "item": string(i)}})'
        loop = {"kind": "for", "name": "each", "concurrency": self.concurrency}
        loop["ports"] = {"out[0]": [{"name": "work"}], "out[1]": [{"name": "each-out"}]}
        return [
            _snippet("each-in", elements, "each"),
            loop,
            _snippet("work", f'trail + [item, "{self.mark("work")}"]'),
            _snippet("each-out", f'self.map(one, one + ["{self.mark("each-out")}"])'),
        ]

    def _nest(self) -> Document:
        inner = {
            "kind": "block",
            "name": "inner",
            "specs": [
                _snippet("left", self._pass("nest.left"), "right"),
                _snippet("right", self._pass("nest.right")),
            ],
            "inbounds": {"in": [{"name": "left", "port": "in"}]},
            "outbounds": {"out": [{"name": "right", "port": "out"}]},
        }
        enter, leave = _snippet("enter", self._begin("nest.enter")), _snippet("exit", self._end("nest.exit"))
        return {"kind": "block", "name": "nest", "specs": [enter, inner, leave]}

    def _begin(self, name: str) -> str:
        return f'{{"trail": [{_ROUTE}, "{self.mark(name)}"]}}'

    def _pass(self, name: str) -> str:
        return f'{{"trail": trail + ["{self.mark(name)}"]}}'

    def _end(self, name: str) -> str:
        return f'trail + ["{self.mark(name)}"]'

    # --- what it answers

    def answer(self, route: str) -> bytes:
        """The body of the answer to `GET /{route}/x`."""
        if route == "text":
            return self.mark("text").encode()
        trail = self._trail(route)
        return json.dumps(trail, separators=(",", ":")).encode()

    def _trail(self, route: str) -> list[Any]:
        start = f"{self.router}{self.stamps.get(self.router, 0)}"
        if route == "chain":
            return [start, *map(self.mark, ("first", *self.middle, "last"))]
        if route == "slow":
            return [start, self.mark("slow-in"), self.mark("slow-out")]
        if route == "fan":
            return [[start, self.mark("fan-in"), self.mark(branch)] for branch in self.fan]
        if route == "each":
            end = self.mark("each-out")
            return [[start, self.mark("each-in"), str(item), self.mark("work"), end] for item in ELEMENTS]
        return [start, *map(self.mark, CHILDREN)]


def _snippet(name: str | None, code: str, *targets: str, language: str = "cel") -> Document:
    spec: Document = {"kind": "snippet", "language": language, "code": code}
    if name is not None:
        spec["name"] = name
    if targets:
        spec["ports"] = {"out": [{"name": target} for target in targets]}
    return spec
