from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from engine.errors import UnavailableError
from engine.store.check.checking import Checked, check
from engine.store.mongodb import MongodbStore
from engine.store.mongodb.inspection import _members
from engine.store.protocol import PutSpec


@pytest.fixture
async def url(mongodb_url: str, spec) -> str:
    """A store with two specs."""
    async with MongodbStore(mongodb_url) as store:
        await store.apply([PutSpec(spec("a")), PutSpec(spec("b"))])
    return mongodb_url


async def checked(url: str) -> Checked:
    async with MongodbStore(url).inspection() as inspection:
        return await check(inspection)


async def codes(url: str) -> list[str]:
    return [finding.code for finding in (await checked(url)).findings]


async def on(url: str, work: Callable[[Any], Any]) -> Any:
    async with AsyncMongoClient(url) as client:
        return await work(client.get_default_database())


async def test_an_index_that_is_missing_or_another(url):
    await on(url, lambda database: database["changes"].drop_index("by_id"))
    [finding] = (await checked(url)).findings
    assert (finding.code, finding.subject) == ("missing-index", "changes.by_id")
    await on(url, lambda database: database["changes"].create_index([("id", 1)], name="by_id"))
    assert await codes(url) == ["changed-index"]


async def test_an_index_that_does_not_keep_names_apart(url):
    async def work(database: Any) -> None:
        await database["documents"].drop_index("by_name")
        keys = [("resource", 1), ("namespace", 1), ("name", 1)]
        await database["documents"].create_index(keys, name="by_name")
        await database["documents"].update_one({"name": "b"}, {"$set": {"name": "a", "known": "a"}})

    await on(url, work)
    assert sorted(await codes(url)) == ["changed-index", "duplicate-name", "wrong-column", "wrong-history"]


async def test_a_collection_that_is_missing(url):
    await on(url, lambda database: database.drop_collection("trials"))
    [finding] = (await checked(url)).findings
    assert (finding.code, finding.subject) == ("missing-collection", "trials")


async def test_rows_that_are_kept_under_other_keys(url):
    await on(url, lambda database: database["documents"].update_one({"name": "a"}, {"$set": {"known": "z"}}))
    assert await codes(url) == ["wrong-column"]

    async def move(database: Any) -> None:
        row = await database["documents"].find_one_and_delete({"name": "a"})
        await database["documents"].insert_one({**row, "_id": "spec/z", "known": "a"})

    await on(url, move)
    assert await codes(url) == ["wrong-column"]


async def test_a_count_of_changes_that_is_wrong(url):
    await on(url, lambda database: database["documents"].update_one({"name": "a"}, {"$set": {"ordinal": 7}}))
    assert await codes(url) == ["wrong-history"]


async def test_a_row_of_which_half_is_missing(url):
    fields = {"document": 1, "id": 1, "namespace": 1}
    await on(url, lambda database: database["documents"].update_one({"name": "a"}, {"$unset": fields}))
    assert await codes(url) == ["wrong-column", "unreadable-row", "lost-document"]


async def test_an_older_schema(url):
    await on(url, lambda database: database["state"].update_one({}, {"$set": {"schema": 1}}))
    assert await codes(url) == ["old-schema"]
    async with MongodbStore(url):
        pass
    assert await codes(url) == []


async def test_what_is_no_store(mongodb_url):
    with pytest.raises(UnavailableError, match="there is no store"):
        await checked(mongodb_url)
    assert await on(mongodb_url, lambda database: database.list_collection_names()) == []
    await on(mongodb_url, lambda database: database["state"].insert_one({"_id": "state", "application": "other"}))
    with pytest.raises(UnavailableError, match="of another program"):
        await checked(mongodb_url)


async def test_a_store_of_a_newer_weir(url):
    await on(url, lambda database: database["state"].update_one({}, {"$set": {"schema": 99}}))
    with pytest.raises(UnavailableError, match="written by a newer Weir"):
        await checked(url)


def test_members_that_are_away():
    members = [
        {"name": "one:1", "health": 1.0, "state": 1},
        {"name": "two:2", "health": 0.0, "state": 8, "lastHeartbeatMessage": "refused"},
        {"name": "three:3", "health": 1.0, "state": 3},
        {"name": "four:4", "health": 1.0, "state": 7},
    ]
    found = list(_members({"members": members}))
    assert [(finding.subject, finding.code, finding.severity) for finding in found] == [
        ("two:2", "member-away", "warning"),
        ("three:3", "member-away", "warning"),
    ]
    assert "down: refused" in found[0].message


async def test_a_majority_that_does_not_answer(start_mongod, spec, monkeypatch):
    """The server says, for the one question that the majority must answer, that time is over."""
    server = start_mongod("--replSet", "rs0", "--oplogSize", "64", "--setParameter", "enableTestCommands=1")
    url = f"{server.url}/weir"
    async with MongodbStore(url) as store:
        await store.apply([PutSpec(spec("a"))])
    async with AsyncMongoClient(server.url) as client:
        data = {"failCommands": ["find"], "namespace": "weir.state", "errorCode": 50}
        await client.admin.command({"configureFailPoint": "failCommand", "mode": {"skip": 2}, "data": data})
        [finding] = (await checked(url)).findings
        await client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    assert finding.code == "no-majority"
    assert await codes(url) == []
