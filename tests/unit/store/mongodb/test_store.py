from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from engine.errors import InvalidError, NotFoundError, UnavailableError
from engine.spec.model import parse_spec, parse_value
from engine.spec.origin import Origin
from engine.store.change import Batch, Resync, Retention
from engine.store.mongodb import MongodbStore, connection, feed, records
from engine.store.mongodb import store as store_module
from engine.store.protocol import DeleteSpec, Instance, PutSpec, PutValue, Query, Watch
from engine.store.url import open_store


@pytest.fixture(autouse=True)
def quick_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BACKOFF", (0.005, 0.02))


@pytest.fixture
async def store(mongodb_url: str, values_keys: tuple[str, ...]) -> AsyncIterator[MongodbStore]:
    async with MongodbStore(mongodb_url, keys=values_keys) as opened:
        yield opened


@pytest.fixture
async def raw(mongodb_url: str) -> AsyncIterator[Any]:
    """The database beneath the store."""
    async with AsyncMongoClient(mongodb_url) as client:
        yield client.get_default_database()


async def take(watch: Watch) -> Batch | Resync:
    async with asyncio.timeout(20):
        return await anext(watch)


# Several at work


async def test_writers_of_several_processes_take_turns(mongodb_url, spec):
    async with MongodbStore(mongodb_url) as reader, reader.watch() as watch:
        stores = [MongodbStore(mongodb_url) for _ in range(4)]

        async def write(writer: int, target: MongodbStore) -> None:
            async with target:
                for turn in range(8):
                    await target.apply(
                        [PutSpec(spec("shared", by=writer, turn=turn)), PutSpec(spec(f"w{writer}-{turn}"))]
                    )

        await asyncio.gather(*(write(writer, target) for writer, target in enumerate(stores)))
        revision = 0
        while revision < 4 * 8 * 2:
            batch = await take(watch)
            assert isinstance(batch, Batch)
            assert [change.revision for change in batch.changes] == [revision + 1, revision + 2]
            assert batch.changes[0].name == "shared"
            revision = batch.revision
        page = await reader.specs()
        assert (len(page), page.revision) == (1 + 4 * 8, 64)
        assert len(await reader.history("default", "shared")) == 32


async def test_stores_that_are_opened_at_once_make_one_database(mongodb_url, spec):
    stores = [MongodbStore(mongodb_url) for _ in range(5)]
    await asyncio.gather(*(each.open() for each in stores))
    outcomes = await asyncio.gather(*(each.apply([PutSpec(spec(f"n{i}"))]) for i, each in enumerate(stores)))
    assert sorted(outcome.revision for (outcome,) in outcomes) == [1, 2, 3, 4, 5]
    await asyncio.gather(*(each.close() for each in stores))


async def test_a_writer_waits_for_another_and_gives_up(store, raw, spec, monkeypatch):
    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    async with raw.client.start_session() as session:
        await session.start_transaction()
        await raw.state.update_one({"_id": "state"}, {"$inc": {"turn": 1}}, session=session)
        with pytest.raises(UnavailableError, match="written by others without a pause"):
            await store.apply([PutSpec(spec("a"))])
        assert await store.specs() == []
        monkeypatch.setattr(connection, "PATIENCE", 20)
        task = asyncio.ensure_future(store.apply([PutSpec(spec("a"))]))
        await store.specs()
        assert not task.done()
        await session.abort_transaction()
    async with asyncio.timeout(20):
        assert (await task)[0].revision == 1


# Cancelling and closing


async def test_an_apply_that_is_cancelled_before_its_turn_does_not_happen(store, spec):
    await store._turn.acquire()
    task = asyncio.ensure_future(store.apply([PutSpec(spec("a"))]))
    await store.specs()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    store._turn.release()
    assert await store.specs() == []


async def test_an_apply_that_is_cancelled_in_its_turn_happens_whole(store, spec, monkeypatch):
    begun, gate = asyncio.Event(), asyncio.Event()
    wanted = records.wanted

    async def slow(*arguments: Any) -> Any:
        begun.set()
        await gate.wait()
        return await wanted(*arguments)

    monkeypatch.setattr(records, "wanted", slow)
    task = asyncio.ensure_future(store.apply([PutSpec(spec("a")), PutSpec(spec("b"))]))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    assert (await store.apply([PutSpec(spec("c"))]))[0].revision == 3
    assert [found.name for found in await store.specs()] == ["a", "b", "c"]


async def test_closing_finishes_what_runs(mongodb_url, spec):
    store = MongodbStore(mongodb_url)
    await store.open()
    task = asyncio.ensure_future(store.apply([PutSpec(spec("a"))]))
    while not store._running:
        await asyncio.sleep(0)
    await store.close()
    assert (await task)[0].action == "created"


async def test_closing_gives_up_what_does_not_end(mongodb_url, spec, monkeypatch):
    monkeypatch.setattr(store_module, "CLOSING", 0.01)
    store = MongodbStore(mongodb_url)
    await store.open()
    monkeypatch.setattr(records, "wanted", lambda *_: asyncio.Event().wait())
    task = asyncio.ensure_future(store.apply([PutSpec(spec("a"))]))
    while not store._running:
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await store.close()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_nothing_is_left_after_close(mongodb_url, spec):
    for _ in range(3):
        async with MongodbStore(mongodb_url) as store:
            async with store.watch() as watch, store.watch():
                await store.apply([PutSpec(spec("a"))])
                assert watch.lost is None
            assert store._feed is None
            async with store.watch():
                await store.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_watch_that_is_cancelled_while_it_opens_leaves_nothing(store):
    for turns in range(0, 60, 3):
        task = asyncio.ensure_future(store.watch().__aenter__())
        for _ in range(turns):
            await asyncio.sleep(0)
        if task.cancel():
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            await (await task).__aexit__(None, None, None)
        async with asyncio.timeout(20):
            while store._running:
                await asyncio.sleep(0)
        assert (store._feed, store._watches) == (None, [])


# What cannot be


async def test_places_that_are_too_large(store):
    data = list(range(1_000))
    marks = (1, tuple(range(10**15, 10**15 + 1_000_000)))
    write = PutValue(parse_value({"name": "v", "data": data}, origin=Origin("flow.yaml", marks)))
    with pytest.raises(InvalidError, match="bytes with the places of its values; a store in MongoDB takes 15,728,640"):
        await store.apply([write])


async def test_the_largest_documents_are_told_whole(store):
    text = "x" * (4 * 1024 * 1024 - 200)
    async with store.watch() as watch:
        await store.apply([PutValue(parse_value({"name": f"v{n}", "data": text})) for n in range(5)])
        batch = await take(watch)
        assert isinstance(batch, Batch)
        assert [change.document and len(change.document["data"]) for change in batch.changes] == [len(text)] * 5
    assert len(await store.values()) == 5


async def test_thousands_of_specs_in_one_apply(store, spec):
    async with store.watch() as watch:
        await store.apply([PutSpec(spec(f"n{n:04}")) for n in range(2_500)])
        batch = await take(watch)
        assert isinstance(batch, Batch)
        assert [change.revision for change in batch.changes] == list(range(1, 2_501))
    assert len(await store.specs()) == 2_500
    page = await store.specs(Query(limit=1_200))
    page = await store.specs(Query(limit=1_200, after=page.after))
    assert (page[0].name, len(page)) == ("n1200", 1_200)
    await store.apply([DeleteSpec(namespace="default", name=f"n{n:04}") for n in range(2_500)])
    assert await store.specs() == []


@pytest.mark.parametrize("collection", ["documents", "state"])
async def test_a_database_of_another_program(mongodb_url, raw, collection):
    await raw[collection].insert_one({"_id": "state", "theirs": True})
    with pytest.raises(UnavailableError, match="a database of another program") as caught:
        await MongodbStore(mongodb_url).open()
    assert "the path of the URL" in (caught.value.hint or "")
    assert await raw.list_collection_names() == [collection]


async def test_a_database_of_a_newer_version(store, raw, mongodb_url):
    await raw.state.update_one({"_id": "state"}, {"$set": {"schema": 99}})
    with pytest.raises(UnavailableError, match="newer Weir: its schema is 99, this one knows up to 2"):
        await MongodbStore(mongodb_url).open()


async def test_what_others_write_into_the_changes_ends_no_watch(store, raw, spec):
    async with store.watch() as watch:
        await raw.changes.insert_one({"_id": 1, "strange": True})
        item = await take(watch)
        assert isinstance(item, Resync)
        assert "holds a change that cannot be read" in item.reason
        await raw.changes.delete_many({})
        await store.apply([PutSpec(spec("a"))])
        batch = await take(watch)
        assert isinstance(batch, Batch)
        assert (batch.revision, watch.lost) == (1, None)


async def test_changes_that_were_not_told_are_noticed(store, raw, spec):
    async with store.watch() as watch:
        await raw.state.update_one({"_id": "state"}, {"$set": {"revision": 7}})
        await store.apply([PutSpec(spec("a"))])
        item = await take(watch)
        assert item == Resync("changes 1 to 7 were not told")
        batch = await take(watch)
        assert isinstance(batch, Batch)
        assert batch.revision == 8


# What is kept


async def test_documents_are_kept_as_text(store, raw):
    document = {"name": "a", "kind": "print", "z": 1.0, "a": 1, "dotted.key": {"$set": None}, "labels": {"a.b/$c": "d"}}
    await store.apply([PutSpec(parse_spec(document))])
    row = await raw.documents.find_one({})
    assert row["document"] == (
        '{"name":"a","kind":"print","z":1.0,"a":1,"dotted.key":{"$set":null},"labels":{"a.b/$c":"d"}}'
    )
    assert (await store.specs(Query(labels={"a.b/$c": "d"})))[0].document == document


async def test_nothing_of_a_value_stays_in_the_changes(store, raw):
    async with store.watch() as watch:
        await store.apply([PutValue(parse_value({"name": "v", "data": "secret"})), PutSpec(parse_spec({"kind": "k"}))])
        batch = await take(watch)
        assert isinstance(batch, Batch)
        assert [change.resource for change in batch.changes] == ["value", "spec"]
    assert [row["resource"] async for row in raw.changes.find()] == ["spec"]


async def test_the_history_of_a_spec_that_is_made_again_is_counted_on(mongodb_url, raw, spec):
    async with MongodbStore(mongodb_url, retention=Retention(count=3)) as store:
        id = (await store.apply([PutSpec(spec("a", n=0))]))[0].id
        for n in range(1, 4):
            await store.apply([DeleteSpec(id=id)])
            await store.apply([PutSpec(spec("a", id=id, n=n))])
        assert [entry.revision for entry in await store.history("default", "a")] == [7, 6, 5]
        assert await raw.changes.count_documents({}) == 3
        assert await store.history("default", "a", limit=0) == []


async def test_a_trial_leaves_nothing_behind(store, raw, spec):
    await store.apply([PutSpec(spec("a", n=1))])
    for end in (store.confirm, store.revert):
        applied = await store.apply(
            [PutSpec(spec("a", n=2 if end == store.confirm else 3))], trial=timedelta(minutes=1)
        )
        assert applied.trial is not None
        assert await raw.trial_documents.count_documents({}) == 1
        await end(applied.trial.id)
        assert await raw.trials.count_documents({}) == await raw.trial_documents.count_documents({}) == 0
    with pytest.raises(NotFoundError):
        await store.confirm("nobody")


async def test_instances_of_long_ago_are_forgotten(mongodb_url, raw):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    async with MongodbStore(mongodb_url, clock=lambda: now) as store:
        await store.put_instance(Instance("old", "here", 1, "default", now, now))
        now += timedelta(days=1, seconds=1)
        await store.put_instance(Instance("new", "here", 1, "default", now, now))
        assert [row["_id"] async for row in raw.instances.find()] == ["new"]


async def test_the_time_is_the_servers(store, raw, spec):
    async def of_the_server():
        return (await raw.command("hello"))["localTime"].replace(tzinfo=UTC)

    first = await of_the_server()
    for id, off in (("slow", timedelta(hours=-1)), ("fast", timedelta(hours=1))):
        told = datetime.now(UTC) + off
        await store.put_instance(Instance(id, "here", 1, "default", told, told))
        await store.put_instance(Instance(id, "here", 1, "default", told, told))  # only the heartbeat
    applied = await store.apply([PutSpec(spec("a"))], trial=timedelta(minutes=1))
    now = await store.now()
    found = await store.instances()
    last = await of_the_server()
    [entry] = await store.history("default", "a")
    assert {each.id for each in found} == {"slow", "fast"}
    assert all(first <= each.heartbeat <= now <= each.read <= last for each in found)
    assert first <= applied.trial.made == entry.time <= now
    assert applied.trial.deadline == applied.trial.made + timedelta(minutes=1)


async def test_a_daemon_that_is_silent_ages_out_by_the_clock_of_the_server(store, raw):
    now = await store.now()
    await store.put_instance(Instance("i", "here", 1, "default", now, now))
    silent = int((now - timedelta(seconds=31)).timestamp()) * 1_000_000
    await raw.instances.update_one({}, {"$set": {"time": silent}})
    assert await store.instances() == []
    old = int((now - timedelta(days=2)).timestamp()) * 1_000_000
    await raw.instances.update_one({}, {"$set": {"time": old}})
    await store.put_instance(Instance("new", "here", 1, "default", now, now))
    assert [row["_id"] async for row in raw.instances.find()] == ["new"]


async def test_what_is_too_old_to_keep_is_told_by_the_clock_of_the_server(mongodb_url, raw, spec):
    retention = Retention(age=timedelta(hours=1))
    async with MongodbStore(mongodb_url, retention=retention) as store:
        for n in range(2):
            await store.apply([PutSpec(spec("a", n=n))])
        old = int((await store.now() - timedelta(hours=2)).timestamp()) * 1_000_000
        await raw.changes.update_one({"_id": 1}, {"$set": {"time": old}})
        await store.apply([PutSpec(spec("b"))])
        assert [entry.revision for entry in await store.history("default", "a")] == [2]


async def test_a_heartbeat_does_not_write_the_states_anew(store, raw):
    now = datetime.now(UTC)
    await store.put_instance(Instance("i", "here", 1, "default", now, now))
    await raw.instances.update_one({"_id": "i"}, {"$set": {"seen": True}})
    await store.put_instance(Instance("i", "here", 1, "default", now, now + timedelta(seconds=1)))
    assert (await raw.instances.find_one())["seen"]
    await store.put_instance(Instance("i", "here", 1, "default", now, now, generation=2))
    assert "seen" not in await raw.instances.find_one()


# The URL


async def test_open_store_makes_one(mongodb_url, spec):
    async with open_store(mongodb_url) as store:
        assert isinstance(store, MongodbStore)
        await store.apply([PutSpec(spec("a"))])
        assert store.url == mongodb_url.partition("?")[0]


def test_the_driver_is_loaded_for_mongodb_alone():
    """It takes a quarter of a second."""
    for url, expected in (("sqlite:///x.db", "False"), ("mongodb://host/weir", "True")):
        script = (
            f"import sys; from engine.store.url import open_store; open_store({url!r}); print('pymongo' in sys.modules)"
        )
        found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == expected
