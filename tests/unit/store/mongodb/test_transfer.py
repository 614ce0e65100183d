from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient

from engine.errors import ConflictError, InvalidError, UnavailableError
from engine.spec.model import parse_value
from engine.store.mongodb import MongodbStore, mark
from engine.store.protocol import PutSpec, PutValue
from engine.store.sqlite import SqliteStore
from engine.store.transfer.copying import copy
from engine.store.transfer.protocol import Outline

OUTLINE = Outline("another store", specs=1, values=0, changes=1)


@pytest.fixture
async def source(tmp_path: Path, spec) -> SqliteStore:
    store = SqliteStore(tmp_path / "source.db")
    async with store:
        await store.apply([PutSpec(spec("a")), PutSpec(spec("b"))])
    return store


async def test_a_daemon_that_has_opened_the_store_before_neither_reads_nor_writes_half_of_it(mongodb_url, spec):
    async with MongodbStore(mongodb_url) as before, MongodbStore(mongodb_url).destination() as writer:
        await writer.begin("sqlite:///a.db", OUTLINE)
        for use in (before.specs, before.values, lambda: before.apply([PutSpec(spec("x"))])):
            with pytest.raises(UnavailableError, match=r"is only a part of sqlite:///a\.db"):
                await use()
        await writer.finish(7)
        assert (await before.specs()).revision == 7


async def test_two_copies_at_once(mongodb_url):
    async with MongodbStore(mongodb_url).destination() as first, MongodbStore(mongodb_url).destination() as second:
        await first.begin("sqlite:///a.db", OUTLINE)
        with pytest.raises(
            ConflictError, match=r"another copy, of sqlite:///a.db, is being written to .*: it has moved"
        ):
            await second.begin("sqlite:///b.db", OUTLINE)
        await first.finish(1)


async def test_a_copy_that_was_given_up_for_dead_cannot_write_any_more(mongodb_url, source, monkeypatch):
    async with source.source() as reader, MongodbStore(mongodb_url).destination() as first:
        outline = await reader.begin(None)
        await first.begin("sqlite:///a.db", outline)
        [changes] = [part async for part in reader.changes()]
        [records] = [part async for part in reader.records()]
        await first.add_changes(changes[:1])
        monkeypatch.setattr(mark, "LEASE", 0)
        async with MongodbStore(mongodb_url).destination() as second:
            await second.begin("sqlite:///b.db", outline)
            for use in (first.add_changes(changes), first.add_records(records), first.finish(2)):
                with pytest.raises(ConflictError, match="another copy has taken over"):
                    await use
            await second.add_changes(changes)
            await second.add_records(records)
            await second.finish(2)
    async with MongodbStore(mongodb_url) as store:
        assert [each.name for each in await store.specs()] == ["a", "b"]
        assert len(await store.history("default", "a")) == 1


async def test_a_copy_that_reads_for_long_tells_that_it_goes_on(mongodb_url, source, monkeypatch):
    monkeypatch.setattr("engine.store.mongodb.transfer._SIGN", 0.0)
    async with source.source() as reader, MongodbStore(mongodb_url).destination() as writer:
        await writer.begin(reader.url, await reader.begin(None))
        async for part in reader.changes():
            await writer.add_changes(part)
        async for records in reader.records():
            await writer.add_records(records)
        async with AsyncMongoClient(mongodb_url) as client:
            state = client.get_default_database()["state"]
            for contents in (writer.changes(), writer.records()):
                before = await state.find_one_and_update({}, {"$set": {"copy.seen": 0}})
                assert before["copy"]["seen"] > 0
                assert [item async for part in contents for item in part]
                assert (await state.find_one())["copy"]["seen"] > 0


async def test_what_is_too_large_for_mongodb(mongodb_url, source):
    async with source.source() as reader, MongodbStore(mongodb_url).destination() as writer:
        await writer.begin(reader.url, await reader.begin(None))
        [changes] = [part async for part in reader.changes()]
        large = replace(changes[0], origin="x" * 15 * 1024 * 1024)
        with pytest.raises(InvalidError, match="spec 'a' in namespace 'default' is too large for MongoDB"):
            await writer.add_changes([large])


async def test_values_need_a_key_before_anything_is_written(mongodb_url, source):
    async with source as store:
        await store.apply([PutValue(parse_value({"name": "v", "data": 1}))])
    with pytest.raises(InvalidError, match="without a key"):
        async with source.source() as reader, MongodbStore(mongodb_url).destination() as writer:
            await copy(reader, writer)
    async with MongodbStore(mongodb_url) as store:
        assert (await store.specs()).revision == 0


async def test_revisions_are_pruned_after_a_copy_as_before(mongodb_url, source, spec):
    """What counts them goes on where it was."""
    from engine.store.protocol import Retention

    async with source as store:
        for number in range(4):
            await store.apply([PutSpec(spec("a", x=number))])
        async with source.source() as reader, MongodbStore(mongodb_url).destination() as writer:
            await copy(reader, writer)
    async with MongodbStore(mongodb_url, retention=Retention(count=3)) as copied:
        await copied.apply([PutSpec(spec("a", x=9))])
        assert [entry.revision for entry in await copied.history("default", "a")] == [7, 6, 5]


async def test_an_older_schema_is_brought_up_to_date_by_others(mongodb_url, tmp_path):
    async with MongodbStore(mongodb_url):
        pass
    async with AsyncMongoClient(mongodb_url) as client:
        await client.get_default_database()["state"].update_one({}, {"$set": {"schema": 1}})
    with pytest.raises(UnavailableError, match="was written by an older Weir"):
        async with MongodbStore(mongodb_url).source() as reader:
            await reader.begin(None)


async def test_half_a_copy_is_not_copied(mongodb_url):
    async with MongodbStore(mongodb_url).destination() as writer:
        await writer.begin("sqlite:///a.db", OUTLINE)
        with pytest.raises(UnavailableError, match="is only a part of"):
            async with MongodbStore(mongodb_url).source() as reader:
                await reader.begin(None)


async def test_a_row_that_cannot_be_read_is_not_left_behind(mongodb_url, tmp_path, spec):
    async with MongodbStore(mongodb_url) as store:
        await store.apply([PutSpec(spec("a"))])
    async with AsyncMongoClient(mongodb_url) as client:
        await client.get_default_database()["documents"].update_one({}, {"$unset": {"document": 1}})
    destination = SqliteStore(tmp_path / "copy.db")
    with pytest.raises(UnavailableError, match=r"holds a row \(spec/.*\) that cannot be read"):
        async with MongodbStore(mongodb_url).source() as reader, destination.destination() as writer:
            await copy(reader, writer)
    async with destination:
        assert (await destination.specs()).revision == 0


async def test_a_moment_older_than_what_was_read_is_not_taken(mongodb_url, spec, monkeypatch):
    """As of a primary that was elected a moment ago: it tells of an older store first, and then of the right one."""
    async with MongodbStore(mongodb_url) as store:
        await store.apply([PutSpec(spec("a"))])
    told = []

    async with MongodbStore(mongodb_url).source() as reader:
        await reader.begin(None)
        real = reader.state

        async def old(scope):
            state = await real(scope)
            told.append(state["revision"])
            return {**state, "revision": 0} if len(told) == 2 else state

        monkeypatch.setattr(reader, "state", old)
        assert [entry.revision async for part in reader.changes() for entry in part] == [1]
        assert reader.revision == 1
        assert len(told) == 3
