"""What every store keeps of a value: nothing that anybody could read without its key."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.errors import DiagnosticsError, InvalidError
from engine.spec.model import Value, parse_spec, parse_value, parse_values
from engine.spec.yaml import parse
from engine.store.memory import MemoryStore
from engine.store.mongodb import MongodbStore
from engine.store.protocol import Batch, DeleteValue, PutSpec, PutValue, Query, Rotation, Store, Watch
from engine.store.sqlite import SqliteStore
from engine.store.sqlite.schema import APPLICATION_ID, MIGRATIONS
from engine.store.vault.key import Key

SECRET = "hunter2-correct-horse"
KEYS = {name: Key(name.encode() * 32) for name in "abc"}


@dataclass
class Kept:
    """A kind of store that keeps something: how to make one with these keys, to read all its bytes, to break a row."""

    make: Callable[[tuple[str, ...]], Store]
    content: Callable[[], Awaitable[bytes]]
    change: Callable[[str, Callable[[dict[str, Any]], dict[str, Any]]], Awaitable[None]]


async def _sqlite_content(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("store.db*")) if path.suffix != ".key")


async def _sqlite_change(path: Path, name: str, work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.row_factory = sqlite3.Row
        row = dict(
            raw.execute("SELECT id, document, meaning, origin FROM documents WHERE name = ?", (name,)).fetchone()
        )
        row |= work(dict(row))
        raw.execute(
            "UPDATE documents SET document = :document, meaning = :meaning, origin = :origin WHERE id = :id", row
        )


async def _mongodb_content(url: str) -> bytes:
    """Every row of every collection, and what the oplog has of them."""
    from bson import encode
    from pymongo import AsyncMongoClient

    async with AsyncMongoClient(url) as client:
        database = client.get_default_database()
        found = [encode(row) for name in await database.list_collection_names() async for row in database[name].find()]
        oplog = client.local["oplog.rs"].find({"$or": [{"ns": {"$regex": f"^{database.name}\\."}}, {"op": "c"}]})
        written = [encode(row) async for row in oplog if database.name in repr(row)]
        assert written, "the oplog tells of every write"
        return b"".join([*found, *written])


async def _mongodb_change(url: str, name: str, work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    from pymongo import AsyncMongoClient

    async with AsyncMongoClient(url) as client:
        rows = client.get_default_database().documents
        row = await rows.find_one({"name": name})
        assert row is not None
        await rows.update_one({"name": name}, {"$set": work(row)})


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Where keys are kept, by name."""
    for name, key in KEYS.items():
        (tmp_path / f"{name}.key").write_text(key.text())
    return {name: f"file:{tmp_path / name}.key" for name in KEYS}


@pytest.fixture(params=["sqlite", "mongodb"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    if request.param == "sqlite":
        path = tmp_path / "store.db"
        return Kept(
            lambda keys: SqliteStore(path, keys=keys),
            lambda: _sqlite_content(tmp_path),
            lambda name, work: _sqlite_change(path, name, work),
        )
    url = request.getfixturevalue("mongodb_url")
    return Kept(
        lambda keys: MongodbStore(url, keys=keys),
        lambda: _mongodb_content(url),
        lambda name, work: _mongodb_change(url, name, work),
    )


@pytest.fixture(params=["memory", "sqlite", "mongodb"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, keys: dict[str, str]) -> AsyncIterator[Store]:
    made: dict[str, Callable[[], Store]] = {
        "memory": MemoryStore,
        "sqlite": lambda: SqliteStore(tmp_path / "store.db", keys=(keys["a"],)),
        "mongodb": lambda: MongodbStore(request.getfixturevalue("mongodb_url"), keys=(keys["a"],)),
    }
    async with made[request.param]() as opened:
        yield opened


def value(name: str, data: Any = SECRET, **fields: Any) -> Value:
    return parse_value({"name": name, "data": data, **fields})


def placed(text: str) -> Value:
    """A value as a file has it, with its places."""
    [document] = parse(text, "values.yaml")
    return parse_value(document.data, origin=document.origin)


async def data(store: Store) -> dict[str | None, Any]:
    return {found.name: found.data for found in await store.values()}


async def take(watch: Watch) -> Batch:
    async with asyncio.timeout(20):
        item = await anext(watch)
    assert isinstance(item, Batch)
    return item


async def rotate(store: Store) -> Rotation:
    """A whole rotation, added up."""
    sealed = current = 0
    problems: tuple[Any, ...] = ()
    after: str | None = None
    while True:
        part = await store.rotate(after)
        sealed, current, problems = sealed + part.sealed, current + part.current, problems + part.problems
        after = part.after
        if after is None:
            return Rotation(sealed, current, problems, left=part.left)


def sealed_with(stored: str) -> str:
    """Which of the keys has sealed a stored text, by name."""
    return next((name for name, key in KEYS.items() if f":{key.id}:" in stored), "plain")


# What stands where


async def test_nothing_of_a_value_can_be_read_without_its_key(kept: Kept, keys: dict[str, str]) -> None:
    store = kept.make((keys["a"],))
    async with store, store.watch() as watch:
        written = placed(
            f"name: db\nlabels: {{tier: one}}\nannotations: {{why: {SECRET}}}\ndata: {{{SECRET}: {SECRET}}}"
        )
        made, _ = await store.apply([PutValue(written), PutValue(value("gone"))])
        told, _ = (await take(watch)).changes
        assert told.document is not None
        assert told.document["data"] == {SECRET: SECRET}
        await store.apply([PutValue(value("db", {"other": SECRET}, id=made.id))])
        await store.apply([DeleteValue(namespace="default", name="gone")])
        content = await kept.content()  # while it is open: its log has not been taken in
        assert (await data(store)) == {"db": {"other": SECRET}}
    content += await kept.content()
    assert b"tier" in content
    assert SECRET.encode() not in content
    assert KEYS["a"].text().encode() not in content


async def test_what_it_says_leaves_no_hash_of_it(kept: Kept, keys: dict[str, str]) -> None:
    """Whoever knows how a short secret is hashed finds it by trying."""
    from engine.store.record import seal

    async with kept.make((keys["a"],)) as store:
        await store.apply([PutValue(value("pin", "1234")), PutSpec(parse_spec({"kind": "k", "name": "s"}))])
        content = await kept.content()
    assert seal(value("pin", "1234")).meaning.encode() not in content
    assert seal(parse_spec({"kind": "k", "name": "s"})).meaning.encode() in content


async def test_places_labels_and_everything_else_come_back(store: Store) -> None:
    written = placed(
        "name: db\nlabels: {tier: one}\nannotations: {why: because}\ndata:\n  user: ada\n  list: [1, 2.5, ü]\n"
    )
    await store.apply([PutValue(written)])
    [found] = await store.values(Query(labels={"tier": "one"}))
    assert (found.data, found.annotations) == ({"user": "ada", "list": [1, 2.5, "ü"]}, {"why": "because"})
    assert found.origin is not None
    assert str(found.origin.place(("data", "list", 1))) == "values.yaml:6:13"
    assert list(found.document) == ["name", "labels", "annotations", "data"]


async def test_the_same_again_is_unchanged(store: Store) -> None:
    await store.apply([PutValue(value("v", {"a": 1, "b": 2}))])
    [same] = await store.apply([PutValue(value("v", {"b": 2, "a": 1}))])
    [other] = await store.apply([PutValue(value("v", {"b": 2, "a": 1.0}))])
    assert (same.action, same.revision) == ("unchanged", 1)
    assert (other.action, other.revision) == ("configured", 2)


async def test_a_value_that_is_hidden_is_not_stored(store: Store) -> None:
    await store.apply([PutValue(value("v"))])
    with pytest.raises(InvalidError, match=r"value/v: its data is hidden here \(\*\*\*\)") as caught:
        await store.apply([PutValue(parse_values("name: v\ndata: '***'\n", file="v.yaml")[0])], dry_run=True)
    assert str(caught.value.place) == "v.yaml:2:7"
    assert "--reveal" in (caught.value.hint or "")
    assert await data(store) == {"v": SECRET}


# What cannot be opened


async def test_rows_that_are_swapped_are_noticed(kept: Kept, keys: dict[str, str]) -> None:
    async with kept.make((keys["a"],)) as store:
        await store.apply([PutValue(value("test", "one")), PutValue(value("prod", "two"))])
        stolen: dict[str, Any] = {}
        await kept.change("test", lambda row: stolen.update(document=row["document"]) or {})
        await kept.change("prod", lambda _: stolen)
        page = await store.values()
        assert [found.name for found in page] == ["test"]
        [problem] = page.problems
        assert "value 'prod' in namespace 'default' cannot be opened: it is not as it was sealed" in problem.message
        [broken] = page.broken
        assert (broken.name, broken.revision, broken.data) == ("prod", 2, None)
        assert broken.problem == problem.message
        assert page.unreadable == {broken.id}


async def test_what_cannot_be_opened_can_be_written_anew_and_deleted(kept: Kept, keys: dict[str, str]) -> None:
    async with kept.make((keys["a"],)) as store:
        await store.apply([PutValue(value(name)) for name in ("anew", "gone", "well")])
    async with kept.make((keys["b"],)) as store, store.watch() as watch:
        page = await store.values()
        assert list(page) == []
        assert KEYS["a"].id in page.problems[0].message
        [anew] = await store.apply([PutValue(value("anew"))])
        assert (anew.action, anew.revision) == ("configured", 4)  # nobody can tell whether it says the same
        [gone] = await store.apply([DeleteValue(namespace="default", name="gone", expect=2)])
        assert (gone.action, gone.value) == ("deleted", None)
        assert await data(store) == {"anew": SECRET}
        assert (await take(watch)).changes[0].subject() is not None
    async with kept.make((keys["a"], keys["b"])) as store:
        assert await data(store) == {"anew": SECRET, "well": SECRET}


async def test_a_watch_tells_what_it_cannot_open(kept: Kept, keys: dict[str, str]) -> None:
    async with kept.make((keys["a"],)) as reader, kept.make((keys["b"],)) as writer, reader.watch() as watch:
        await writer.apply([PutValue(value("v")), PutSpec(parse_spec({"kind": "k", "name": "s"}))])
        unopened, spec = (await take(watch)).changes
        assert (unopened.action, unopened.name, unopened.document) == ("put", "v", None)
        with pytest.raises(DiagnosticsError, match="value 'v' in namespace 'default' cannot be opened"):
            unopened.subject()
        assert spec.subject() is not None


async def test_a_key_that_is_put_there_later_is_found(kept: Kept, keys: dict[str, str], tmp_path: Path) -> None:
    late = tmp_path / "late.key"
    async with kept.make((keys["b"],)) as writer, kept.make((keys["a"], f"file:{late}")) as reader:
        await writer.apply([PutValue(value("v"))])
        assert f"key file {late} cannot be read" in (await reader.values()).problems[0].message
        late.write_text(KEYS["b"].text())
        assert await data(reader) == {"v": SECRET}


async def test_the_key_that_seals_must_be_there(kept: Kept, keys: dict[str, str], tmp_path: Path) -> None:
    async with kept.make((f"file:{tmp_path / 'none'}", keys["a"])) as store:
        for dry_run in (True, False):
            with pytest.raises(InvalidError, match=r"a value cannot be sealed: the key file .*none cannot be read"):
                await store.apply([PutValue(value("v"))], dry_run=dry_run)
        await store.apply([PutSpec(parse_spec({"kind": "k", "name": "s"}))])
        assert await store.values() == []


# Rotation


async def test_a_rotation_changes_nothing_for_anybody_but_the_keys(kept: Kept, keys: dict[str, str]) -> None:
    async with kept.make((keys["a"],)) as old:
        await old.apply([PutValue(value(f"v{n:03}", n)) for n in range(450)])
        await old.apply([PutSpec(parse_spec({"kind": "k", "name": "s"}))])
    async with kept.make((keys["b"], keys["a"])) as store, store.watch() as watch:
        before = await store.values()
        first = await store.rotate()
        assert (first.sealed, first.current) == (200, 0)
        assert first.after is not None
        whole = await rotate(store)  # begun anew, as after a Ctrl-C
        assert (whole.sealed, whole.current, whole.problems) == (250, 200, ())
        after = await store.values()
        assert [(each.id, each.revision, each.data) for each in after] == [
            (each.id, each.revision, each.data) for each in before
        ]
        assert after.revision == before.revision == 451
        await store.apply([PutSpec(parse_spec({"kind": "k", "name": "t"}))])
        assert [change.name for change in (await take(watch)).changes] == ["t"]  # the first that is told
        again = await rotate(store)
        assert (again.sealed, again.current) == (0, 450)
        if isinstance(store, SqliteStore):  # the oplog of MongoDB goes back further
            assert KEYS["a"].id.encode() not in await kept.content()
    async with kept.make((keys["b"],)) as new:
        assert (await data(new))["v007"] == 7


async def test_a_rotation_leaves_what_it_cannot_open(kept: Kept, keys: dict[str, str]) -> None:
    for name in "ab":
        async with kept.make((keys[name],)) as store:
            await store.apply([PutValue(value(name))])
    async with kept.make((keys["c"], keys["b"])) as store:
        whole = await rotate(store)
        assert (whole.sealed, whole.current, len(whole.problems)) == (1, 0, 1)
        assert "value 'a'" in whole.problems[0].message
    async with kept.make((keys["c"], keys["a"])) as store:
        assert await data(store) == {"a": SECRET, "b": SECRET}


async def test_an_apply_that_changes_nothing_seals_with_the_first_key(kept: Kept, keys: dict[str, str]) -> None:
    async with kept.make((keys["a"],)) as old:
        await old.apply([PutValue(value("v"))])
    async with kept.make((keys["b"], keys["a"])) as store:
        [same] = await store.apply([PutValue(value("v"))])
        assert (same.action, same.revision) == ("unchanged", 1)
        rows: list[str] = []
        await kept.change("v", lambda row: rows.append(row["document"]) or {})
        assert [sealed_with(row) for row in rows] == ["b"]


# What older versions have written


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as versions wrote it that sealed nothing."""
    return {"document": json.dumps({"name": "v", "data": SECRET}), "meaning": "0" * 32, "origin": None}


async def test_plain_values_are_read_and_sealed_by_the_next_write(kept: Kept, keys: dict[str, str]) -> None:
    async with kept.make((keys["a"],)) as store:
        await store.apply([PutValue(value("v", "x"))])
        await kept.change("v", plain)
        assert await data(store) == {"v": SECRET}
        [same] = await store.apply([PutValue(value("v"))])
        assert (same.action, same.revision) == ("unchanged", 1)
        rows: list[dict[str, Any]] = []
        await kept.change("v", lambda row: rows.append(row) or {})
        assert (sealed_with(rows[0]["document"]), rows[0]["meaning"]) == ("a", "")


async def test_a_rotation_seals_plain_values(kept: Kept, keys: dict[str, str]) -> None:
    async with kept.make((keys["a"],)) as store:
        await store.apply([PutValue(value("v", "x"))])
        await kept.change("v", plain)
        whole = await rotate(store)
        assert (whole.sealed, whole.current, whole.left) == (1, 0, None)
        assert await data(store) == {"v": SECRET}
        if isinstance(store, SqliteStore):
            assert SECRET.encode() not in await kept.content()  # nor in free pages or the log


async def test_a_plain_value_that_is_sealed_leaves_nothing_in_the_file(tmp_path: Path, keys: dict[str, str]) -> None:
    path = tmp_path / "store.db"
    async with SqliteStore(path, keys=(keys["a"],)) as store:
        await store.apply([PutValue(value("v", "x"))])
        long = json.dumps({"name": "v", "data": SECRET * 1000})  # more than a page: they are free afterwards
        await _sqlite_change(path, "v", lambda _: {"document": long})
        await store.apply([PutValue(value("v", "y"))])
    assert SECRET.encode() not in await _sqlite_content(tmp_path)


async def test_a_rotation_cleans_what_was_deleted_long_ago(tmp_path: Path) -> None:
    """SQLite may have left it in free pages, which nothing but a new file takes away."""
    path = tmp_path / "store.db"
    async with SqliteStore(path) as store:
        await store.apply([PutValue(value("v", "x"))])
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA secure_delete = OFF")
        with raw:
            raw.execute("CREATE TABLE gone (text TEXT)")
            raw.execute("INSERT INTO gone VALUES (?)", (SECRET * 1000,))
        with raw:
            raw.execute("DROP TABLE gone")
    assert SECRET.encode() in await _sqlite_content(tmp_path)
    async with SqliteStore(path) as store:
        whole = await rotate(store)
        assert (whole.current, whole.left) == (1, None)
        assert SECRET.encode() not in await _sqlite_content(tmp_path)
        assert await data(store) == {"v": "x"}


async def test_a_file_of_a_version_that_sealed_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as raw, raw:
        for script in MIGRATIONS[:2]:
            for statement in script:
                raw.execute(statement)
        raw.execute("UPDATE state SET revision = 1")
        raw.execute(
            """INSERT INTO documents (resource, id, namespace, name, revision, labels, meaning, document)
            VALUES ('value', 'x', 'default', 'v', 1, '{}', 'a hash', '{"name":"v","data":"old"}')"""
        )
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        raw.execute("PRAGMA user_version = 2")
    async with SqliteStore(path) as store:
        assert await data(store) == {"v": "old"}
        [same] = await store.apply([PutValue(value("v", "old"))])
        assert (same.action, same.revision) == ("unchanged", 1)
    assert (tmp_path / "store.db.key").exists()
    assert b"a hash" not in await _sqlite_content(tmp_path)


async def test_a_database_of_a_version_that_sealed_nothing(mongodb_url: str, keys: dict[str, str]) -> None:
    from pymongo import AsyncMongoClient

    async with MongodbStore(mongodb_url, keys=(keys["a"],)) as store:
        await store.apply([PutValue(value("v", "x"))])
        await _mongodb_change(mongodb_url, "v", plain)
    async with AsyncMongoClient(mongodb_url) as client:
        database = client.get_default_database()
        await database.state.update_one({"_id": "state"}, {"$set": {"schema": 1}})
        async with MongodbStore(mongodb_url) as store:  # to read them no key is needed
            assert await data(store) == {"v": SECRET}
        assert (await database.state.find_one({"_id": "state"}) or {})["schema"] == 2
        assert (await database.documents.find_one({"name": "v"}) or {})["meaning"] == ""


async def test_memory_has_nothing_to_rotate() -> None:
    async with MemoryStore() as store:
        await store.apply([PutValue(value("v"))])
        assert await store.rotate() == Rotation()


# Without a key


async def test_mongodb_takes_no_value_without_a_key(mongodb_url: str, keys: dict[str, str]) -> None:
    async with MongodbStore(mongodb_url) as store:
        for dry_run in (True, False):
            with pytest.raises(InvalidError, match="a value cannot be written without a key") as caught:
                await store.apply([PutValue(value("v"))], dry_run=dry_run)
        assert "openssl rand -base64 32" in (caught.value.hint or "")
        await store.apply([PutSpec(parse_spec({"kind": "k", "name": "s"}))])
        async with MongodbStore(mongodb_url, keys=(keys["a"],)) as other:
            await other.apply([PutValue(value("v"))])
        assert len((await store.values()).problems) == 1
        await store.apply([DeleteValue(namespace="default", name="v")])


async def test_sqlite_makes_a_key_with_the_first_value(tmp_path: Path) -> None:
    path, beside = tmp_path / "store.db", tmp_path / "store.db.key"
    async with SqliteStore(path) as store, SqliteStore(path) as other:
        await store.apply([PutSpec(parse_spec({"kind": "k", "name": "s"}))])
        await store.apply([PutValue(value("v"))], dry_run=True)
        assert not beside.exists()
        await other.values()
        await store.apply([PutValue(value("v"))])
        assert beside.stat().st_mode & 0o777 == 0o600
        assert await data(other) == {"v": SECRET}  # which has looked for keys before there was one
        await other.apply([PutValue(value("w"))])
    link = tmp_path / "link.db"
    link.symlink_to(path)
    async with SqliteStore(link) as store:
        assert await data(store) == {"v": SECRET, "w": SECRET}


async def test_sqlite_makes_no_second_key_when_the_first_is_lost(tmp_path: Path) -> None:
    path, beside = tmp_path / "store.db", tmp_path / "store.db.key"
    async with SqliteStore(path) as store:
        await store.apply([PutValue(value("v"))])
    aside = beside.rename(tmp_path / "aside")
    async with SqliteStore(path) as store:
        with pytest.raises(InvalidError, match=r"the key file .*store.db.key is not there, and values .* are sealed"):
            await store.apply([PutValue(value("w"))])
        assert not beside.exists()
        aside.rename(beside)
        await store.apply([PutValue(value("w"))])
        assert await data(store) == {"v": SECRET, "w": SECRET}


async def test_sqlite_opens_with_its_own_key_what_it_has_sealed_before_one_was_named(
    tmp_path: Path, keys: dict[str, str]
) -> None:
    path, beside = tmp_path / "store.db", tmp_path / "store.db.key"
    async with SqliteStore(path) as store:
        await store.apply([PutValue(value("v"))])
    async with SqliteStore(path, keys=(keys["a"],)) as store:
        assert await data(store) == {"v": SECRET}
        whole = await rotate(store)
        assert (whole.sealed, whole.current) == (1, 0)
    beside.unlink()
    async with SqliteStore(path, keys=(keys["a"],)) as store:
        assert await data(store) == {"v": SECRET}


async def test_sqlite_keeps_no_plain_change_after_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with SqliteStore(path) as store:
        await store.apply([PutValue(value("v", "x"))])
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("UPDATE changes SET document = ?", (json.dumps({"name": "v", "data": SECRET}),))
        assert SECRET.encode() in await _sqlite_content(tmp_path)
        await rotate(store)
        assert SECRET.encode() not in await _sqlite_content(tmp_path)
        assert await data(store) == {"v": "x"}


WRITER = """
import asyncio, sys
from engine.spec.model import parse_value
from engine.store.protocol import PutValue
from engine.store.sqlite import SqliteStore

async def main():
    async with SqliteStore(sys.argv[1]) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        await store.apply([PutValue(parse_value({"name": sys.argv[2], "data": sys.argv[2]}))])

asyncio.run(main())
"""


async def test_two_processes_that_write_the_first_value_share_one_key(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with SqliteStore(path):
        pass
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "two", "three")
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        for writer in writers:
            writer.communicate(timeout=60)
            assert writer.returncode == 0
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    async with SqliteStore(path) as store:
        assert await data(store) == {"one": "one", "two": "two", "three": "three"}
    assert sorted(os.listdir(tmp_path)) == ["store.db", "store.db.key"]
