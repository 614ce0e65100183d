"""A copy of a store is that store: in all directions, for any history, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from engine.spec.model import parse_spec, parse_value
from engine.store.check.checking import check
from engine.store.instance import Instance
from engine.store.memory import MemoryStore
from engine.store.mongodb import MongodbStore
from engine.store.protocol import Batch, DeleteSpec, DeleteValue, PutSpec, PutValue, Query, Resync, Store
from engine.store.rollback import choose
from engine.store.sqlite import SqliteStore
from engine.store.transfer import parts
from engine.store.transfer.copying import Copied, Progress, copy
from engine.store.transfer.protocol import Destination, Source

KINDS = ("sqlite", "mongodb")
NAMES = ("a", "b", "c")
SPACES = ("default", "other")

New = Callable[[str], Store]


@pytest.fixture
def new(tmp_path: Path, request: pytest.FixtureRequest, values_keys: tuple[str, ...]) -> New:
    """Makes a store of a kind, each time another."""
    numbers = count()

    def make(kind: str) -> Store:
        if kind == "sqlite":
            return SqliteStore(tmp_path / f"{next(numbers)}.db")
        return MongodbStore(request.getfixturevalue("new_mongodb")(), keys=values_keys)

    return make


@pytest.fixture(params=KINDS)
def source(request: pytest.FixtureRequest, new: New) -> Store:
    return new(request.param)


@pytest.fixture(params=KINDS)
def destination(request: pytest.FixtureRequest, new: New) -> Store:
    return new(request.param)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of two items, so that a few of them are many parts."""
    for module in ("engine.store.transfer.parts", "engine.store.mongodb.transfer", "engine.store.mongodb.contents"):
        monkeypatch.setattr(f"{module}.COUNT", 2)


def spec(name: str | None = "a", **fields: Any) -> PutSpec:
    named = {"name": name} if name is not None else {}
    return PutSpec(parse_spec({"kind": "print", **named, **fields}))


def value(name: str, data: Any, **fields: Any) -> PutValue:
    return PutValue(parse_value({"name": name, "data": data, **fields}))


async def do(source: Store, destination: Store, **options: Any) -> Copied:
    async with source.source() as reader, destination.destination() as writer:
        return await copy(reader, writer, **options)


# Any history


@dataclass
class History:
    """Writes to a store what hypothesis has thought up; `ids` are all that ever were."""

    store: Store
    ids: list[str] = field(default_factory=list)

    async def play(self, steps: list[tuple[Any, ...]]) -> None:
        for step in steps:
            with suppress(NotFoundError, ConflictError):
                outcomes = await self.store.apply(
                    [self._write(*each) for each in step[2]], author=step[0], message=step[1]
                )
                self.ids += [outcome.id for outcome in outcomes if outcome.id not in self.ids]

    def _write(self, what: str, name: str, space: str, number: int) -> Any:
        match what:
            case "put":
                return spec(name, x=number, namespace=space, labels={"n": str(number)})
            case "unnamed":
                return spec(None, x=number, namespace=space)
            case "rename" if self.ids:
                return spec(name, x=number, namespace=space, id=self.ids[number % len(self.ids)])
            case "delete":
                return DeleteSpec(namespace=space, name=name)
            case "value":
                return value(name, {"secret": number}, namespace=space)
            case "forget":
                return DeleteValue(namespace=space, name=name)
        return spec(name, namespace=space)


WRITES = st.tuples(
    st.sampled_from(["put", "put", "unnamed", "rename", "delete", "value", "forget"]),
    st.sampled_from(NAMES),
    st.sampled_from(SPACES),
    st.integers(0, 9),
)
STEPS = st.lists(
    st.tuples(st.sampled_from([None, "ada", "grace"]), st.sampled_from([None, "why"]), st.lists(WRITES, max_size=4)),
    max_size=12,
)


async def told(store: Store, ids: list[str]) -> dict[str, Any]:
    """All that a store answers about what it holds."""
    specs, values = await store.specs(), await store.values()
    return {
        "revision": specs.revision,
        "specs": (list(specs), [each.origin for each in specs]),
        "values": list(values),
        "labels": [each.id for each in await store.specs(Query(labels={"n": "3"}))],
        "history": {(space, known): await store.history(space, known) for space in SPACES for known in (*NAMES, *ids)},
    }


async def expected_as_before(one: Store, other: Store) -> None:
    """What is written on is judged in the same way: names, revisions that clients hold, and ids."""
    for found in await one.specs():
        with pytest.raises(ConflictError) as here:
            await one.apply([PutSpec(found.replace(document={**found.document, "y": 1}), expect=found.revision + 1)])
        with pytest.raises(ConflictError) as there:
            await other.apply([PutSpec(found.replace(document={**found.document, "y": 1}), expect=found.revision + 1)])
        assert str(here.value) == str(there.value)
        assert here.value.value.details == there.value.value.details
    results = [(await store.apply([spec("a", x=99, namespace="default")]))[0].revision for store in (one, other)]
    assert results[0] == results[1]


@pytest.mark.parametrize("from_kind", KINDS)
@pytest.mark.parametrize("to_kind", KINDS)
def test_any_history_is_the_same_in_the_copy(new: New, from_kind: str, to_kind: str) -> None:
    @settings(
        max_examples=25 if from_kind == to_kind == "sqlite" else 6,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(steps=STEPS)
    def try_one(steps: list[tuple[Any, ...]]) -> None:
        asyncio.run(one_copy(steps))

    async def one_copy(steps: list[tuple[Any, ...]]) -> None:
        source, destination = new(from_kind), new(to_kind)
        async with source:
            history = History(source)
            await history.play(steps)
            before = await told(source, history.ids)
            copied = await do(source, destination)
            async with destination:
                assert await told(destination, history.ids) == before
                assert await told(source, history.ids) == before
                assert (copied.specs, copied.values) == (len(before["specs"][0]), len(before["values"]))
                await expected_as_before(source, destination)
            async with destination.inspection() as inspection:
                assert (await check(inspection)).findings == ()

    try_one()


# What is copied


async def test_who_when_and_why_and_the_way_back(source: Store, destination: Store) -> None:
    async with source:
        for number in range(3):
            await source.apply([spec("a", x=number), spec("b", x=number)], author="ada", message=f"round {number}")
        await source.apply([DeleteSpec(namespace="default", name="b")], author="grace")
        expected = await source.history("default", "b")
        copied = await do(source, destination)
    assert (copied.revision, copied.specs, copied.changes) == (7, 1, 7)
    async with destination:
        entries = await destination.history("default", "b")
        assert entries == expected
        assert [(entry.author, entry.message) for entry in entries][:2] == [("grace", None), ("ada", "round 2")]
        assert choose(entries, label="b").revision == 6
        assert [entry.origin for entry in entries] == [entry.origin for entry in expected]


async def test_only_some_namespaces(source: Store, destination: Store) -> None:
    async with source:
        await source.apply([spec("a"), spec("a", namespace="other"), value("v", 1), value("w", 2, namespace="other")])
        copied = await do(source, destination, namespaces=frozenset({"other"}))
    assert (copied.revision, copied.specs, copied.values, copied.changes) == (4, 1, 1, 1)
    async with destination:
        assert [(each.namespace, each.revision) for each in await destination.specs()] == [("other", 2)]
        assert [each.name for each in await destination.values()] == ["w"]
        assert await destination.history("default", "a") == []


async def test_many_parts_and_large_ones(
    source: Store, destination: Store, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LENGTH", 1000)
    async with source:
        await source.apply([spec(f"s{number}", text="x" * (number * 100)) for number in range(11)])
        steps: list[Progress] = []
        copied = await do(source, destination, tell=steps.append)
    assert (copied.specs, copied.changes) == (11, 11)
    assert [step.done for step in steps if step.step == "history"][-1] == 11
    assert {step.total for step in steps if step.step != "verify"} == {11}
    assert len(steps) > 15


async def test_values_change_their_keys(source: Store, destination: Store) -> None:
    async with source:
        await source.apply([value("v", {"password": "hunter2"}), value("w", None)])
        await do(source, destination)
    async with destination:
        assert [(each.name, each.data) for each in await destination.values()] == [
            ("v", {"password": "hunter2"}),
            ("w", None),
        ]
        [same] = await destination.apply([value("v", {"password": "hunter2"})])
        assert (same.action, same.revision) == ("unchanged", 1)


async def test_an_empty_store_can_be_copied(source: Store, destination: Store) -> None:
    async with source:
        assert (await do(source, destination)).revision == 0
    async with destination:
        assert list(await destination.specs()) == []


async def test_whoever_watched_the_empty_store_lists_again(source: Store, new: New) -> None:
    destination = new("sqlite")
    async with source, destination:
        await source.apply([spec("a")])
        async with destination.watch() as watch:
            await do(source, destination)
            async with asyncio.timeout(20):
                assert isinstance(await anext(watch), Resync)
            assert [each.name for each in await destination.specs()] == ["a"]


async def test_a_watch_goes_on_after_the_copy(source: Store, destination: Store) -> None:
    async with source:
        await source.apply([spec(f"s{number}") for number in range(3)])
        await do(source, destination)
    async with destination, destination.watch() as watch:
        await destination.apply([spec("new")])
        async with asyncio.timeout(20):
            batch = await anext(watch)
        assert isinstance(batch, Batch)
        assert (batch.revision, [change.name for change in batch.changes]) == (4, ["new"])


# What is refused


async def test_a_destination_that_holds_something(source: Store, destination: Store) -> None:
    async with source, destination:
        await source.apply([spec("a")])
        await destination.apply([spec("b"), value("v", 1)])
        with pytest.raises(ConflictError, match="is not empty: it holds 1 spec, 1 value, 1 revision"):
            await do(source, destination)
        await destination.apply([DeleteSpec(namespace="default", name="b"), DeleteValue(namespace="default", name="v")])
        with pytest.raises(ConflictError, match="is not empty: it holds 2 revisions"):
            await do(source, destination)
        assert list(await destination.specs()) == []


async def test_a_destination_that_has_only_counted(source: Store, destination: Store) -> None:
    async with source, destination:
        await destination.apply([value("v", 1)])
        await destination.apply([DeleteValue(namespace="default", name="v")])
        with pytest.raises(ConflictError, match="has held something, and counts from revision 2"):
            await do(source, destination)


async def test_a_destination_on_which_a_daemon_runs(source: Store, destination: Store) -> None:
    async with source, destination:
        now = await destination.now()
        await destination.put_instance(Instance("i", "host-1", 42, "default", now, now))
        with pytest.raises(ConflictError, match=r"a daemon runs on .*: process 42 on host-1"):
            await do(source, destination)
        await destination.remove_instance("i")
        await do(source, destination)


async def test_a_store_into_itself(source: Store) -> None:
    async with source:
        await source.apply([spec("a")])
        with pytest.raises(ConflictError, match="is the store that is to be copied"):
            await do(source, source)
        assert [each.name for each in await source.specs()] == ["a"]


async def test_a_trial_that_runs(source: Store, destination: Store) -> None:
    async with source:
        [_, other] = [await source.apply([spec("a")]), await source.apply([spec("b", namespace="other")])]
        assert other.trial is None
        applied = await source.apply([spec("a", x=1)], trial=timedelta(hours=1))
        assert applied.trial is not None
        with pytest.raises(ConflictError, match="a copy would have it twice") as caught:
            await do(source, destination)
        assert applied.trial.id in (caught.value.hint or "")
        assert (await do(source, destination, namespaces=frozenset({"other"}))).specs == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_source_that_is_not_there(new: New, kind: str, destination: Store) -> None:
    with pytest.raises(UnavailableError, match="there is no store"):
        await do(new(kind), destination)
    if isinstance(destination, SqliteStore):
        assert not destination._path.exists()


async def test_namespaces_with_nothing_in_them(source: Store, destination: Store) -> None:
    async with source:
        await source.apply([spec("a")])
        with pytest.raises(NotFoundError, match="there is nothing in prod of"):
            await do(source, destination, namespaces=frozenset({"prod"}))


async def test_memory_is_neither_copied_nor_checked(source: Store) -> None:
    for refused in (MemoryStore().source, MemoryStore().destination, MemoryStore().inspection):
        with pytest.raises(InvalidError, match="nothing of it outlives its process"):
            refused()


# What happens meanwhile


class Meddling(Source):
    """A source that calls somebody after each part."""

    def __init__(self, inner: Source, *, in_history: Callable[[], Any], in_documents: Callable[[], Any]) -> None:
        self._inner = inner
        self._in_history = in_history
        self._in_documents = in_documents

    @property
    def url(self) -> str:
        return self._inner.url

    @property
    def revision(self) -> int:
        return self._inner.revision

    async def begin(self, namespaces: frozenset[str] | None) -> Any:
        return await self._inner.begin(namespaces)

    async def changes(self) -> AsyncIterator[Any]:
        async with aclosing(self._inner.changes()) as found:
            async for part in found:
                yield part
                await self._in_history()

    async def records(self) -> AsyncIterator[Any]:
        async with aclosing(self._inner.records()) as found:
            async for part in found:
                yield part
                await self._in_documents()


async def test_a_source_that_is_written_to_is_copied_as_of_one_moment(
    source: Store, destination: Store, small_parts: None
) -> None:
    """Two specs always change together, so each copy in which they differ would be torn."""
    rounds = count(1)

    async def write() -> None:
        number = next(rounds)
        await source.apply([spec("left", x=number), spec("right", x=number), value("sum", number)])
        await source.apply([spec(f"new-{number}"), *([DeleteSpec(namespace="default", name="old")] * (number == 1))])

    early = count()

    async def write_early() -> None:
        if next(early) < 5:  # a history that grew for as long as it is read would have no end
            await write()

    async with source:
        await source.apply([spec("left", x=0), spec("right", x=0), value("sum", 0), spec("old")])
        async with source.source() as reader, destination.destination() as writer:
            copied = await copy(Meddling(reader, in_history=write_early, in_documents=write), writer)
        async with destination:
            specs = await destination.specs()
            fields = {each.name: each.fields.get("x") for each in specs}
            assert fields["left"] == fields["right"] == (await destination.values())[0].data
            assert specs.revision == copied.revision < (await source.specs()).revision
            for each in specs:
                newest = (await destination.history("default", str(each.name)))[0]
                assert newest.revision == each.revision <= copied.revision
        async with destination.inspection() as inspection:
            assert (await check(inspection)).findings == ()


class Failing(Destination):
    """A destination that fails after some parts, in the way that it is told."""

    def __init__(self, inner: Destination, *, after: int, error: BaseException) -> None:
        self._inner = inner
        self._left = after
        self._error = error

    def __getattribute__(self, name: str) -> Any:
        if name in ("begin", "changes", "records", "finish", "url"):
            return getattr(object.__getattribute__(self, "_inner"), name)
        return object.__getattribute__(self, name)

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise self._error

    async def add_changes(self, changes: Any) -> None:
        self._step()
        await self._inner.add_changes(changes)

    async def add_records(self, records: Any) -> None:
        self._step()
        await self._inner.add_records(records)


@pytest.mark.parametrize("after", [0, 1, 3, 5])
async def test_an_interrupted_copy_is_no_store_and_the_next_one_begins_anew(
    source: Store, destination: Store, small_parts: None, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.mongodb.mark.LEASE", 0)
    async with source:
        await source.apply(
            [*(spec(f"s{number}") for number in range(5)), *(value(f"v{number}", 1) for number in range(4))]
        )
        with pytest.raises(UnavailableError, match="the network"):
            async with source.source() as reader, destination.destination() as writer:
                await copy(reader, Failing(writer, after=after, error=UnavailableError("the network is gone")))
        if isinstance(destination, MongodbStore):
            with pytest.raises(UnavailableError, match=r"is only a part of .*: the copy was interrupted"):
                await destination.open()
            async with destination.inspection() as inspection:
                checked = await check(inspection)
            assert [finding.code for finding in checked.findings] == ["half-a-copy"]
        else:
            async with destination:
                assert list(await destination.specs()) == []
        await source.apply([DeleteSpec(namespace="default", name="s3")])
        copied = await do(source, destination)
        assert (copied.revision, copied.specs, copied.values, copied.changes) == (10, 4, 4, 6)
    async with destination:
        assert [each.name for each in await destination.specs()] == ["s0", "s1", "s2", "s4"]
    async with destination.inspection() as inspection:
        assert (await check(inspection)).findings == ()


async def test_a_copy_that_is_cancelled(source: Store, destination: Store, small_parts: None) -> None:
    async with source:
        await source.apply([spec(f"s{number}") for number in range(9)])
        begun = asyncio.Event()

        async def wait() -> None:
            begun.set()
            await asyncio.Event().wait()

        async def run() -> None:
            async with source.source() as reader, destination.destination() as writer:
                await copy(Meddling(reader, in_history=wait, in_documents=wait), writer)

        task = asyncio.create_task(run())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    if isinstance(destination, MongodbStore):
        with pytest.raises(UnavailableError, match="the copy was interrupted"):
            await destination.open()
        return
    async with destination:
        assert list(await destination.specs()) == []


async def test_what_does_not_arrive_is_noticed(source: Store, destination: Store) -> None:
    class Forgetful(Failing):
        async def add_records(self, records: Any) -> None:
            await self._inner.add_records(records[1:])

    async with source:
        await source.apply([spec("a"), spec("b")])
        with pytest.raises(UnavailableError, match="does not hold what was written to it: 1 spec"):
            async with source.source() as reader, destination.destination() as writer:
                await copy(reader, Forgetful(writer, after=9, error=AssertionError()))


async def test_what_arrives_otherwise_is_noticed(source: Store, destination: Store) -> None:
    class Clumsy(Failing):
        async def add_changes(self, changes: Any) -> None:
            from dataclasses import replace

            await self._inner.add_changes([replace(changes[0], author="nobody"), *changes[1:]])

    async with source:
        await source.apply([spec("a"), spec("b")], author="ada")
        with pytest.raises(UnavailableError, match="or others of the same number"):
            async with source.source() as reader, destination.destination() as writer:
                await copy(reader, Clumsy(writer, after=9, error=AssertionError()))
