"""What every store must do. A new store joins by a line in `STORES`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from engine.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from engine.spec.model import Spec, Value, parse_spec, parse_value
from engine.spec.yaml import parse
from engine.store.memory import MemoryStore
from engine.store.mongodb import MongodbStore
from engine.store.protocol import (
    Batch,
    Change,
    DeleteSpec,
    DeleteValue,
    Example,
    Instance,
    PutSpec,
    PutValue,
    Query,
    Resync,
    Retention,
    SpecState,
    Store,
    Trial,
    Watch,
)
from engine.store.sqlite import SqliteStore
from engine.store.trial import Former

STORES: dict[str, Callable[..., Store]] = {
    "memory": lambda fixture, **options: MemoryStore(**options),
    "sqlite": lambda fixture, **options: SqliteStore(fixture("tmp_path") / "store.db", **options),
    "mongodb": lambda fixture, **options: MongodbStore(fixture("mongodb_url"), keys=fixture("values_keys"), **options),
}

ID = "0191b2c3-0000-7000-8000-000000000001"
OTHER_ID = "0191b2c3-0000-7000-8000-000000000002"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Store]:
    async with STORES[request.param](request.getfixturevalue, clock=clock) as opened:
        yield opened


@pytest.fixture(params=STORES)
async def short_store(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Store]:
    """Keeps three revisions of a spec, for an hour."""
    retention = Retention(count=3, age=timedelta(hours=1))
    async with STORES[request.param](request.getfixturevalue, clock=clock, retention=retention) as opened:
        yield opened


def spec(name: str | None = "a", **fields: Any) -> Spec:
    document = {"kind": "print", **fields}
    if name is not None:
        document["name"] = name
    return parse_spec(document)


def value(name: str, data: Any, **fields: Any) -> Value:
    return parse_value({"name": name, "data": data, **fields})


async def one(store: Store, subject: Spec) -> Spec:
    """Put one spec; what is stored."""
    (outcome,) = await store.apply([PutSpec(subject)])
    assert outcome.spec is not None
    return outcome.spec


async def names(store: Store, query: Query | None = None) -> list[str | None]:
    return [found.name for found in await store.specs(query or Query())]


async def take(watch: Watch) -> Batch:
    async with asyncio.timeout(20):
        item = await anext(watch)
    assert isinstance(item, Batch)
    return item


# Writing and reading


async def test_a_dry_run_answers_as_apply_would_and_writes_nothing(store: Store) -> None:
    [first] = await store.apply([PutSpec(spec("a"))])
    async with store.watch() as watch:
        same, new, gone = await store.apply(
            [PutSpec(spec("a")), PutSpec(spec("b")), DeleteSpec(namespace="default", name="a")], dry_run=True
        )
        assert (same.action, new.action, gone.action) == ("unchanged", "created", "deleted")
        assert (same.id, gone.id) == (first.id, first.id)
        assert new.spec is not None
        assert new.spec.id == new.id
        with pytest.raises(ConflictError):
            await store.apply([PutSpec(spec("a", x=1), expect=99)], dry_run=True)
        assert [(each.name, each.revision) for each in await store.specs()] == [("a", first.revision)]
        assert len(await store.history("default", "a")) == 1
        [after] = await store.apply([PutSpec(spec("c"))])
        assert after.revision == first.revision + 1
        assert (await anext(watch)).revision == after.revision  # the first that the watch hears of


async def test_an_empty_store_lists_nothing_at_revision_0(store):
    page = await store.specs()
    assert page == []
    assert (page.revision, page.after, page.problems) == (0, None, ())
    assert await store.values() == []


async def test_a_new_spec_gets_an_id_and_a_revision(store):
    (outcome,) = await store.apply([PutSpec(spec("a", filename="x"))])
    assert (outcome.action, outcome.resource, outcome.namespace, outcome.name) == ("created", "spec", "default", "a")
    assert outcome.revision == 1
    assert UUID(outcome.id).version == 7
    (found,) = await store.specs()
    assert found == outcome.spec
    assert (found.id, found.revision, found.fields) == (outcome.id, 1, {"filename": "x"})


async def test_the_document_stays_as_it_was_written(store):
    document = {"name": "a", "kind": "print", "revision": 7, "z": [1, 1.0, True, None, "ä\n\0", {"b": {}, "a": []}]}
    await store.apply([PutSpec(parse_spec(document))])
    (found,) = await store.specs()
    assert list(found.document) == ["name", "kind", "z"]
    assert found.document["z"] == document["z"]
    assert [type(item) for item in found.document["z"]] == [int, float, bool, type(None), str, dict]


async def test_places_come_back(store):
    (document,) = parse("kind: print\nname: a\nport:\n    deep: 1\n", "flow.yaml")
    await store.apply([PutSpec(parse_spec(document.data, origin=document.origin))])
    (found,) = await store.specs()
    assert found.origin is not None
    assert str(found.origin.place(("port", "deep"))) == "flow.yaml:4:11"


async def test_changing_what_was_handed_in_or_out_changes_nothing(store):
    document = {"kind": "print", "name": "a", "list": [1]}
    subject = parse_spec(document)
    await store.apply([PutSpec(subject)])
    document["list"].append(2)
    subject.document["list"].append(3)
    (found,) = await store.specs()
    found.document["list"].append(4)
    (again,) = await store.specs()
    assert again.document["list"] == [1]


async def test_a_second_put_of_a_name_configures_the_same_spec(store):
    first = await one(store, spec("a", n=1))
    (outcome,) = await store.apply([PutSpec(spec("a", n=2))])
    assert (outcome.action, outcome.id, outcome.revision) == ("configured", first.id, 2)
    assert [found.fields for found in await store.specs()] == [{"n": 2}]


async def test_the_same_meaning_is_unchanged_and_takes_no_revision(store):
    await one(store, spec("a", n=1, m=2))
    (outcome,) = await store.apply([PutSpec(parse_spec({"m": 2, "n": 1, "name": "a", "kind": "print", "revision": 1}))])
    assert (outcome.action, outcome.revision) == ("unchanged", 1)
    assert outcome.spec is not None
    assert outcome.spec.revision == 1
    assert (await store.specs()).revision == 1


@pytest.mark.parametrize("change", [{"n": 1.0}, {"n": True}, {"n": "1"}, {"n": 1, "labels": {"a": "b"}}])
async def test_another_meaning_is_a_change(store, change):
    await one(store, spec("a", n=1))
    (outcome,) = await store.apply([PutSpec(spec("a", **change))])
    assert (outcome.action, outcome.revision) == ("configured", 2)


async def test_an_unchanged_spec_that_moved_in_its_file_has_its_new_place(store):
    for text in ("kind: print\nname: a\n", "# a comment\nkind: print\nname: a\n"):
        (document,) = parse(text, "flow.yaml")
        (outcome,) = await store.apply([PutSpec(parse_spec(document.data, origin=document.origin))])
    assert outcome.action == "unchanged"
    (found,) = await store.specs()
    assert found.origin is not None
    assert (found.origin.place(("kind",)).line, found.revision) == (2, 1)
    await one(store, spec("a"))  # one without places, from an API, does not forget them
    assert (await store.specs())[0].origin == found.origin


async def test_unnamed_specs_are_new_each_time(store):
    outcomes = await store.apply([PutSpec(spec(None)), PutSpec(spec(None))])
    outcomes += await store.apply([PutSpec(spec(None))])
    assert [outcome.action for outcome in outcomes] == ["created"] * 3
    assert len({outcome.id for outcome in outcomes}) == len(await store.specs()) == 3


async def test_an_unnamed_spec_with_an_id_is_that_spec(store):
    for n in (1, 2):
        (outcome,) = await store.apply([PutSpec(spec(None, id=ID.upper(), n=n))])
    assert (outcome.action, outcome.id) == ("configured", ID)
    assert [found.id for found in await store.specs(Query(ids=(ID.upper(),)))] == [ID]


async def test_a_spec_is_renamed_by_its_id(store):
    first = await one(store, spec("a"))
    (outcome,) = await store.apply([PutSpec(spec("b", id=first.id))])
    assert (outcome.action, outcome.id, outcome.name) == ("configured", first.id, "b")
    assert await names(store) == ["b"]
    (created,) = await store.apply([PutSpec(spec("a"))])
    assert created.action == "created"


async def test_two_specs_swap_their_names_in_one_apply(store):
    a, b = await one(store, spec("a")), await one(store, spec("b"))
    await store.apply([PutSpec(spec("b", id=a.id)), PutSpec(spec("a", id=b.id))])
    assert [(found.name, found.id) for found in await store.specs()] == [("a", b.id), ("b", a.id)]


async def test_a_namespace_from_outside_the_document_is_kept(store):
    await store.apply([PutSpec(parse_spec({"kind": "print", "name": "a"}, namespace="blue"))])
    (found,) = await store.specs()
    assert found.namespace == "blue"
    assert "namespace" not in found.document


async def test_names_are_apart_between_namespaces_and_between_specs_and_values(store):
    outcomes = await store.apply([PutSpec(spec("a")), PutSpec(spec("a", namespace="n")), PutValue(value("a", 1))])
    assert [outcome.action for outcome in outcomes] == ["created"] * 3


async def test_values_are_stored_like_specs(store):
    (created,) = await store.apply([PutValue(value("v", {"password": "x"}))])
    (unchanged,) = await store.apply([PutValue(value("v", {"password": "x"}))])
    (configured,) = await store.apply([PutValue(value("v", None), expect=1)])
    assert [created.action, unchanged.action, configured.action] == ["created", "unchanged", "configured"]
    assert configured.value is not None
    assert configured.spec is None
    (found,) = await store.values()
    assert (found.id, found.data, found.revision) == (created.id, None, 2)
    (deleted,) = await store.apply([DeleteValue(namespace="default", name="v")])
    assert deleted.value == found
    assert await store.values() == []


@pytest.mark.parametrize("by", ["id", "name"])
async def test_delete(store, by):
    stored = await one(store, spec("a"))
    target = DeleteSpec(id=stored.id) if by == "id" else DeleteSpec(namespace="default", name="a")
    (outcome,) = await store.apply([target])
    assert (outcome.action, outcome.id, outcome.name, outcome.revision) == ("deleted", stored.id, "a", 2)
    assert outcome.spec == stored
    page = await store.specs()
    assert (page, page.revision) == ([], 2)


async def test_writes_take_effect_one_after_another(store):
    outcomes = await store.apply(
        [
            PutSpec(spec("a", n=1)),
            PutSpec(spec("a", n=2)),
            DeleteSpec(namespace="default", name="a"),
            PutSpec(spec("a")),
        ]
    )
    assert [outcome.action for outcome in outcomes] == ["created", "configured", "deleted", "created"]
    assert [outcome.revision for outcome in outcomes] == [1, 2, 3, 4]
    assert outcomes[0].id == outcomes[1].id == outcomes[2].id != outcomes[3].id


async def test_applying_nothing_does_nothing(store):
    assert await store.apply([]) == []


# Conflicts


async def test_a_stale_revision_is_a_conflict_that_names_both(store):
    await one(store, spec("a", n=1))
    await one(store, spec("a", n=2))
    with pytest.raises(ConflictError, match="print/a was read at revision 1, but has revision 2") as caught:
        await store.apply([PutSpec(spec("a", n=3), expect=1)])
    assert caught.value.hint
    assert caught.value.value.details["expected"] == 1
    assert caught.value.value.details["actual"] == 2
    with pytest.raises(ConflictError):
        await store.apply([DeleteSpec(namespace="default", name="a", expect=1)])
    await store.apply([PutSpec(spec("a", n=3), expect=2)])
    await store.apply([DeleteSpec(namespace="default", name="a", expect=3)])


async def test_a_stale_revision_of_something_unchanged_is_a_conflict_too(store):
    await one(store, spec("a", n=1))
    with pytest.raises(ConflictError):
        await store.apply([PutSpec(spec("a", n=1), expect=5)])


async def test_a_revision_of_what_is_gone_is_a_conflict(store):
    with pytest.raises(ConflictError, match="at revision 4 and is not there any more"):
        await store.apply([PutSpec(spec("a"), expect=4)])


@pytest.mark.parametrize("options", [{"create_only": True}, {"expect": 0}])
async def test_creating_what_is_there_is_a_conflict(store, options):
    await store.apply([PutSpec(spec("a"), **options)])
    with pytest.raises(ConflictError, match="there"):
        await store.apply([PutSpec(spec("a"), **options)])


async def test_an_id_stays_in_its_namespace(store):
    await one(store, spec("a", id=ID))
    with pytest.raises(ConflictError, match="has the id of spec 'a' in namespace 'default'"):
        await store.apply([PutSpec(spec("a", id=ID, namespace="n"))])
    await store.apply([DeleteSpec(id=ID), PutSpec(spec("a", id=ID, namespace="n"))])


async def test_a_name_belongs_to_one_id(store):
    await one(store, spec("a", id=ID))
    with pytest.raises(ConflictError, match=f"the name 'a' in namespace 'default' is held by {ID}"):
        await store.apply([PutSpec(spec("a", id=OTHER_ID))])


async def test_a_conflict_has_the_place_of_the_spec(store):
    await one(store, spec("a"))
    (document,) = parse("\n\nkind: print\nname: a\n", "flow.yaml")
    with pytest.raises(ConflictError) as caught:
        await store.apply([PutSpec(parse_spec(document.data, origin=document.origin), create_only=True)])
    assert str(caught.value.place) == "flow.yaml:3:1"


@pytest.mark.parametrize(
    "target",
    [
        DeleteSpec(id=ID),
        DeleteSpec(namespace="default", name="b"),
        DeleteSpec(namespace="n", name="a"),
        DeleteValue(namespace="default", name="a"),
    ],
)
async def test_deleting_what_is_not_there(store, target):
    await one(store, spec("a"))
    with pytest.raises(NotFoundError, match="there is no"):
        await store.apply([target])


async def test_an_id_in_another_namespace_is_not_deleted(store):
    await one(store, spec("a", id=ID))
    with pytest.raises(NotFoundError):
        await store.apply([DeleteSpec(id=ID, namespace="n")])
    assert await names(store) == ["a"]


@pytest.mark.parametrize(
    "bad",
    [
        PutSpec(parse_spec({"kind": "print", "name": "a"}), create_only=True),
        PutSpec(parse_spec({"kind": "print", "name": "c", "data": float("nan")})),
        DeleteSpec(namespace="default", name="nobody"),
    ],
)
async def test_all_or_nothing(store, bad):
    await one(store, spec("a"))
    await one(store, spec("b"))
    before = await store.specs()
    async with store.watch() as watch:
        with pytest.raises((ConflictError, InvalidError, NotFoundError)):
            await store.apply([PutSpec(spec("new")), DeleteSpec(namespace="default", name="b"), bad])
        after = await store.specs()
        assert (after, after.revision) == (before, before.revision)
        assert len(await store.history("default", "b")) == 1
        await one(store, spec("next"))
        assert [change.name for change in (await take(watch)).changes] == ["next"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x00", "type bytes at data"),
        (datetime(2026, 1, 1, tzinfo=UTC), "type datetime at data"),
        ([float("inf")], "number inf at data.0"),
        ("\ud800", "surrogate"),
        ("x" * (4 * 1024 * 1024), "4,194,304"),
    ],
)
async def test_what_cannot_be_stored(store, data, says):
    with pytest.raises(InvalidError, match=says):
        await store.apply([PutValue(value("v", data))])
    assert await store.values() == []


async def test_only_writes_can_be_applied(store):
    with pytest.raises(InvalidError, match="cannot apply a Spec"):
        await store.apply([spec("a")])


# Listing


async def test_listings_are_ordered_by_namespace_and_then_name_or_id(store):
    subjects = [spec(name) for name in ("b", "Ä", "a", "B", "\U0001f600", "\uffee")]
    subjects += [spec(None, id=ID), spec("a", namespace="0")]
    await store.apply([PutSpec(subject) for subject in subjects])
    listed = [found.key for found in await store.specs()]
    assert listed == sorted(listed)
    assert len(listed) == 8


async def test_pages_show_everything_once(store):
    await store.apply([PutSpec(spec(f"n{i:02}", namespace=f"s{i % 3}")) for i in range(20)])
    everything = [found.key for found in await store.specs()]
    for limit in (1, 3, 20, 21):
        seen, after, pages = [], None, 0
        while True:
            page = await store.specs(Query(limit=limit, after=after))
            assert len(page) <= limit
            seen += [found.key for found in page]
            after, pages = page.after, pages + 1
            if after is None:
                break
        assert seen == everything
        assert pages == -(-20 // limit)


async def test_a_page_goes_on_after_its_last_spec_was_deleted(store):
    await store.apply([PutSpec(spec(name)) for name in "abc"])
    page = await store.specs(Query(limit=2))
    await store.apply([DeleteSpec(namespace="default", name="b")])
    assert await names(store, Query(after=page.after)) == ["c"]


async def test_a_token_that_no_listing_gave(store):
    with pytest.raises(InvalidError, match="no token"):
        await store.specs(Query(after="what?"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(), "abcd"),
        (Query(namespaces=("default",)), "bcd"),
        (Query(namespaces=("default", "0")), "abcd"),
        (Query(namespaces=()), ""),
        (Query(except_namespace="default"), "a"),
        (Query(names=("a", "d", "x")), "ad"),
        (Query(names=()), ""),
        (Query(ids=(ID,)), "b"),
        (Query(ids=()), ""),
        (Query(labels={"tier": "1"}), "bc"),
        (Query(labels={"tier": "1", "team": "x"}), "c"),
        (Query(labels={"tier": "2"}), ""),
        (Query(matches=()), ""),
        (Query(matches=(Example(),)), "abcd"),
        (Query(matches=(Example(id=ID), Example(id=OTHER_ID))), "b"),
        (Query(matches=(Example(name="c"), Example(name="a", namespace="0"))), "ac"),
        (Query(matches=(Example(name="a", namespace="default"),)), ""),
        (Query(matches=(Example(id=ID), Example(labels={"team": "x"}))), "bc"),
        (Query(matches=(Example(id=ID.upper(), name="c"),)), ""),
        (Query(names=("b", "c"), labels={"team": "x"}, except_namespace="0"), "c"),
        (Query(labels={"tier": "1"}, limit=1), "b"),
    ],
)
async def test_queries(store, query, expected):
    await store.apply(
        [
            PutSpec(spec("a", namespace="0")),
            PutSpec(spec("b", id=ID, labels={"tier": 1})),
            PutSpec(spec("c", labels={"tier": "1", "team": "x"})),
            PutSpec(spec("d")),
            PutValue(value("v", 1, labels={"tier": "1"})),
        ]
    )
    assert await names(store, query) == list(expected)


async def test_a_page_with_a_limit_and_labels_knows_whether_more_follow(store):
    await store.apply([PutSpec(spec(name, labels={"even": str(i % 2 == 0)})) for i, name in enumerate("abcdef")])
    page = await store.specs(Query(labels={"even": "True"}, limit=3))
    assert ([found.name for found in page], page.after) == (["a", "c", "e"], None)
    page = await store.specs(Query(labels={"even": "True"}, limit=2))
    assert page.after is not None


# Watching


async def test_a_watch_sees_what_is_applied_after_it_was_opened(store):
    await one(store, spec("before"))
    async with store.watch() as watch:
        stored = await one(store, spec("a", n=1))
        batch = await take(watch)
        assert batch == Batch(
            2, (Change(2, "put", "spec", "default", stored.id, "a", {"kind": "print", "n": 1, "name": "a"}),)
        )
        assert batch.changes[0].subject() == stored
        await store.apply([DeleteSpec(id=stored.id)])
        batch = await take(watch)
        assert batch == Batch(3, (Change(3, "delete", "spec", "default", stored.id, "a"),))
        assert batch.changes[0].subject() is None


async def test_one_apply_is_one_batch(store):
    await store.apply([PutSpec(spec("old"))])
    async with store.watch() as watch:
        await store.apply(
            [
                PutSpec(spec("a")),
                PutSpec(spec("old")),
                DeleteSpec(namespace="default", name="old"),
                PutValue(value("v", 1)),
            ]
        )
        await store.apply([PutSpec(spec("b"))])
        first, second = await take(watch), await take(watch)
    assert [(change.action, change.resource, change.name) for change in first.changes] == [
        ("put", "spec", "a"),
        ("delete", "spec", "old"),
        ("put", "value", "v"),
    ]
    assert (first.revision, second.revision) == (4, 5)
    value_change = first.changes[2].subject()
    assert isinstance(value_change, Value)
    assert value_change.data == 1


async def test_what_is_unchanged_is_not_told(store):
    await one(store, spec("a"))
    async with store.watch() as watch:
        await one(store, spec("a"))
        await one(store, spec("b"))
        assert [change.name for change in (await take(watch)).changes] == ["b"]


async def test_a_watch_tells_places(store):
    (document,) = parse("kind: print\nname: a\n", "flow.yaml")
    async with store.watch() as watch:
        await store.apply([PutSpec(parse_spec(document.data, origin=document.origin))])
        (change,) = (await take(watch)).changes
    subject = change.subject()
    assert subject is not None
    assert str(subject.place) == "flow.yaml:1:1"


async def test_a_watch_of_some_namespaces(store):
    async with store.watch(frozenset({"blue"})) as watch:
        await one(store, spec("a"))
        await store.apply([PutSpec(spec("b", namespace="blue")), PutSpec(spec("c"))])
        batch = await take(watch)
    assert (batch.revision, [change.name for change in batch.changes]) == (3, ["b"])


async def test_several_watches_see_the_same(store):
    async with store.watch() as first, store.watch(frozenset({"default"})) as second:
        await one(store, spec("a"))
        assert await take(first) == await take(second)
        async with store.watch() as third:
            await one(store, spec("b"))
            assert await take(first) == await take(second) == await take(third)
        await one(store, spec("c"))
        assert await take(first) == await take(second)


async def test_a_listing_within_a_watch_leaves_no_gap(store):
    """Writers at work: the listing, and then all later batches, make what the store has."""

    async def write(writer: int) -> None:
        for turn in range(15):
            await store.apply([PutSpec(spec(f"{writer}-{turn % 4}", turn=turn)), PutSpec(spec(f"{writer}", turn=turn))])

    async with asyncio.TaskGroup() as writers:
        for writer in range(3):
            writers.create_task(write(writer))
        await store.specs()
        async with store.watch() as watch:
            page = await store.specs()
            seen = {found.id: (found.name, found.revision) for found in page}
            last = page.revision
            while last < 3 * 15 * 2:
                batch = await take(watch)
                assert len(batch.changes) == 2
                if batch.revision <= page.revision:
                    continue
                assert [change.revision for change in batch.changes] == [last + 1, last + 2]
                last = batch.revision
                seen |= {change.id: (change.name, change.revision) for change in batch.changes}
    assert seen == {found.id: (found.name, found.revision) for found in await store.specs()}


async def test_cancelling_a_reader_loses_nothing(store):
    async with store.watch() as watch:
        reader = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await one(store, spec("a"))
        assert (await take(watch)).revision == 1


async def test_closing_the_store_ends_its_watches(store):
    async with store.watch() as watch:
        reader = asyncio.ensure_future(anext(watch, None))
        await asyncio.sleep(0)
        await store.close()
        async with asyncio.timeout(20):
            assert await reader is None
            assert [item async for item in watch] == []


async def test_a_closed_watch_yields_nothing(store):
    async with store.watch() as watch:
        await one(store, spec("a"))
    assert [item async for item in watch] == []
    with pytest.raises(RuntimeError, match="only once"):
        await watch.__aenter__()


async def test_a_watch_must_be_entered(store):
    with pytest.raises(RuntimeError, match="enter the watch"):
        await anext(store.watch())


# History


async def test_history_tells_who_when_and_why(store, clock):
    await store.apply([PutSpec(spec("a", n=1))], author="ann", message="first")
    first_time, clock.now = clock.now, clock.now + timedelta(minutes=1)
    await store.apply([PutSpec(spec("a", n=2))], author="bob")
    await store.apply([DeleteSpec(namespace="default", name="a")])
    entries = await store.history("default", "a")
    assert [(entry.revision, entry.action, entry.author, entry.message) for entry in entries] == [
        (3, "delete", None, None),
        (2, "put", "bob", None),
        (1, "put", "ann", "first"),
    ]
    assert [entry.time for entry in entries] == [clock.now, clock.now, first_time]
    assert [entry.document and entry.document["n"] for entry in entries] == [None, 2, 1]


async def test_history_by_id_and_limit(store):
    for n in range(3):
        stored = await one(store, spec("a", n=n))
    assert [entry.revision for entry in await store.history("default", stored.id.upper(), limit=2)] == [3, 2]
    assert await store.history("other", stored.id) == []
    assert await store.history("default", "nobody") == []


async def test_history_of_a_name_follows_renames_and_deletions(store):
    first = await one(store, spec("a"))
    await one(store, spec("b", id=first.id))
    second = await one(store, spec("a"))
    assert [(entry.id, entry.name) for entry in await store.history("default", "b")] == [
        (first.id, "b"),
        (first.id, "a"),
    ]
    assert [entry.id for entry in await store.history("default", "a")] == [second.id, first.id]
    await store.apply([DeleteSpec(id=second.id)])
    assert [entry.action for entry in await store.history("default", "a")] == ["delete", "put", "put"]


async def test_a_rollback_is_a_put_of_an_old_document(store):
    stored = await one(store, spec("a", n=1))
    await one(store, spec("a", n=2))
    old = (await store.history("default", "a"))[-1]
    (outcome,) = await store.apply([PutSpec(parse_spec(old.document, origin=old.origin, namespace=old.namespace))])
    assert (outcome.action, outcome.id, outcome.revision) == ("configured", stored.id, 3)


async def test_history_is_kept_up_to_a_count(short_store):
    for n in range(6):
        await one(short_store, spec("a", n=n))
        await one(short_store, spec("b", n=n))
    assert [entry.revision for entry in await short_store.history("default", "a")] == [11, 9, 7]
    assert len(await short_store.specs()) == 2


async def test_history_is_kept_for_a_time(short_store, clock):
    await one(short_store, spec("a", n=1))
    await one(short_store, spec("b"))
    clock.now += timedelta(minutes=59)
    await one(short_store, spec("a", n=2))
    assert len(await short_store.history("default", "a")) == 2
    clock.now += timedelta(minutes=2)
    await one(short_store, spec("c"))
    assert [entry.revision for entry in await short_store.history("default", "a")] == [3]
    assert await short_store.history("default", "b") == []
    assert await names(short_store) == ["a", "b", "c"]


# Trials


def spelled(store_specs: list[Spec]) -> dict[str | None, Any]:
    """What each spec says, by name."""
    return {each.name: each.fields.get("x") for each in store_specs}


async def begin(store: Store, *writes: Any, length: timedelta = timedelta(minutes=1), **options: Any) -> Trial:
    applied = await store.apply(writes, trial=length, **options)
    assert applied.trial is not None
    return applied.trial


async def test_a_trial_tells_what_it_wrote_and_what_was_there(store, clock):
    old, gone = await store.apply([PutSpec(spec("a", x=1)), PutSpec(spec("b", x=1))])
    applied = await store.apply(
        [PutSpec(spec("c", x=1)), PutSpec(spec("a", x=2)), DeleteSpec(id=gone.id), PutSpec(spec("a", x=2))],
        author="ada",
        message="try",
        trial=timedelta(seconds=90),
    )
    trial = applied.trial
    assert await store.trials() == [trial]
    assert (trial.author, trial.message, trial.made) == ("ada", "try", clock.now)
    assert trial.deadline == clock.now + timedelta(seconds=90)
    assert UUID(trial.id).version == 7
    assert [(each.action, each.label, each.id, each.revision, each.before) for each in trial.specs] == [
        ("created", "print/c", applied[0].id, 3, None),
        ("configured", "print/a", old.id, 4, Former(1, "a")),
        ("deleted", "print/b", gone.id, 5, Former(2, "b")),
    ]
    assert Trial.from_json(json.loads(json.dumps(trial.to_json()))) == trial
    assert trial.namespaces == {"default"}


async def test_what_is_confirmed_stays(store):
    await store.apply([PutSpec(spec("a", x=1))])
    trial = await begin(store, PutSpec(spec("a", x=2)))
    assert await store.confirm(trial.id.upper()) == trial
    assert await store.trials() == []
    for end in (store.confirm, store.revert):
        with pytest.raises(NotFoundError, match=f"there is no trial {trial.id}"):
            await end(trial.id)
    assert spelled(await store.specs()) == {"a": 2}


async def test_what_is_taken_back_is_as_it_was(store, clock):
    (document,) = parse("kind: print\nname: a\nx: 1\nlabels: {l: '1'}\n", "flow.yaml")
    before = parse_spec(document.data, origin=document.origin)
    old, gone = await store.apply([PutSpec(before), PutSpec(spec("b", x=1))])
    trial = await begin(
        store,
        PutSpec(spec("c", x=1)),
        PutSpec(spec("n", x=2).replace(id=old.id)),
        DeleteSpec(id=gone.id),
        message="try",
    )
    clock.now += timedelta(seconds=5)
    async with store.watch() as watch:
        reverted = await store.revert(trial.id, author="weir")
        batch = await take(watch)
    assert reverted.trial == trial
    assert reverted.left == []
    assert [(each.action, each.name) for each in reverted.outcomes] == [
        ("deleted", "c"),
        ("configured", "a"),
        ("created", "b"),
    ]
    assert [(each.revision, each.action, each.name) for each in batch.changes] == [
        (6, "delete", "c"),
        (7, "put", "a"),
        (8, "put", "b"),
    ]
    again, other = await store.specs()
    assert (again.id, again.document, again.labels, again.revision) == (old.id, document.data, {"l": "1"}, 7)
    assert again.origin is not None
    assert str(again.origin.place(("x",))) == "flow.yaml:3:4"
    assert (other.id, other.name, other.revision) == (gone.id, "b", 8)
    assert await names(store, Query(labels={"l": "1"})) == ["a"]
    newest = (await store.history("default", "a"))[0]
    assert (newest.author, newest.time) == ("weir", clock.now)
    assert newest.message == f"not confirmed: back to before trial {trial.id} (try)"
    assert await store.trials() == []


async def test_what_somebody_has_changed_since_is_left(store):
    await store.apply([PutSpec(spec(name, x=1)) for name in ("changed", "deleted", "again", "mine")])
    trial = await begin(
        store,
        *(PutSpec(spec(name, x=2)) for name in ("changed", "deleted", "mine", "new")),
        DeleteSpec(namespace="default", name="again"),
    )
    [mended, *_] = await store.apply(
        [
            PutSpec(spec("changed", x=3)),
            DeleteSpec(namespace="default", name="deleted"),
            PutSpec(spec("again", x=3).replace(id=trial.specs[-1].id)),
            PutSpec(spec("new", x=3)),
        ]
    )
    reverted = await store.revert(trial.id)
    assert {left.spec.name: left.reason for left in reverted.left} == {
        "changed": f"it was changed meanwhile, and has revision {mended.revision} by now",
        "deleted": "it was deleted meanwhile",
        "again": "it is there again, at revision 12",
        "new": "it was changed meanwhile, and has revision 13 by now",
    }
    assert spelled(await store.specs()) == {"changed": 3, "again": 3, "mine": 1, "new": 3}
    assert await store.trials() == []


async def test_a_name_that_is_taken_meanwhile_keeps_all_that_hang_on_it(store):
    a, b = await store.apply([PutSpec(spec("a", x="a")), PutSpec(spec("b", x="b"))])
    trial = await begin(store, PutSpec(spec("b2", x="b").replace(id=b.id)), PutSpec(spec("b", x="a").replace(id=a.id)))
    # Somebody changes the one that is called "b" now: the other cannot have its name back, and stays as well.
    await store.apply([PutSpec(spec("b", x="his").replace(id=a.id))])
    reverted = await store.revert(trial.id)
    assert [left.spec.id for left in reverted.left] == [a.id, b.id]
    assert reverted.left[1].reason == f"its name 'b' is held by {a.id} by now"
    assert reverted.outcomes == []
    assert spelled(await store.specs()) == {"b": "his", "b2": "b"}


async def test_names_that_were_swapped_are_swapped_back(store):
    a, b = await store.apply([PutSpec(spec("a", x="a")), PutSpec(spec("b", x="b"))])
    trial = await begin(store, PutSpec(spec("b", x="a").replace(id=a.id)), PutSpec(spec("a", x="b").replace(id=b.id)))
    assert (await store.revert(trial.id)).left == []
    assert spelled(await store.specs()) == {"a": "a", "b": "b"}


async def test_a_spec_that_is_replaced_by_another_of_its_name_comes_back(store):
    old = await one(store, spec("a", x=1))
    trial = await begin(store, DeleteSpec(id=old.id), PutSpec(spec("a", x=2)))
    assert (await store.revert(trial.id)).left == []
    (again,) = await store.specs()
    assert (again.id, again.fields["x"]) == (old.id, 1)


@pytest.mark.parametrize(
    "write",
    [
        lambda a, b: PutSpec(spec("a", x=3)),
        lambda a, b: DeleteSpec(id=a),
        lambda a, b: PutSpec(spec("x", x=3).replace(id=a)),
        lambda a, b: PutSpec(spec("gone", x=3)),
        lambda a, b: PutSpec(spec("renamed", x=3)),
        lambda a, b: PutSpec(spec("was", x=3)),
    ],
    ids=["changed", "deleted", "renamed", "made again", "new name", "old name"],
)
async def test_two_trials_share_no_spec_and_no_name(store, write):
    a, was, _ = await store.apply([PutSpec(spec(name, x=1)) for name in ("a", "was", "gone")])
    first = await begin(
        store,
        PutSpec(spec("a", x=2)),
        PutSpec(spec("renamed", x=1).replace(id=was.id)),
        DeleteSpec(namespace="default", name="gone"),
    )
    with pytest.raises(ConflictError, match=rf"is in trial {first.id} already, until 2026-01-02T03:05:05\+00:00"):
        await begin(store, PutSpec(spec("other", x=1)), write(a.id, was.id))
    assert await store.trials() == [first]
    assert "other" not in await names(store)
    await store.revert(first.id)
    assert spelled(await store.specs()) == {"a": 1, "was": 1, "gone": 1}


async def test_trials_of_different_specs_go_back_in_any_order(store, clock):
    await store.apply([PutSpec(spec("a", x=1)), PutSpec(spec("b", x=1))])
    late = await begin(store, PutSpec(spec("a", x=2)), length=timedelta(minutes=2))
    early = await begin(store, PutSpec(spec("b", x=2)))
    assert await store.trials() == [early, late]
    await store.revert(late.id)
    assert spelled(await store.specs()) == {"a": 1, "b": 2}
    await store.revert(early.id)
    assert spelled(await store.specs()) == {"a": 1, "b": 1}
    await begin(store, PutSpec(spec("a", x=2)))  # nothing is left in its way


async def test_to_say_the_same_again_leaves_the_trial_as_it_is(store):
    await store.apply([PutSpec(spec("a", x=1))])
    trial = await begin(store, PutSpec(spec("a", x=2)))
    [outcome] = applied = await store.apply([PutSpec(spec("a", x=2))], trial=timedelta(minutes=1))
    assert (outcome.action, applied.trial) == ("unchanged", None)
    await store.revert(trial.id)
    assert spelled(await store.specs()) == {"a": 1}


async def test_a_trial_that_changes_nothing_is_none(store):
    await store.apply([PutSpec(spec("a", x=1))])
    for writes in ([], [PutSpec(spec("a", x=1))], [PutSpec(spec("b")), DeleteSpec(namespace="default", name="b")]):
        assert (await store.apply(writes, trial=timedelta(minutes=1))).trial is None
    assert (await store.apply([PutSpec(spec("a", x=2))])).trial is None
    assert await store.trials() == []


@pytest.mark.parametrize(
    ("writes", "length", "says"),
    [
        ([PutSpec(spec("n")), PutValue(value("v", 1))], timedelta(minutes=1), "values cannot be on trial"),
        ([DeleteValue(namespace="default", name="there")], timedelta(minutes=1), "values cannot be on trial"),
        ([PutSpec(spec("n"))], timedelta(milliseconds=999), "from 1s to 24h, not 0.999s"),
        ([PutSpec(spec("n"))], timedelta(hours=24, seconds=1), "from 1s to 24h, not 86401s"),
    ],
)
async def test_what_cannot_be_tried(store, writes, length, says):
    await store.apply([PutValue(value("there", 1))])
    with pytest.raises(InvalidError, match=says):
        await store.apply(writes, trial=length)
    assert await names(store) == []
    assert await store.trials() == []


async def test_a_dry_run_of_a_trial_begins_none(store):
    applied = await store.apply([PutSpec(spec("a"))], trial=timedelta(minutes=1), dry_run=True)
    assert applied.trial is not None
    assert await store.trials() == []
    with pytest.raises(InvalidError, match="from 1s"):
        await store.apply([], trial=timedelta(0), dry_run=True)


async def test_a_trial_outlives_the_store_that_began_it(store):
    await store.apply([PutSpec(spec("a", x=1))])
    trial = await begin(store, PutSpec(spec("a", x=2)))
    await store.close()
    for call in (store.trials(), store.confirm(trial.id), store.revert(trial.id)):
        with pytest.raises(UnavailableError):
            await call
    await store.open()
    assert await store.trials() == [trial]
    await store.revert(trial.id)
    assert spelled(await store.specs()) == {"a": 1}


async def test_a_trial_outlives_the_history(short_store):
    await short_store.apply([PutSpec(spec("a", x=0))])
    trial = await begin(short_store, PutSpec(spec("a", x=1)), PutSpec(spec("b", x=1)))
    for x in range(2, 8):
        await short_store.apply([PutSpec(spec("b", x=x))])
    await short_store.revert(trial.id)
    assert spelled(await short_store.specs()) == {"a": 0, "b": 7}


@pytest.mark.parametrize("ends", [("confirm", "revert"), ("revert", "confirm"), ("revert", "revert")])
async def test_a_trial_ends_once(store, ends):
    """Two that end it at the same moment: one of them does, and what he says holds."""
    await store.apply([PutSpec(spec("a", x=1))])
    trial = await begin(store, PutSpec(spec("a", x=2)))
    told = await asyncio.gather(*(getattr(store, end)(trial.id) for end in ends), return_exceptions=True)
    [won] = [end for end, answer in zip(ends, told, strict=True) if not isinstance(answer, BaseException)]
    [lost] = [answer for answer in told if isinstance(answer, BaseException)]
    assert isinstance(lost, NotFoundError)
    assert spelled(await store.specs()) == {"a": 2 if won == "confirm" else 1}
    assert len(await store.history("default", "a")) == (2 if won == "confirm" else 3)


# Instances


def instance(id: str, heartbeat: datetime, **fields: Any) -> Instance:
    return Instance(
        id, fields.pop("host", "here"), 42, fields.pop("namespace", "default"), heartbeat, heartbeat, **fields
    )


async def test_instances_tell_what_they_run(store, clock):
    states = {
        ID: SpecState(3, "failed", "it says `kind: no`", ({"code": "unknown-kind", "line": 3},)),
        OTHER_ID: SpecState(2, "active"),
    }
    told = instance("i", clock.now, revision=3, generation=9, states=states, active=7, view_age=2.5, lost="it is away")
    await store.put_instance(told)
    assert await store.instances() == [told]


async def test_a_heartbeat_renews_an_instance(store, clock):
    await store.put_instance(instance("i", clock.now))
    clock.now += timedelta(seconds=20)
    again = instance("i", clock.now, revision=1)
    await store.put_instance(again)
    clock.now += timedelta(seconds=20)
    assert await store.instances() == [again]
    clock.now += timedelta(seconds=10)
    assert await store.instances() == [again]
    clock.now += timedelta(microseconds=1)
    assert await store.instances() == []


async def test_heartbeats_are_the_stores_time_and_not_that_of_who_tells(store, clock):
    assert await store.now() == clock.now
    for id, off in (("a", timedelta(hours=-1)), ("b", timedelta(hours=1))):
        await store.put_instance(instance(id, clock.now + off))
    since, clock.now = clock.now, clock.now + timedelta(seconds=30)
    assert await store.now() == clock.now
    for found in await store.instances():
        assert (found.heartbeat, found.read) == (since, clock.now)
    assert len(await store.instances()) == 2
    clock.now += timedelta(seconds=1)
    assert await store.instances() == []


async def test_instances_by_namespace_in_order(store, clock):
    for known, host, namespace in (("1", "b", "x"), ("2", "a", "x"), ("3", "a", "w")):
        await store.put_instance(instance(known, clock.now, host=host, namespace=namespace))
    assert [found.id for found in await store.instances()] == ["3", "2", "1"]
    assert [found.id for found in await store.instances("x")] == ["2", "1"]
    await store.remove_instance("2")
    await store.remove_instance("2")
    assert [found.id for found in await store.instances("x")] == ["1"]


async def test_instances_do_not_disturb_revisions_and_watches(store, clock):
    async with store.watch() as watch:
        await store.put_instance(instance("i", clock.now))
        await one(store, spec("a"))
        assert (await take(watch)).revision == 1


# Life


async def test_a_store_that_is_not_open(store):
    await store.close()
    await store.close()
    for call in (
        store.specs(),
        store.apply([]),
        store.history("n", "a"),
        store.instances(),
        store.put_instance(instance("i", datetime.now(UTC))),
        store.now(),
        store.remove_instance("i"),
        store.watch().__aenter__(),
    ):
        with pytest.raises(UnavailableError, match="not open"):
            await call


async def test_a_store_is_opened_again(store):
    await one(store, spec("a"))
    await store.close()
    await store.open()
    await store.open()
    assert await names(store) == ["a"]
    async with store.watch() as watch:
        await one(store, spec("b"))
        assert (await take(watch)).revision == 2


async def test_a_cancelled_apply_happens_whole_or_not_at_all(store):
    async with store.watch() as watch:
        for turn in range(20):
            task = asyncio.ensure_future(store.apply([PutSpec(spec("a", n=turn)), PutSpec(spec("b", n=turn))]))
            for _ in range(turn % 5):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            found = {subject.name: subject.fields["n"] for subject in await store.specs()}
            assert found in ({}, {"a": found.get("a"), "b": found.get("a")})
        await one(store, spec("end"))
        revision = 0
        while (batch := await take(watch)).changes[0].name != "end":
            assert [change.revision for change in batch.changes] == [revision + 1, revision + 2]
            revision = batch.revision
        assert batch.revision == revision + 1


def test_resync_says_why():
    assert Resync("gone").reason == "gone"
