"""Values on their way from a store to the nodes that take from them: what is reloaded, and what is said when one is sealed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.flow import OneToOne
from engine.graph.scheme import Codec, Scheme
from engine.runtime import Runtime, Services
from engine.spec.model import parse_spec, parse_value
from engine.spec.schema import NodeSpec
from engine.store.protocol import DeleteValue, PutSpec, PutValue
from engine.store.sqlite import SqliteStore
from engine.store.vault.key import Key

ONE, TWO = Key(b"1" * 32), Key(b"2" * 32)


class RecordSpec(NodeSpec):
    tag: str = ""
    other: str = ""


class World:
    """A runtime on a SQLite store, with one kind that writes down what is loaded."""

    def __init__(self, folder: Path) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.loaded: list[str] = []
        self.folder = folder
        self.store = self.store_with("one", "two")
        world = self

        class Record(OneToOne):
            def __init__(self, spec: RecordSpec, ctx: Any) -> None:
                super().__init__()
                self.tag = spec.tag
                self.ctx = ctx

            async def load(self) -> None:
                world.loaded.append(self.ctx.site.label)

            def action(self, payload: Any, process: Any) -> Any:
                return self.tag

        languages: Any = None
        codec = Codec(kind="record", spec=RecordSpec, compile=Record)
        self.runtime = Runtime("default", Services(scheme=Scheme.of([codec]), languages=languages, log=self))

    def store_with(self, *keys: str) -> SqliteStore:
        return SqliteStore(self.folder / "store.db", keys=[f"file:{self.folder / key}" for key in keys])

    def debug(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    info = warning = error = debug

    async def put(self, name: str, data: Any, *, store: SqliteStore | None = None) -> None:
        await (store or self.store).apply([PutValue(parse_value({"name": name, "data": data}))])

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.001)

    def tag(self, name: str) -> str | None:
        entry = self.runtime.table.find(name)
        return entry.running.node.tag if entry is not None and entry.running is not None else None

    def status(self, name: str) -> tuple[str, str]:
        entry = self.runtime.table.find(name)
        assert entry is not None
        assert entry.status is not None
        return entry.status.state, entry.status.reason


@pytest.fixture
async def world(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.loader.RETRY", (0.01, 0.01))
    monkeypatch.setattr("engine.loader.LOOK", 0.01)
    for name, key in (("one", ONE), ("two", TWO)):
        (tmp_path / name).write_text(key.text())
    world = World(tmp_path)
    async with world.store:
        yield world
        await world.runtime.close()


def takes(name: str, value: str, data: str = "{{ . }}", **fields: Any) -> PutSpec:
    """A spec whose tag comes from a value."""
    env = {"V": {"name": value, "data": data}}
    return PutSpec(parse_spec({"kind": "record", "name": name, "env": env, "tag": "{{ .V }}", **fields}))


async def test_a_change_of_a_value_reloads_exactly_the_nodes_that_use_it(world):
    await world.put("v", {"a": "a1", "b": "b1"})
    await world.put("w", "w1")
    by_id = (await world.store.values())[0].id
    uses = parse_spec(
        {"kind": "record", "name": "by-id", "env": {"V": {"id": by_id, "data": "{{ .b }}"}}, "tag": "{{ .V }}"}
    )
    await world.store.apply(
        [
            takes("a", "v", "{{ .a }}"),
            takes("b", "v", "{{ .b }}"),
            takes("leads", "v", "{{ .b }}", ports={"out": [{"name": "a"}]}),
            takes("other", "w"),
            PutSpec(uses),
            PutSpec(parse_spec({"kind": "record", "name": "none", "tag": "x", "ports": {"out": [{"name": "b"}]}})),
        ]
    )
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    assert world.tag("b") == "b1"
    world.loaded.clear()
    await world.put("v", {"a": "a1", "b": "b2"})
    await world.until(lambda: world.tag("b") == "b2")
    # `a` takes from it what has not changed.
    assert sorted(world.loaded) == ["record/b", "record/by-id", "record/leads"]
    world.loaded.clear()
    await world.put("v", {"b": "b2", "a": "a1"})  # says the same
    await world.put("w", "w2")
    await world.until(lambda: world.tag("other") == "w2")
    assert world.loaded == ["record/other"]


async def test_a_rotation_reloads_nothing(world):
    await world.put("v", "v1")
    await world.store.apply([takes("a", "v")])
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    generation = world.runtime.table.current.number
    async with world.store_with("two", "one") as other:
        assert (await other.rotate()).sealed == 1
        await world.put("marker", 1, store=other)
    await world.until(lambda: loader.revision == 3)
    assert world.loaded == ["record/a"]
    assert world.runtime.table.current.number == generation
    [found] = [each for each in await world.store.values() if each.name == "v"]
    assert (found.data, found.revision) == ("v1", 1)


async def test_what_takes_from_a_value_that_cannot_be_opened_waits_and_says_why(world):
    (world.folder / "two").unlink()
    (world.folder / "three").write_text(TWO.text())
    async with world.store_with("three", "one") as other:
        await world.put("v", "secret-1", store=other)
        await other.apply([takes("a", "v"), takes("b", "w")])
        await world.put("w", "w1")
        loader = world.runtime.start(world.store)
        await loader.ready.wait()
        state, reason = world.status("a")
        assert state == "pending"
        assert f"value 'v' in namespace 'default' cannot be opened: it is sealed with the key {TWO.id}" in reason
        assert world.tag("b") == "w1"
        # A newer revision that cannot be opened leaves the one that works.
        await world.put("w", "w2", store=other)
        await world.until(lambda: world.status("b")[0] == "pending")
        assert world.tag("b") == "w1"
    assert all("secret-1" not in str(event) for event in world.events)
    # The key comes: nobody needs to write anything.
    (world.folder / "three").rename(world.folder / "two")
    await world.until(lambda: world.tag("a") == "secret-1")
    await world.until(lambda: world.tag("b") == "w2")
    assert world.status("a") == world.status("b") == ("active", "")
    told = [fields["diagnostic"] for event, fields in world.events if event == "spec.unreadable"]
    assert len(told) == len(set(told))


async def test_a_change_that_cannot_be_opened_is_told_at_once_and_leaves_what_runs(world, monkeypatch):
    monkeypatch.setattr("engine.loader.RETRY", (3600.0, 3600.0))
    await world.put("v", "v1")
    await world.store.apply([takes("a", "v")])
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    (world.folder / "three").write_text(Key(b"3" * 32).text())
    async with world.store_with("three") as other:
        await world.put("v", "v2", store=other)
        await world.until(lambda: world.status("a")[0] == "pending")
    assert "cannot be opened" in world.status("a")[1]
    assert world.tag("a") == "v1"
    await world.put("v", "v3")
    await world.until(lambda: world.tag("a") == "v3")


async def test_a_value_that_could_be_opened_when_it_came_stays_what_it_was(world):
    await world.put("v", "v1")
    await world.store.apply([takes("a", "v")])
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    (world.folder / "three").write_text(Key(b"3" * 32).text())
    async with world.store_with("three", "one") as other:
        await other.rotate()
    await loader._list()
    assert (world.tag("a"), world.status("a")[0]) == ("v1", "active")


async def test_a_value_that_cannot_be_opened_can_go(world):
    (world.folder / "three").write_text(Key(b"3" * 32).text())
    async with world.store_with("three") as other:
        await world.put("v", "v1", store=other)
        await other.apply([takes("a", "v")])
    loader = world.runtime.start(world.store)
    await loader.ready.wait()
    await world.store.apply([DeleteValue(namespace="default", name="v")])
    await world.until(lambda: world.status("a")[1] == "env 'V': no value named 'v'")
