"""What every store must do. A new store joins by a line in `STORES`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from engine.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from engine.spec.model import Spec, Value, parse_spec, parse_value
from engine.spec.yaml import parse
from engine.store.memory import MemoryStore
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
    Watch,
)
from engine.store.sqlite import SqliteStore

STORES: dict[str, Callable[..., Store]] = {
    "memory": lambda path, **options: MemoryStore(**options),
    "sqlite": lambda path, **options: SqliteStore(path / "store.db", **options),
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
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    async with STORES[request.param](tmp_path, clock=clock) as opened:
        yield opened


@pytest.fixture(params=STORES)
async def short_store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    """Keeps three revisions of a spec, for an hour."""
    retention = Retention(count=3, age=timedelta(hours=1))
    async with STORES[request.param](tmp_path, clock=clock, retention=retention) as opened:
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
    told = instance("i", clock.now, revision=3, generation=9, states=states)
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
