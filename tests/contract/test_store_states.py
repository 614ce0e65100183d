"""Every store against a model of a few lines, along random paths, on both event loops.

The model knows which documents there are, and which trials. Whatever the store says (outcomes, refusals, listings,
history, what a watch tells) must follow from it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from engine.errors import ConflictError, NotFoundError
from engine.spec.model import parse_spec
from engine.store.memory import MemoryStore
from engine.store.mongodb import MongodbStore
from engine.store.protocol import Batch, DeleteSpec, PutSpec, Query, Store, Write
from engine.store.sqlite import SqliteStore

ResultT = TypeVar("ResultT")

STORES: dict[str, Callable[[Callable[[str], Any]], Callable[[Path], Store]]] = {
    "memory": lambda fixture: lambda path: MemoryStore(),
    "sqlite": lambda fixture: lambda path: SqliteStore(path / "store.db"),
    "mongodb": lambda fixture: partial(new_database, fixture("new_mongodb")),
}
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

EXAMPLES = {"memory": 20, "sqlite": 20, "mongodb": 10}


def new_database(new_url: Callable[[], str], path: Path) -> Store:
    return MongodbStore(new_url())


NAMES = st.sampled_from(["a", "b", "c", None])
NAMESPACES = st.sampled_from(["x", "y"])
DATA = st.integers(0, 1)


Held = tuple[str, str | None, int, int]


class Model:
    """Documents by id: (namespace, name, data, revision); what was told, in batches; and trials.

    A trial has, for each id that it changed, what was there before and what it wrote; None for nothing.
    """

    def __init__(self) -> None:
        self.documents: dict[str, Held] = {}
        self.trials: dict[str, dict[str, tuple[Held | None, Held | None]]] = {}
        self.revision = 0
        self.batches: list[list[tuple[int, str, str]]] = []

    def holder(self, namespace: str, name: str | None) -> str | None:
        return next(
            (id for id, held in self.documents.items() if name is not None and held[:2] == (namespace, name)), None
        )


class Machine(RuleBasedStateMachine):
    make_store: Callable[[Path], Store]
    make_loop: Callable[[], asyncio.AbstractEventLoop]

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner(loop_factory=type(self).make_loop)
        self.store = type(self).make_store(Path(self.folder.name))
        self.model = Model()
        self.read = 0
        self.watch = self.store.watch()
        self.run(self.store.open())
        self.run(self.watch.__aenter__())

    def run(self, work: Awaitable[ResultT]) -> ResultT:
        async def limited() -> ResultT:
            async with asyncio.timeout(20):
                return await work

        return self.runner.run(limited())

    def teardown(self) -> None:
        try:
            self.check_watch()
            self.check_history()
        finally:
            self.run(self.watch.__aexit__(None, None, None))
            self.run(self.store.close())
            self.runner.close()
            self.folder.cleanup()

    # What the model says of one write: the outcome's action, or the refusal.

    def expect_put(
        self, id: str | None, namespace: str, name: str | None, data: int, expect: int | None
    ) -> str | type[Exception]:
        documents = self.model.documents
        found = id if id in documents else None if id else self.model.holder(namespace, name)
        old = documents.get(found) if found else None
        if old is not None and old[0] != namespace:
            return ConflictError
        if expect is not None and expect != (old[3] if old else 0):
            return ConflictError
        holder = self.model.holder(namespace, name)
        if holder is not None and holder != found:
            return ConflictError
        if old is not None and old[1:3] == (name, data):
            return "unchanged"
        return "configured" if old is not None else "created"

    def note(self, action: str, id: str, held: tuple[str, str | None, int] | None) -> None:
        if action == "unchanged":
            return
        self.model.revision += 1
        if held is None:
            del self.model.documents[id]
        else:
            self.model.documents[id] = (*held, self.model.revision)
        self.model.batches[-1].append((self.model.revision, "delete" if held is None else "put", id))

    def apply(self, *writes: Write) -> Any:
        self.model.batches.append([])
        return self.run(self.store.apply(writes))

    # What the model says of trials.

    def handles(self, trial: dict[str, tuple[Held | None, Held | None]]) -> set[object]:
        held = [each for pair in trial.values() for each in pair if each is not None and each[1] is not None]
        return {*trial, *(each[:2] for each in held)}

    def going_back(self, trial: dict[str, tuple[Held | None, Held | None]]) -> set[str]:
        documents = self.model.documents
        going = {id for id, (_, written) in trial.items() if documents.get(id) == written}
        while True:
            taken = {held[:2] for id, held in documents.items() if id not in going and held[1] is not None}
            stuck = {id for id in going if (before := trial[id][0]) is not None and before[:2] in taken}
            if not stuck:
                return going
            going -= stuck

    # Rules

    @rule(id=ids, gone=ids, namespace=NAMESPACES, name=NAMES, data=DATA)
    def begin_a_trial(self, id: str, gone: str, namespace: str, name: str | None, data: int) -> None:
        """Perhaps delete one, and put another."""
        documents, revision = self.model.documents.copy(), self.model.revision
        writes: list[Write] = []
        self.model.batches.append([])
        if gone != id and gone in documents:
            writes.append(DeleteSpec(id=gone))
            self.note("deleted", gone, None)
        expected = self.expect_put(id, namespace, name, data, None)
        if isinstance(expected, str):
            writes.append(PutSpec(spec(id, namespace, name, data)))
            self.note(expected, id, (namespace, name, data))
        now = self.model.documents
        trial = {known: (documents.get(known), now.get(known)) for known in (gone, id)}
        trial = {known: pair for known, pair in trial.items() if pair[0] != pair[1]}
        running = set().union(*(self.handles(each) for each in self.model.trials.values()))
        if self.handles(trial) & running:
            self.model.documents, self.model.revision = documents, revision
            self.model.batches.pop()
            with pytest.raises(ConflictError, match="is in trial"):
                self.run(self.store.apply(writes, trial=timedelta(minutes=1)))
            return
        begun = self.run(self.store.apply(writes, trial=timedelta(minutes=1))).trial
        assert (begun is None) == (not trial)
        if begun is not None:
            assert {each.id for each in begun.specs} == trial.keys()
            self.model.trials[begun.id] = trial

    @precondition(lambda self: self.model.trials)
    @rule(chance=st.integers(0, 9), confirmed=st.booleans())
    def end_a_trial(self, chance: int, confirmed: bool) -> None:
        known = sorted(self.model.trials)
        id = known[chance % len(known)]
        trial = self.model.trials.pop(id)
        if confirmed:
            self.run(self.store.confirm(id))
            return
        going = self.going_back(trial)
        self.model.batches.append([])
        reverted = self.run(self.store.revert(id))
        assert {left.spec.id for left in reverted.left} == trial.keys() - going
        assert {each.id for each in reverted.outcomes} == going
        for outcome in reverted.outcomes:
            before = trial[outcome.id][0]
            self.note(outcome.action, outcome.id, before[:3] if before is not None else None)
            assert outcome.revision == self.model.revision

    @rule()
    def lists_trials(self) -> None:
        assert {trial.id for trial in self.run(self.store.trials())} == self.model.trials.keys()

    @rule(target=ids, namespace=NAMESPACES, name=NAMES, data=DATA)
    def put(self, namespace: str, name: str | None, data: int) -> str:
        expected = self.expect_put(None, namespace, name, data, None)
        (outcome,) = self.apply(PutSpec(spec(None, namespace, name, data)))
        assert outcome.action == expected
        self.note(outcome.action, outcome.id, (namespace, name, data))
        assert outcome.revision == self.model.documents[outcome.id][3]
        return outcome.id

    @rule(id=ids, namespace=NAMESPACES, name=NAMES, data=DATA, guess=st.sampled_from([None, "right", "wrong", 0]))
    def put_by_id(self, id: str, namespace: str, name: str | None, data: int, guess: str | int | None) -> None:
        current = self.model.documents[id][3] if id in self.model.documents else 0
        expect = {None: None, "right": current, "wrong": current + 1, 0: 0}[guess]
        expected = self.expect_put(id, namespace, name, data, expect)
        write = PutSpec(spec(id, namespace, name, data), expect=expect)
        if not isinstance(expected, str):
            with pytest.raises(expected):
                self.apply(write)
            return
        (outcome,) = self.apply(write)
        assert (outcome.action, outcome.id) == (expected, id)
        self.note(outcome.action, id, (namespace, name, data))

    @rule(id=ids)
    def delete(self, id: str) -> None:
        if id not in self.model.documents:
            with pytest.raises(NotFoundError):
                self.apply(DeleteSpec(id=id))
            return
        (outcome,) = self.apply(DeleteSpec(id=id))
        self.note("deleted", id, None)
        assert outcome.revision == self.model.revision

    @rule(id=consumes(ids), other=ids, name=NAMES, data=DATA)
    def replace(self, id: str, other: str, name: str | None, data: int) -> None:
        """Two writes in one apply, of which the second may fail."""
        before = self.model.documents.copy(), self.model.revision
        namespace = self.model.documents[other][0] if other in self.model.documents else "x"
        writes = [DeleteSpec(id=id), PutSpec(spec(other, namespace, name, data))]
        fails = id not in self.model.documents
        if not fails:
            self.model.batches.append([])
            self.note("deleted", id, None)
            expected = self.expect_put(other, namespace, name, data, None)
            self.model.batches.pop()
            fails = not isinstance(expected, str)
            self.model.documents, self.model.revision = before[0].copy(), before[1]
        if fails:
            with pytest.raises((ConflictError, NotFoundError)):
                self.apply(*writes)
            return
        deleted, put = self.apply(*writes)
        assert (deleted.action, put.action) == ("deleted", expected)
        self.note("deleted", id, None)
        self.note(put.action, other, (namespace, name, data))

    @rule(limit=st.integers(1, 4), namespace=NAMESPACES)
    def list_in_pages(self, limit: int, namespace: str) -> None:
        query = Query(namespaces=(namespace,), limit=limit)
        page = self.run(self.store.specs(query))
        seen = list(page)
        while page.after is not None:
            page = self.run(self.store.specs(Query(namespaces=(namespace,), limit=limit, after=page.after)))
            seen += page
        expected = [
            (held[1] or known, known, held[3]) for known, held in self.model.documents.items() if held[0] == namespace
        ]
        assert [(found.name or found.id, found.id, found.revision) for found in seen] == sorted(expected)

    @rule()
    def reopen(self) -> None:
        self.check_watch()
        self.run(self.watch.__aexit__(None, None, None))
        self.run(self.store.close())
        self.run(self.store.open())
        self.watch = self.store.watch()
        self.run(self.watch.__aenter__())

    @invariant()
    def lists_what_the_model_has(self) -> None:
        page = self.run(self.store.specs())
        assert page.revision == self.model.revision
        assert {
            found.id: (found.namespace, found.name, found.fields["data"], found.revision) for found in page
        } == self.model.documents

    def check_watch(self) -> None:
        expected = [batch for batch in self.model.batches[self.read :] if batch]
        self.read = len(self.model.batches)
        for changes in expected:
            batch = self.run(anext(self.watch))
            assert isinstance(batch, Batch)
            assert [(change.revision, change.action, change.id) for change in batch.changes] == changes
            assert batch.revision == changes[-1][0]

    def check_history(self) -> None:
        told = [change for batch in self.model.batches for change in batch]
        for known in {known for _, _, known in told}:
            entries = [entry for namespace in ("x", "y") for entry in self.run(self.store.history(namespace, known))]
            expected = [(revision, action) for revision, action, changed in told if changed == known]
            assert sorted((entry.revision, entry.action) for entry in entries) == expected


def spec(id: str | None, namespace: str, name: str | None, data: int) -> Any:
    document: dict[str, Any] = {"kind": "print", "namespace": namespace, "data": data}
    if id is not None:
        document["id"] = id
    if name is not None:
        document["name"] = name
    return parse_spec(document)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("store", STORES)
def test_the_store_is_like_its_model(request: pytest.FixtureRequest, store: str, loop: str) -> None:
    make_store = STORES[store](request.getfixturevalue)
    machine = type(
        "BoundMachine", (Machine,), {"make_store": staticmethod(make_store), "make_loop": staticmethod(LOOPS[loop])}
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES[store],
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
