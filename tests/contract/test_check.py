"""Each kind of damage to a store is found, by its own rule, and nothing is found in a sound one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pymongo import AsyncMongoClient

from engine.spec.model import parse_spec, parse_value
from engine.store.check.checking import Checked, check
from engine.store.instance import Instance
from engine.store.mongodb import MongodbStore
from engine.store.protocol import DeleteSpec, PutSpec, PutValue, Store
from engine.store.sqlite import SqliteStore

GONE: Any = object()
"""In the place of a row's new content: the row is deleted."""


class Broken:
    """A store, and a way to break its rows behind its back. Columns have the names that they have in SQLite."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def damage(self, table: str, where: Mapping[str, Any], content: Any) -> None:
        raise NotImplementedError

    async def check(self) -> Checked:
        async with self.store.inspection() as inspection:
            return await check(inspection)

    async def codes(self) -> set[str]:
        return {finding.code for finding in (await self.check()).findings}


class BrokenFile(Broken):
    def __init__(self, path: Path) -> None:
        super().__init__(SqliteStore(path))
        self.path = path

    def execute(self, statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as raw:
            assert raw.execute(statement, values).rowcount != 0

    async def damage(self, table: str, where: Mapping[str, Any], content: Any) -> None:
        condition = " AND ".join(f"{column} = ?" for column in where)
        if content is GONE:
            self.execute(f"DELETE FROM {table} WHERE {condition}", *where.values())
            return
        changes = ", ".join(f"{column} = ?" for column in content)
        self.execute(f"UPDATE {table} SET {changes} WHERE {condition}", *content.values(), *where.values())


class BrokenDatabase(Broken):
    def __init__(self, url: str, keys: tuple[str, ...]) -> None:
        super().__init__(MongodbStore(url, keys=keys))
        self.url = url

    async def on(self, work: Callable[[Any], Any]) -> None:
        async with AsyncMongoClient(self.url) as client:
            await work(client.get_default_database())

    async def damage(self, table: str, where: Mapping[str, Any], content: Any) -> None:
        key = {"changes": "revision", "trials": "id", "instances": "id"}.get(table, "")
        found = {("_id" if column == key else column): value for column, value in where.items()}

        async def work(database: Any) -> None:
            if content is GONE:
                assert (await database[table].delete_many(found)).deleted_count
            else:
                assert (await database[table].update_many(found, {"$set": dict(content)})).matched_count

        await self.on(work)


@dataclass
class Ids:
    """The ids of the specs and the trial that are in each broken store."""

    a: str = ""
    b: str = ""
    c: str = ""
    tried: str = ""
    trial: str = ""


@pytest.fixture(params=["sqlite", "mongodb"])
async def broken(request: pytest.FixtureRequest, tmp_path: Path, values_keys: tuple[str, ...]) -> Broken:
    """A store, with all that can be in one. What is done to it is said in the test."""
    if request.param == "sqlite":
        return BrokenFile(tmp_path / "store.db")
    return BrokenDatabase(request.getfixturevalue("mongodb_url"), values_keys)


def spec(name: str, **fields: Any) -> PutSpec:
    return PutSpec(parse_spec({"kind": "print", "name": name, "namespace": "default", "labels": {"l": "1"}, **fields}))


def value(name: str, data: Any) -> PutValue:
    return PutValue(parse_value({"name": name, "data": data}))


@pytest.fixture
async def ids(broken: Broken) -> Ids:
    """Fills it. Revisions: 1-3 a b c in one apply, 4-5 a, 6 c deleted, 7-8 values, 9 tried, 10 tried on trial."""
    found = Ids()
    async with broken.store as store:
        found.a, found.b, found.c = (
            each.id for each in await store.apply([spec("a"), spec("b"), spec("c")], author="ada")
        )
        await store.apply([spec("a", x=1)])
        await store.apply([spec("a", x=2)])
        await store.apply([DeleteSpec(namespace="default", name="c")])
        await store.apply([value("v", "hunter2"), value("w", "letmein")])
        [outcome] = await store.apply([spec("tried")])
        found.tried = outcome.id
        applied = await store.apply([spec("tried", x=1)], trial=timedelta(hours=1))
        assert applied.trial is not None
        found.trial = applied.trial.id
        now = await store.now()
        await store.put_instance(Instance("i", "host", 1, "default", now, now))
    return found


async def test_a_sound_store(broken: Broken, ids: Ids) -> None:
    checked = await broken.check()
    assert checked.findings == ()
    assert (checked.specs, checked.values, checked.changes, checked.trials) == (3, 2, 8, 1)
    assert (checked.alive, checked.dead, checked.glance.revision, checked.errors) == (1, 0, 10, 0)


async def test_nothing_is_changed(broken: Broken, ids: Ids) -> None:
    if isinstance(broken, BrokenFile):
        before = broken.path.read_bytes()
        await broken.check()
        assert broken.path.read_bytes() == before
        return
    states: list[Any] = []

    async def look(database: Any) -> None:
        states.append([await database[name].find().to_list() for name in await database.list_collection_names()])

    assert isinstance(broken, BrokenDatabase)
    await broken.on(look)
    await broken.check()
    await broken.on(look)
    assert sorted(map(str, states[0])) == sorted(map(str, states[1]))


A = {"resource": "spec", "name": "a"}
CASES: dict[str, tuple[str, Mapping[str, Any], Any, set[str]]] = {
    # what is stored
    "no JSON": ("documents", A, {"document": "{"}, {"unreadable-document"}),
    "no spec": ("documents", A, {"document": '{"name": "a"}'}, {"unreadable-document"}),
    "a list": ("documents", A, {"document": "[]"}, {"unreadable-document"}),
    "places that are no JSON": ("documents", A, {"origin": "{"}, {"unreadable-document"}),
    "other labels": ("documents", A, {"labels": '{"l": "2"}'}, {"wrong-column"}),
    "labels that are no JSON": ("documents", A, {"labels": "{"}, {"wrong-column"}),
    "another hash": ("documents", A, {"meaning": "0"}, {"wrong-column"}),
    "another name": ("documents", A, {"name": "z"}, {"wrong-column", "wrong-history"}),
    "another namespace": ("documents", A, {"namespace": "z"}, {"wrong-column", "wrong-history"}),
    "an id in capitals": ("documents", A, {"id": "A"}, {"wrong-column", "no-history", "lost-document"}),
    "neither spec nor value": ("documents", A, {"resource": "thing"}, {"wrong-column", "lost-document"}),
    "a revision to come": ("documents", A, {"revision": 99}, {"revision-out-of-range", "wrong-history"}),
    "no revision": ("documents", A, {"revision": 0}, {"revision-out-of-range", "wrong-history"}),
    "the revision of another": ("documents", A, {"revision": 2}, {"duplicate-revision", "wrong-history"}),
    "an older revision": ("documents", A, {"revision": 4}, {"wrong-history"}),
    "no row": ("documents", A, GONE, {"lost-document"}),
    # the history
    "a change that is no JSON": ("changes", {"revision": 4}, {"document": "{"}, {"unreadable-change"}),
    "a change that is a list": ("changes", {"revision": 4}, {"document": "[]"}, {"unreadable-change"}),
    "a change without a document": ("changes", {"revision": 4}, {"document": None}, {"unreadable-change"}),
    "a deletion with a document": ("changes", {"revision": 6}, {"document": "{}"}, {"unreadable-change"}),
    "a change that is nothing": ("changes", {"revision": 4}, {"action": "move"}, {"unreadable-change"}),
    "an apply to come": ("changes", {"revision": 4}, {"batch": 9}, {"broken-batch"}),
    "an apply within another": ("changes", {"revision": 4}, {"batch": 2}, {"broken-batch"}),
    "an apply of two": ("changes", {"revision": 2}, {"author": "bob"}, {"broken-batch"}),
    "an id that moves": ("changes", {"revision": 4}, {"namespace": "z"}, {"broken-history"}),
    "two deletions": ("changes", {"revision": 3}, {"action": "delete", "document": None}, {"broken-history"}),
    "deleted and there": ("changes", {"revision": 2}, {"action": "delete", "document": None}, {"wrong-history"}),
    "another document": (
        "changes",
        {"revision": 5},
        {"document": '{"kind":"print","name":"a","x":3}'},
        {"wrong-history"},
    ),
    "another name in the history": ("changes", {"revision": 5}, {"name": "z"}, {"wrong-history"}),
    # the counter
    "a counter that went back": (
        "state",
        {"identity": True},
        {"revision": 9},
        {"revision-out-of-range", "wrong-trial"},
    ),
    # trials
    "a trial that is no JSON": ("trials", {}, {"body": "{"}, {"unreadable-trial"}),
    "a trial that is a list": ("trials", {}, {"body": "[]"}, {"unreadable-trial"}),
    "another deadline": ("trials", {}, {"deadline": 1}, {"wrong-trial"}),
    "nothing to go back to": ("trial_documents", {}, GONE, {"wrong-trial"}),
    "another revision to go back to": ("trial_documents", {}, {"revision": 8}, {"wrong-trial"}),
    "what to go back to is no JSON": ("trial_documents", {}, {"document": "{"}, {"unreadable-document"}),
    # daemons
    "a daemon that is no JSON": ("instances", {}, {"body": "{"}, {"unreadable-instance"}),
    # values
    "a value that is plain": ("documents", {"name": "v"}, {"document": '{"name":"v","data":1}'}, {"plain-value"}),
    "a hash of a value": ("documents", {"name": "v"}, {"meaning": "hunter2"}, {"wrong-column"}),
}


@pytest.mark.parametrize("case", CASES)
async def test_damage(broken: Broken, ids: Ids, case: str) -> None:
    table, where, content, expected = CASES[case]
    if "identity" in where:
        where = {}
    await broken.damage(table, where or _everything(broken, table), content)
    assert await broken.codes() == expected
    for finding in (await broken.check()).findings:
        assert finding.subject
        assert finding.hint
        assert "hunter2" not in str(finding)
        json.dumps(finding.to_json())


def _everything(broken: Broken, table: str) -> Mapping[str, Any]:
    """A condition that each row of a table meets."""
    return {"1": 1} if isinstance(broken, BrokenFile) else {}


async def test_forgotten_and_missing_changes(broken: Broken, ids: Ids) -> None:
    """A file knows that no change is missing; a database counts the changes of each spec."""
    in_file = isinstance(broken, BrokenFile)
    await broken.damage("changes", {"revision": 4}, GONE)
    assert await broken.codes() == ({"missing-change"} if in_file else {"broken-history"})
    await broken.damage("changes", {"revision": 5}, GONE)
    assert await broken.codes() == ({"missing-change", "wrong-history"} if in_file else {"wrong-history"})
    await broken.damage("changes", {"revision": 1}, GONE)
    checked = await broken.check()
    assert {finding.code for finding in checked.findings} == (
        {"missing-change", "no-history"} if in_file else {"no-history"}
    )
    assert [finding.severity for finding in checked.findings if finding.code == "no-history"] == ["warning"]


async def test_a_change_to_come(broken: Broken) -> None:
    async with broken.store as store:
        await store.apply([spec("a")])
        await store.apply([DeleteSpec(namespace="default", name="a")])
    await broken.damage("state", _everything(broken, "state"), {"revision": 1})
    [finding] = (await broken.check()).findings
    assert (finding.code, finding.subject.partition(" of ")[0]) == ("revision-out-of-range", "revision 2")


async def test_values_in_each_others_place(broken: Broken, ids: Ids) -> None:
    documents: dict[str, str] = {}
    if isinstance(broken, BrokenFile):
        with closing(sqlite3.connect(broken.path)) as raw:
            documents = dict(raw.execute("SELECT name, document FROM documents WHERE resource = 'value'"))
    else:
        assert isinstance(broken, BrokenDatabase)

        async def look(database: Any) -> None:
            documents.update(
                {row["name"]: row["document"] async for row in database["documents"].find({"resource": "value"})}
            )

        await broken.on(look)
    await broken.damage("documents", {"name": "v"}, {"document": documents["w"]})
    assert await broken.codes() == {"sealed-value"}


async def test_a_key_that_is_not_at_hand(broken: Broken, ids: Ids) -> None:
    if isinstance(broken, BrokenFile):
        broken.path.with_name("store.db.key").unlink()
        broken.store = SqliteStore(broken.path)
    else:
        assert isinstance(broken, BrokenDatabase)
        broken.store = MongodbStore(broken.url)
    [finding] = (await broken.check()).findings
    assert finding.code == "missing-key"
    assert finding.message.startswith("2 values cannot be opened")


async def test_a_trial_that_nobody_takes_back(broken: Broken, ids: Ids) -> None:
    body: dict[str, Any] = {}
    async with broken.store as store:
        [trial] = await store.trials()
        body = trial.to_json()
    body["deadline"] = "2020-01-01T00:00:00+00:00"
    deadline = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    await broken.damage("trials", {"id": ids.trial}, {"body": json.dumps(body), "deadline": deadline})
    [finding] = (await broken.check()).findings
    assert (finding.code, finding.severity) == ("overdue-trial", "warning")
    assert ids.trial in finding.hint


async def test_a_trial_of_nothing(broken: Broken, ids: Ids) -> None:
    async with broken.store as store:
        [trial] = await store.trials()
        body = trial.to_json()
    body["specs"].append({**body["specs"][0], "id": str(UUID(int=1)), "before": None})
    await broken.damage("trials", {"id": ids.trial}, {"body": json.dumps(body)})
    [finding] = (await broken.check()).findings
    assert (finding.code, "of which the store knows nothing" in finding.message) == ("wrong-trial", True)


async def test_what_a_trial_has_left_behind(broken: Broken, ids: Ids) -> None:
    await broken.damage("trials", {"id": ids.trial}, GONE)
    findings = (await broken.check()).findings
    assert {(finding.code, finding.severity) for finding in findings} == {("orphaned-row", "warning")}
    assert "spec 'tried' in namespace 'default'" in [finding.subject for finding in findings]


async def test_dead_daemons_are_counted(broken: Broken, ids: Ids) -> None:
    table = "heartbeats" if isinstance(broken, BrokenFile) else "instances"
    await broken.damage(table, {"id": "i"}, {"time": 1})
    checked = await broken.check()
    assert (checked.alive, checked.dead, checked.findings) == (0, 1, ())


async def test_what_makes_no_sense_at_all(broken: Broken, ids: Ids) -> None:
    """A column of another type: SQLite refuses that by itself (STRICT), and finds it."""
    if isinstance(broken, BrokenFile):
        with closing(sqlite3.connect(broken.path, isolation_level=None)) as raw:
            raw.execute("PRAGMA writable_schema = ON")
            raw.execute("UPDATE sqlite_master SET sql = replace(sql, ') STRICT', ')') WHERE name = 'documents'")
        broken.execute("UPDATE documents SET revision = 'x' WHERE name = 'a'")
        assert await broken.codes() == {"unreadable-row", "changed-table"}
        return
    await broken.damage("documents", A, {"revision": "x"})
    assert await broken.codes() == {"unreadable-row"}


async def test_more_than_fits_into_a_part(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = "sqlite" if isinstance(broken, BrokenFile) else "mongodb"
    monkeypatch.setattr(f"engine.store.{kind}.inspection.COUNT", 2)
    steps: list[tuple[str, int, int]] = []
    async with broken.store as store:
        await store.apply([spec(f"s{number}") for number in range(5)])
    async with broken.store.inspection() as inspection:
        checked = await check(inspection, tell=lambda *step: steps.append(step))
    assert (checked.specs, checked.changes, checked.findings) == (5, 5, ())
    assert [step for step in steps if step[0] == "documents"] == [("documents", done, 5) for done in (2, 4, 5)]
