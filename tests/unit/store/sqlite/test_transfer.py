from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import UnavailableError
from engine.spec.model import parse_value
from engine.store.protocol import PutSpec, PutValue
from engine.store.sqlite import SqliteStore
from engine.store.sqlite.schema import MIGRATIONS
from engine.store.transfer.copying import copy


@pytest.fixture
async def source(tmp_path: Path, spec) -> SqliteStore:
    store = SqliteStore(tmp_path / "source.db")
    async with store:
        await store.apply([PutSpec(spec("a")), PutSpec(spec("b"))])
        await store.apply([PutValue(parse_value({"name": "v", "data": "hunter2"}))])
    return store


@pytest.fixture
def destination(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "copy" / "destination.db", busy_timeout=0.01)


async def do(source: SqliteStore, destination: SqliteStore) -> None:
    async with source.source() as reader, destination.destination() as writer:
        await copy(reader, writer)


async def test_the_source_is_left_as_it_is(source, destination):
    before = source._path.read_bytes()
    await do(source, destination)
    assert source._path.read_bytes() == before


async def test_the_copy_is_for_its_owner_alone_and_has_a_key_of_its_own(source, destination):
    await do(source, destination)
    for path in (destination._path, destination._path.with_name("destination.db.key")):
        assert path.stat().st_mode & 0o777 == 0o600
    assert (
        destination._path.with_name("destination.db.key").read_text()
        != source._path.with_name("source.db.key").read_text()
    )
    assert b"hunter2" not in destination._path.read_bytes()


async def test_a_source_in_a_directory_that_may_not_be_written(source, destination, monkeypatch):
    """As from a read-only disk. Permissions mean nothing to root, who may run the tests."""
    monkeypatch.setattr("engine.store.sqlite.reading.may", lambda path, mode: not mode & os.W_OK)
    await do(source, destination)
    assert not Path(f"{source._path}-shm").exists()
    async with destination:
        assert len(await destination.specs()) == 2


async def test_others_find_the_copy_locked_until_it_is_whole(source, destination, spec):
    async with source.source() as reader, destination.destination() as writer:
        outline = await reader.begin(None)
        await writer.begin(reader.url, outline)
        async for part in reader.changes():
            await writer.add_changes(part)
        async with SqliteStore(destination._path, busy_timeout=0.01) as other:
            assert list(await other.specs()) == []
            with pytest.raises(UnavailableError, match="is locked by another process"):
                await other.apply([PutSpec(spec("x"))])
        async for records in reader.records():
            await writer.add_records(records)
        await writer.finish(reader.revision)
    async with destination:
        assert len(await destination.specs()) == 2


async def test_a_copy_waits_for_nobody_who_writes(source, destination, spec):
    async with destination:
        with closing(sqlite3.connect(destination._path, isolation_level=None)) as raw:
            raw.execute("BEGIN IMMEDIATE")
            with pytest.raises(UnavailableError, match="is locked by another process"):
                await do(source, destination)
            raw.execute("ROLLBACK")
        await do(source, destination)


async def test_a_copy_that_is_given_up_leaves_nothing(source, destination):
    async with source.source() as reader, destination.destination() as writer:
        await writer.begin(reader.url, await reader.begin(None))
        async for part in reader.changes():
            await writer.add_changes(part)
    async with destination:
        assert (await destination.specs()).revision == 0
        assert await destination.history("default", "a") == []


async def test_a_file_that_is_replaced_meanwhile(source, destination):
    async with source.source() as reader, destination.destination() as writer:
        await writer.begin(reader.url, await reader.begin(None))
        destination._path.rename(destination._path.with_name("elsewhere.db"))
        with pytest.raises(UnavailableError, match="is not there any more"):
            await writer.finish(3)


async def test_an_older_schema_is_brought_up_to_date_by_others(tmp_path, destination):
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        for statement in (*MIGRATIONS[0], f"PRAGMA application_id = {0x57454952}", "PRAGMA user_version = 1"):
            raw.execute(statement)
    old = SqliteStore(path)
    with pytest.raises(UnavailableError, match="was written by an older Weir") as caught:
        await do(old, destination)
    assert f"`weir get specs --store {old.url}`" in (caught.value.hint or "")
    async with old:
        pass
    await do(old, destination)


async def test_a_value_that_cannot_be_opened_is_not_left_behind(source, destination):
    source._path.with_name("source.db.key").unlink()
    with pytest.raises(UnavailableError, match="value 'v' in namespace 'default' cannot be opened"):
        await do(SqliteStore(source._path), destination)
    async with destination:
        assert (await destination.specs()).revision == 0


async def test_a_row_that_cannot_be_read_is_not_left_behind(source, destination):
    with closing(sqlite3.connect(source._path, isolation_level=None)) as raw:
        raw.execute("UPDATE documents SET labels = '{' WHERE name = 'b'")
    with pytest.raises(UnavailableError, match="holds a row that cannot be read") as caught:
        await do(source, destination)
    assert "weir store check" in (caught.value.hint or "")
