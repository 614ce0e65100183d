"""From a store to a table: what comes, what goes, what cannot be loaded, and what breaks meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from engine.errors import Diagnostic, DiagnosticsError, UnavailableError, WeirError
from engine.flow import OneToOne
from engine.graph import reconcile as reconcile_module
from engine.graph.intake import Changes
from engine.graph.scheme import Codec, Scheme
from engine.runtime import Runtime, Services
from engine.spec.model import Spec, parse_spec
from engine.spec.schema import NodeSpec
from engine.store.change import Change
from engine.store.memory import MemoryStore
from engine.store.protocol import DeleteSpec, PutSpec
from engine.store.watch import Watch


class RecordSpec(NodeSpec):
    tag: str = ""


class World:
    """A runtime on a store in memory, with one kind that can be told to fail."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.broken: dict[str, BaseException] = {}
        self.store = MemoryStore()
        world = self

        class Record(OneToOne):
            def __init__(self, spec: RecordSpec, _ctx: Any) -> None:
                super().__init__()
                self.tag = spec.tag

            @property
            def claim(self) -> tuple[str, ...] | None:
                return ("port", self.tag) if self.tag.startswith("port") else None

            async def load(self) -> None:
                if self.tag in world.broken:
                    raise world.broken[self.tag]

            def action(self, payload: Any, process: Any) -> Any:
                return self.tag

        codec = Codec(kind="record", spec=RecordSpec, compile=Record)
        languages: Any = None
        services = Services(scheme=Scheme.of([codec]), languages=languages, log=self)
        self.runtime = Runtime("default", services)

    def debug(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    info = warning = error = debug

    async def put(self, **document: Any) -> Any:
        [outcome] = await self.store.apply([PutSpec(spec(**document))])
        return outcome

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0)

    def tag(self, name: str) -> str | None:
        entry = self.runtime.table.find(name)
        return entry.running.node.tag if entry is not None and entry.running is not None else None

    def state(self, name: str) -> str | None:
        entry = self.runtime.table.find(name)
        return entry.status.state if entry is not None and entry.status is not None else None

    def said(self, event: str) -> int:
        return sum(each == event for each, _ in self.events)


def spec(**document: Any) -> Spec:
    return parse_spec({"kind": "record", **document})


@pytest.fixture
async def world():
    world = World()
    async with world.store:
        yield world
        await world.runtime.close()


async def test_what_is_stored_comes_and_what_is_deleted_goes(world):
    outcome = await world.put(name="a", tag="one")
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    assert world.tag("a") == "one"
    await world.put(name="a", tag="two")
    await world.until(lambda: world.tag("a") == "two")
    await world.store.apply([DeleteSpec(id=outcome.id)])
    await world.until(lambda: world.runtime.table.find("a") is None)


async def test_a_builtin_spec_goes_on_until_what_replaces_it_can_run(world):
    loader = world.runtime.start(world.store, builtin=[spec(name="a", tag="builtin")])
    await loader.ready.wait()
    assert world.tag("a") == "builtin"
    outcome = await world.put(name="a", tag="own", ports={"out": [{"name": "missing"}]})
    await world.until(lambda: world.state("a") == "pending")
    assert world.tag("a") == "builtin"
    await world.put(name="missing", tag="x")
    await world.until(lambda: world.tag("a") == "own")
    await world.store.apply([DeleteSpec(id=outcome.id)])
    await world.until(lambda: world.tag("a") == "builtin")
    assert world.state("a") == "active"


async def test_what_could_not_be_loaded_is_tried_again_also_while_others_change(world, monkeypatch):
    monkeypatch.setattr("engine.loader.RETRY", (0.02, 0.02))
    world.broken["bad"] = WeirError("the port is in use")
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    await world.put(name="a", tag="bad")
    await world.until(lambda: world.state("a") == "failed")
    del world.broken["bad"]
    count = 0
    async with asyncio.timeout(20):
        while world.tag("a") != "bad":
            count += 1
            await world.put(name="b", tag=str(count))
            await asyncio.sleep(0)
    assert world.said("spec.failed") == 1


async def test_nothing_is_lost_when_a_reload_breaks(world, monkeypatch):
    await world.put(name="old", tag="x")
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    monkeypatch.setattr("engine.loader.BACKOFF", (0.001, 0.001))
    real = reconcile_module.choose
    broke = []

    def choose(table: Any, region: Any) -> Any:
        if not broke:
            broke.append(region)
            raise RuntimeError("a bug")
        return real(table, region)

    monkeypatch.setattr(reconcile_module, "choose", choose)
    await world.store.apply([PutSpec(spec(name="new", tag="y")), DeleteSpec(namespace="default", name="old")])
    await world.until(lambda: world.tag("new") == "y" and world.runtime.table.find("old") is None)
    assert broke
    assert world.said("loader.broke") == 1


async def test_a_cancellation_out_of_a_node_is_its_failure_and_nobody_elses(world):
    world.broken["odd"] = asyncio.CancelledError()
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    await world.put(name="a", tag="odd")
    await world.until(lambda: world.state("a") == "failed")
    await world.put(name="b", tag="fine")
    await world.until(lambda: world.tag("b") == "fine")


async def test_a_burst_is_one_plan(world):
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    await world.store.apply([PutSpec(spec(name=f"n{i}", tag="x")) for i in range(50)])
    await world.until(lambda: world.tag("n49") == "x")
    assert world.said("generation.published") == 1


async def test_a_revision_that_works_is_not_skipped_for_one_that_does_not(world):
    await world.put(name="a", tag="one")
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    world.broken["bad"] = WeirError("the port is in use")
    # Both come in one burst.
    await world.put(name="a", tag="two")
    await world.put(name="a", tag="bad")
    await world.until(lambda: world.state("a") == "failed")
    assert world.tag("a") == "two"


async def test_a_spec_that_takes_over_and_is_broken_at_once_runs_as_it_took_over(world):
    before = await world.put(name="before", tag="one")
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    world.broken["bad"] = WeirError("the port is in use")
    # Both come in one burst.
    await world.store.apply([DeleteSpec(id=before.id), PutSpec(spec(name="after", tag="two"))])
    await world.put(name="after", tag="bad")
    await world.until(lambda: world.state("after") == "failed")
    assert world.tag("after") == "two"


async def test_what_is_deleted_and_made_again_in_one_burst_is_never_gone(world):
    outcome = await world.put(name="a", tag="one")
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    published = world.said("generation.published")
    await world.store.apply([DeleteSpec(id=outcome.id)])
    await world.put(id=outcome.id, name="a", tag="two")
    await world.until(lambda: world.tag("a") == "two")
    assert world.said("generation.published") == published + 1


async def test_a_revision_that_works_is_not_skipped_for_a_successor_that_does_not(world):
    outcome = await world.put(name="a", tag="one")
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    world.broken["bad"] = WeirError("the port is in use")
    # Both come in one burst; the second is another spec of the same name.
    await world.put(name="a", tag="two")
    await world.store.apply([DeleteSpec(id=outcome.id), PutSpec(spec(name="a", tag="bad"))])
    await world.until(lambda: world.state("a") == "failed")
    assert world.tag("a") == "two"


async def test_a_forecast_does_not_fail_for_what_the_store_has_taken_away_already(world):
    old = await world.put(name="old", tag="port 1")
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    _, new = await world.store.apply([DeleteSpec(id=old.id), PutSpec(spec(name="new", tag="port 1"))])
    assert world.tag("old") == "port 1"  # the table has not heard of it yet
    [effect] = await loader.forecast(Changes(specs=[new.spec.replace(annotations={"a": "b"}, revision=99)]))
    assert (effect.spec.name, effect.state) == ("new", "active")
    await world.until(lambda: world.tag("new") == "port 1")  # and so it comes


async def test_a_forecast_fails_for_what_is_there_and_stays(world):
    await world.put(name="old", tag="port 1")
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    [effect] = await loader.forecast(Changes(specs=[spec(id=str(uuid4()), name="new", tag="port 1", revision=99)]))
    assert (effect.state, effect.reason) == ("failed", "port port 1 belongs to record/old")


# --- how old the view is


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        for module in ("loader", "store.watch"):
            monkeypatch.setattr(f"engine.{module}.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Telling:
    """A store whose watch can be cut, and says when it was last heard of."""

    def __init__(self, store: MemoryStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self.silent_since: float | None = None
        self.watched: Watch | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def watch(self, namespaces: frozenset[str] | None = None) -> Watch:
        inner = self._store.watch(namespaces)

        def heard() -> float:
            return self._clock.now if self.silent_since is None else self.silent_since

        self.watched = Watch(namespaces, subscribe=inner._subscribe, unsubscribe=inner._unsubscribe, heard=heard)
        return self.watched


@pytest.fixture
async def told(world: World, clock: Clock) -> tuple[Telling, Any]:
    store = Telling(world.store, clock)
    loader = world.runtime.start(store)
    await loader.ready.wait()
    return store, loader


async def test_a_view_is_fresh_while_the_store_says_that_nothing_changes(told, clock):
    _, loader = told
    clock.now += 3600
    assert (loader.lost, loader.age) == (None, 0.0)


async def test_the_age_of_a_view_counts_from_when_the_store_was_last_heard_of(told, clock):
    store, loader = told
    clock.now += 3600
    store.silent_since = clock.now
    clock.now += 2
    store.watched.lost = UnavailableError("it is away")
    assert (loader.lost, loader.age) == ("it is away", 2.0)
    clock.now += 5
    assert loader.age == 7.0
    store.watched.end()
    await asyncio.sleep(0)
    assert loader.age == 7.0, "also when the watch has ended"


async def test_a_store_that_says_nothing_counts_as_lost_though_nothing_failed(told, clock):
    store, loader = told
    store.silent_since = clock.now
    clock.now += 15
    assert (loader.lost, loader.age) == (None, 0.0)
    clock.now += 1
    assert loader.lost == "the store has said nothing for more than 15s"
    assert loader.age == 16.0
    store.silent_since = None
    assert (loader.lost, loader.age) == (None, 0.0)


async def test_what_cannot_be_read_is_known_until_it_is_written_again(world, monkeypatch):
    outcome = await world.put(name="a", tag="one")
    await world.put(name="b", tag="one")
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    real = Change.subject

    def subject(self: Change) -> Any:
        if self.document is not None and "strange" in str(self.document):
            raise DiagnosticsError([Diagnostic("strange", "what is this?")])
        return real(self)

    monkeypatch.setattr(Change, "subject", subject)
    strange = await world.put(name="a", tag="strange")
    await world.until(lambda: loader.unreadable)
    assert (loader.unreadable, world.tag("a")) == ({outcome.id: strange.revision}, "one")
    await world.put(name="b", tag="two")
    await world.until(lambda: world.tag("b") == "two")
    assert loader.unreadable == {outcome.id: strange.revision}
    await world.put(name="a", tag="three")
    await world.until(lambda: world.tag("a") == "three")
    assert loader.unreadable == {}


def lines(world, event):
    return [fields for name, fields in world.events if name == event]


async def test_a_store_that_is_away_is_told_of_once_though_nothing_is_missed(world, monkeypatch):
    monkeypatch.setattr("engine.loader.LOOK", 0.001)
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    watch = loader._watch
    for turn in range(1, 3):
        watch.lost = UnavailableError("the network is cut")
        await world.until(lambda: world.said("store.lost") == turn)
        assert loader.lost == "the network is cut"
        for _ in range(100):
            await asyncio.sleep(0)
        watch.lost = None
        await world.until(lambda: world.said("store.found") == turn)
        assert (loader.lost, loader.age) == (None, 0.0)
    assert lines(world, "store.lost") == [{"namespace": "default", "reason": "the network is cut"}] * 2
    assert all(found["namespace"] == "default" and found["after"] > 0 for found in lines(world, "store.found"))


async def test_changes_missed_are_told_of_with_the_reason(world):
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    loader._watch.resync("the oplog is too short")
    await world.until(lambda: world.said("store.found"))
    assert lines(world, "store.resync") == [{"namespace": "default", "reason": "the oplog is too short"}]
    assert world.said("store.lost") == 1


async def test_the_log_tells_what_was_heard_and_which_revision_is_live(world):
    await world.put(name="a", tag="one")
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    await world.store.apply([PutSpec(spec(name=name, tag="x")) for name in ("b", "c")])
    await world.store.apply([PutSpec(spec(name="d", tag="x", namespace="other"))])
    await world.put(name="a", tag="two")
    await world.until(lambda: world.tag("a") == "two")
    heard = [(each["first"], each["last"], each["revision"]) for each in lines(world, "changes.heard")]
    assert heard == [(2, 3, 3), (5, 5, 5)]
    revisions = [each["revision"] for each in lines(world, "generation.published")]
    assert (revisions[0], revisions[-1]) == (1, 5)
    assert loader.revision == 5
