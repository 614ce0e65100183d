from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.errors import ConflictError, InvalidError, NotFoundError
from engine.spec.model import parse_spec
from engine.store.change import HistoryEntry
from engine.store.memory import MemoryStore
from engine.store.rollback import Rollback, choose, find, same
from engine.store.write import DeleteSpec, PutSpec

NOW = datetime(2026, 1, 2, tzinfo=UTC)
A = "0190d3a5-0000-7000-8000-00000000000a"
B = "0190d3a5-0000-7000-8000-00000000000b"


def put(revision, text, /, *, id=A, name="x", **fields):
    document = {"kind": "probe", "name": name, "text": text, **fields}
    return HistoryEntry(revision, "put", "default", id, name, NOW, None, None, document)


def deletion(revision, *, id=A):
    return HistoryEntry(revision, "delete", "default", id, "x", NOW, None, None, None)


@pytest.mark.parametrize(
    ("entries", "revision"),
    [
        ([put(2, "two"), put(1, "one")], 1),
        # Written again with another id, or its keys in another order: that says nothing else.
        ([put(3, "two"), put(2, "two", id=B, revision=9), put(1, "one")], 1),
        # Back and forth.
        ([put(3, "one"), put(2, "two"), put(1, "one")], 2),
        ([put(2, "one", name="y"), put(1, "one")], 1),
        # Of what was deleted, what it said last; a deletion before is none to go back to.
        ([deletion(3), put(2, "two"), put(1, "one")], 2),
        ([put(3, "two", id=B), deletion(2), put(1, "one")], 1),
    ],
)
def test_the_last_one_that_says_something_else(entries, revision):
    assert choose(entries, label="x").revision == revision


@pytest.mark.parametrize("entries", [[], [put(1, "one")], [put(2, "one"), put(1, "one")], [deletion(2)]])
def test_there_is_none_to_go_back_to(entries):
    with pytest.raises(NotFoundError, match="x has no earlier revision that says anything else"):
        choose(entries, label="x")


ENTRIES = [put(9, "three"), deletion(7), put(4, "two"), put(1, "one")]


@pytest.mark.parametrize(("wanted", "revision"), [(9, 9), (7, 7), (1, 1), (-1, 7), (-2, 4), (-3, 1)])
def test_by_number_or_counted_back(wanted, revision):
    assert find(ENTRIES, wanted, label="x").revision == revision


@pytest.mark.parametrize(
    ("wanted", "message"), [(2, "x has no revision 2"), (0, "no revision 0"), (-4, "no 5 revisions"), (-99, "no 100")]
)
def test_one_that_is_not_there(wanted, message):
    with pytest.raises(NotFoundError, match=message) as caught:
        find(ENTRIES, wanted, label="x")
    assert caught.value.hint == "its history has 9, 7, 4, 1"
    many = [put(number, "x") for number in range(8, 0, -1)]
    with pytest.raises(NotFoundError) as caught:
        choose(many, 99, label="x")
    assert caught.value.hint == "its history has 8, 7, 6, 5, 4 and 3 older"


@pytest.mark.parametrize("wanted", [7, -1])
def test_a_deletion_is_nothing_to_go_back_to(wanted):
    with pytest.raises(InvalidError, match="revision 7 is the deletion of x"):
        choose(ENTRIES, wanted, label="x")


def test_what_says_the_same():
    assert same(put(1, "one"), put(2, "one", id=B, revision=1, namespace="default"))
    assert not same(put(1, "one"), put(2, "two"))
    assert not same(put(1, "one"), put(2, "one", labels={"a": "b"}))
    assert not same(put(1, "one"), deletion(2))
    assert same(deletion(1), deletion(2))


def test_it_goes_to_what_is_there_by_that_name():
    way = Rollback("x", put(1, "one"), put(5, "two", id=B))
    assert (way.put().spec.id, way.put().expect, way.reason) == (B, 5, "back to revision 1")


def test_what_is_not_there_comes_back_under_its_own_id():
    way = Rollback("x", put(1, "one"), deletion(5, id=B))
    assert (way.put().spec.id, way.put().expect) == (A, 0)


def spec(text, **fields):
    return parse_spec({"kind": "probe", "name": "x", "text": text, **fields})


async def test_somebody_writes_meanwhile():
    async with MemoryStore() as store:
        for text in ("one", "two"):
            await store.apply([PutSpec(spec(text))])
        entries = await store.history("default", "x")
        way = Rollback("x", choose(entries, label="x"), entries[0])
        await store.apply([PutSpec(spec("three"))])
        with pytest.raises(ConflictError, match="was read at revision 2, but has revision 3 by now"):
            await store.apply([way.put()])


async def test_what_comes_back_meanwhile_is_not_overwritten():
    async with MemoryStore() as store:
        await store.apply([PutSpec(spec("one"))])
        await store.apply([DeleteSpec(namespace="default", name="x")])
        entries = await store.history("default", "x")
        way = Rollback("x", choose(entries, label="x"), entries[0])
        await store.apply([way.put()])
        with pytest.raises(ConflictError, match="should be new, but is there at revision 3"):
            await store.apply([way.put()])
