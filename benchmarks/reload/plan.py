"""The changes of a trial, drawn from a seed.

A plan is the same in every process that makes it from the same seed: the one that carries it out and the one that judges
the answers need not talk about it.

A change turns one :class:`~benchmarks.reload.flow.Flow` into the next, and what has to be written follows from the
difference of their specs. Whatever is linked anew gets a new stamp with it, so no state ever comes back, and every answer
tells when it was right.

Some changes break a spec for a while: its text in the store is then one that cannot run, and the flow goes on as it was.
Nothing else touches that spec until it is mended, and it is mended by a new revision, never by another spec in its place:
so the daemon must have told of each. By the admin API some of these are refused at once and never stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal

from benchmarks.reload.flow import BRANCHES, CHILDREN, MIDDLES, ROUTERS, SNIPPETS, Document, Flow

How = Literal["store", "admin"]


@dataclass(frozen=True, slots=True)
class Change:
    """One transaction. `flow` is what must be served from then on.

    `puts` are whole specs, `patches` the same as merge patches; `deletes` are names, deleted first. `broken` names the
    spec that this breaks; where `refused` is set the admin API must not take it.
    """

    number: int
    kind: str
    how: How
    flow: Flow
    puts: tuple[Document, ...]
    patches: tuple[Document, ...]
    deletes: tuple[str, ...] = ()
    broken: str | None = None
    refused: bool = False
    mends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """What one kind of change comes to: the new flow, and the specs that are made anew under the same name."""

    flow: Flow
    renewed: tuple[str, ...] = ()


Breaking = Callable[[Document], Document]


def make_plan(port: int, *, seed: int, changes: int) -> list[Change]:
    """The changes from the second state on; `Flow(port)` is the first. The last one leaves nothing broken."""
    return list(_Drawing(port, Random(seed)).draw(changes))


class _Drawing:
    def __init__(self, port: int, random: Random) -> None:
        self.random = random
        self.number = 0
        self.flow = Flow(port)
        self.stored = self.flow.specs()
        self.broken: dict[str, Document] = {}
        self.mending: tuple[str, ...] = ()
        self.mend_at: dict[str, int] = {}
        self.by_admin = 0
        self.edits: list[tuple[Callable[[], Edit | None], int]] = [
            (self.stamp_one, 20),
            (self.stamp_all, 12),
            (self.routes, 10),
            (self.turn, 8),
            (self.middle, 10),
            (self.fan, 8),
            (self.child, 8),
            (self.pace, 8),
            (self.renew, 6),
            (self.limits, 7),
            (self.rename_listener, 7),
        ]
        self.breakings: list[tuple[str | None, bool, Breaking]] = [
            (None, True, lambda spec: {**spec, "code": "1 +", "language": "cel"}),
            (None, True, lambda spec: {**spec, "cod": "a field that nobody knows"}),
            (None, False, lambda spec: {**spec, "ports": {"out": [{"name": "nobody"}]}}),
            ("nest", True, lambda spec: {**spec, "specs": [spec["specs"][0], {"kind": "snippet", "code": "("}]}),
            ("router", True, lambda spec: {**spec, "routes": [*spec["routes"], {"path": "/x", "port": "side"}]}),
            # An address of nobody (RFC 5737): it compiles, and cannot be loaded.
            ("listener", False, lambda spec: {**spec, "host": "192.0.2.1"}),
        ]

    def draw(self, changes: int) -> Iterator[Change]:
        for number in range(1, changes + 1):
            self.number = number
            mends = tuple(name for name, at in self.mend_at.items() if number in (at, changes))
            for name in mends:
                del self.broken[name], self.mend_at[name]
            self.mending = mends
            # What is mended just now is not broken again at once: that would come to no change, and nobody would hear of it.
            if number < changes - 5 and not self.broken and not mends and self.random.random() < 0.1:
                yield self.break_one()
            else:
                yield self.edit_one(mends)

    # --- edits: each gives None where what it would change is broken just now

    def stamped(self, *names: str) -> dict[str, int]:
        return {**self.flow.stamps, **dict.fromkeys(names, self.number)}

    def stamp_one(self) -> Edit | None:
        name = self.random.choice((*SNIPPETS, *BRANCHES, *self.flow.middle))
        return Edit(replace(self.flow, stamps=self.stamped(name))) if name not in self.broken else None

    def stamp_all(self) -> Edit:
        names = [*SNIPPETS, *BRANCHES, *self.flow.middle, *ROUTERS]
        names = [name for name in names if name not in self.broken]
        return Edit(replace(self.flow, stamps=self.stamped(*names, *(CHILDREN if "nest" not in self.broken else ()))))

    def routes(self) -> Edit | None:
        if not self.broken.keys().isdisjoint(ROUTERS):
            return None
        decoys = self.random.randrange(8)
        return Edit(replace(self.flow, stamps=self.stamped(self.flow.router), decoys=decoys))

    def turn(self) -> Edit | None:
        """The listener leads to the other router."""
        if not self.broken.keys().isdisjoint((*ROUTERS, self.flow.listener_name)):
            return None
        router = ROUTERS[1 - ROUTERS.index(self.flow.router)]
        return Edit(replace(self.flow, stamps=self.stamped(router), router=router))

    def middle(self) -> Edit | None:
        """Intermediate nodes come, go, and change places."""
        if not self.broken.keys().isdisjoint(("first", *MIDDLES)):
            return None
        choices = ((), *((name,) for name in MIDDLES), MIDDLES, MIDDLES[::-1])
        names = self.random.choice([each for each in choices if each != self.flow.middle])
        return Edit(replace(self.flow, stamps=self.stamped("first", *names), middle=names))

    def fan(self) -> Edit | None:
        if "fan-in" in self.broken:
            return None
        branches = tuple(self.random.sample(BRANCHES, self.random.choice((2, 3))))
        return Edit(replace(self.flow, stamps=self.stamped("fan-in"), fan=branches))

    def child(self) -> Edit | None:
        if "nest" in self.broken:
            return None
        return Edit(replace(self.flow, stamps=self.stamped(self.random.choice(CHILDREN))))

    def pace(self) -> Edit:
        nap, concurrency, patience = (self.random.randrange(*span) for span in ((60, 180), (1, 4), (3, 30)))
        return Edit(replace(self.flow, nap=nap, concurrency=concurrency, patience=patience))

    def renew(self) -> Edit | None:
        """A node is deleted, and another of its name is made in the same transaction."""
        name = self.random.choice((*SNIPPETS, *BRANCHES, *self.flow.middle))
        if name in self.broken or name in self.mending:
            return None
        return Edit(replace(self.flow, stamps=self.stamped(name)), renewed=(name,))

    def limits(self) -> Edit | None:
        if self.flow.listener_name in self.broken:
            return None
        timeout, body_limit = self.random.randrange(20, 60), self.random.randrange(512, 4096)
        return Edit(replace(self.flow, timeout=timeout, body_limit=body_limit))

    def rename_listener(self) -> Edit | None:
        """The listener is deleted, and another one with its address is made in the same transaction."""
        if self.flow.listener_name in self.broken or self.flow.listener_name in self.mending:
            return None
        return Edit(replace(self.flow, listener=self.number))

    # --- changes

    def edit_one(self, mends: tuple[str, ...]) -> Change:
        edits, weights = zip(*self.edits, strict=True)
        while True:
            edit = self.random.choices(edits, weights)[0]
            drawn = edit()
            if drawn is not None:
                return self.change(edit.__name__, drawn, mends=mends)

    def break_one(self) -> Change:
        what, checked, breaking = self.random.choice(self.breakings)
        flow = self.flow
        some = self.random.choice((*SNIPPETS[1:], "fan-a", "fan-c"))
        name = {None: some, "router": flow.router, "listener": flow.listener_name}.get(what, what)
        assert name is not None
        how = self.next_how()
        if how == "admin" and checked:
            patch = _patch(flow.specs()[name], breaking(flow.specs()[name]))
            self.by_admin += 1
            return Change(self.number, "refused", how, flow, (), ({"name": name, **patch},), broken=name, refused=True)
        self.broken[name] = breaking(flow.specs()[name])
        self.mend_at[name] = self.number + self.random.randrange(3, 7)
        return self.change("broken", Edit(flow), broken=name)

    def change(self, kind: str, edit: Edit, *, mends: tuple[str, ...] = (), broken: str | None = None) -> Change:
        self.flow = edit.flow
        before, after = self.stored, {**edit.flow.specs(), **self.broken}
        self.stored = after
        deletes = (*(name for name in before if name not in after), *edit.renewed)
        puts = {name: spec for name, spec in after.items() if before.get(name) != spec or name in edit.renewed}
        patches = tuple({"name": name, **_patch(before[name], spec)} for name, spec in puts.items() if name in before)
        only_patches = not deletes and len(patches) == len(puts)
        how = self.next_how() if only_patches else "store"
        self.by_admin += 1 if how == "admin" else 0
        return Change(
            self.number, kind, how, edit.flow, tuple(puts.values()), patches, deletes, broken=broken, mends=mends
        )

    def next_how(self) -> How:
        """Half of the changes go each way, as far as possible: the admin API cannot delete and make in one request."""
        return "admin" if self.by_admin * 2 < self.number else "store"


def _patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch (RFC 7396) that turns one document into another."""
    patch: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            if inner := _patch(old, value):
                patch[key] = inner
        elif old != value:
            patch[key] = value
    return patch
