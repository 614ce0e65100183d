"""What happens when somebody else writes between the look at what is there and the writing."""

from __future__ import annotations

import pytest

from engine.daemon.documents import ATTEMPTS, Documents, Kind
from engine.errors import (
    Code,
    ConflictError,
    Diagnostic,
    DiagnosticsError,
    InvalidError,
    NotFoundError,
    WeirError,
)
from engine.graph.forecast import Effect
from engine.spec.model import parse_spec, parse_value
from engine.store.memory import MemoryStore
from engine.store.protocol import DeleteSpec, DeleteValue, PutSpec, PutValue


def put(data, name="v", **fields):
    return PutValue(parse_value({"name": name, "data": data, **fields}))


class Values:
    """The operations on values, and somebody else who writes after each look, as long as he has `others`."""

    def __init__(self, store):
        self.store = store
        self.others = []
        self.checked = []
        kind = Kind(
            what="value",
            read=self.read,
            parse=parse_value,
            put=PutValue,
            delete=lambda value: DeleteValue(id=value.id, namespace=value.namespace, expect=value.revision),
            drop=lambda known, expect: DeleteValue(id=known, expect=expect),
            check=self.check,
            secret=True,
        )
        self.documents = Documents(kind, store, self.foresee)

    async def foresee(self, outcomes, *, live=False):
        if live:
            return self.foreseen(outcomes)
        return [Effect("created", parse_spec({"kind": "probe", "name": each.name}), "active") for each in outcomes]

    def foreseen(self, outcomes):
        return []

    async def read(self, query):
        page = await self.store.values(query)
        if self.others:
            await self.store.apply([self.others.pop(0)])
        return page

    async def check(self, values):
        self.checked.append([value.name for value in values])

    async def data(self):
        return {value.name: value.data for value in await self.store.values()}


@pytest.fixture
async def values():
    async with MemoryStore() as store:
        yield Values(store)


async def test_a_patch_that_loses_a_race_is_made_again(values):
    await values.store.apply([put({"a": 1})])
    values.others = [put({"a": 2, "b": 2}), put({"a": 3, "b": 3})]
    answer = await values.documents.update({"name": "v", "data": {"a": 9}}, "n")
    assert answer["data"] == "***"
    assert await values.data() == {"v": {"a": 9, "b": 3}}


async def test_a_patch_that_names_its_revision_is_a_conflict(values):
    await values.store.apply([put(1)])
    values.others = [put(2)]
    with pytest.raises(ConflictError, match=r"revision 1.*revision 2"):
        await values.documents.update({"name": "v", "revision": 1, "data": 9}, "n")
    assert await values.data() == {"v": 2}


async def test_whoever_never_wins_is_told(values):
    await values.store.apply([put(0)])
    values.others = [put(number) for number in range(1, 20)]
    with pytest.raises(ConflictError):
        await values.documents.update({"name": "v", "data": 99}, "n")
    assert len(values.others) == 19 - ATTEMPTS


@pytest.mark.parametrize("method", ["update", "apply", "delete"])
async def test_if_match_that_loses_a_race_is_a_failed_precondition(values, method):
    await values.store.apply([put(1)])
    values.others = [put(2)]
    payload = {"filter": {"name": "v"}} if method == "delete" else {"items": {"name": "v", "data": 9}}
    with pytest.raises(WeirError, match="names revision 1, but value/v is at revision 2") as caught:
        await getattr(values.documents, method)({**payload, "if_match": '"1"'}, "n")
    assert caught.value.code is Code.PRECONDITION
    assert await values.data() == {"v": 2}


async def test_only_what_is_new_that_loses_a_race(values):
    values.others = [put(2)]
    with pytest.raises(WeirError) as caught:
        await values.documents.apply({"items": {"name": "v", "data": 9}, "if_none_match": "*"}, "n")
    assert caught.value.code is Code.PRECONDITION
    assert await values.data() == {"v": 2}


async def test_only_what_is_there_that_is_changed_meanwhile_is_there(values):
    await values.store.apply([put(1)])
    values.others = [put(2)]
    await values.documents.apply({"items": {"name": "v", "data": 9}, "if_match": "*"}, "n")
    assert await values.data() == {"v": 9}


@pytest.mark.parametrize("other", [put(2), DeleteValue(namespace="default", name="v")])
async def test_a_deletion_that_loses_a_race_is_made_again(values, other):
    await values.store.apply([put(1), put(1, name="w")])
    values.others = [other]
    await values.documents.delete([{"name": "v"}, {"name": "w"}], "n")
    assert await values.data() == {}


async def test_put_takes_whatever_is_there(values):
    await values.store.apply([put(1)])
    assert (await values.documents.apply({"name": "v", "data": 9}, "n"))["revision"] == 2
    assert await values.data() == {"v": 9}
    with pytest.raises(ConflictError, match="revision 1"):
        await values.documents.apply({"name": "v", "data": 10, "revision": 1}, "n")


async def test_create_makes_only_what_is_new(values):
    assert [
        each["name"]
        for each in await values.documents.create([{"name": "v", "data": 1}, {"name": "w", "data": 1}], "n")
    ] == ["v", "w"]
    with pytest.raises(ConflictError, match="there already, at revision 1"):
        await values.documents.create({"name": "v", "data": 1}, "n")
    with pytest.raises(InvalidError, match="mean nothing here"):
        await values.documents.create({"items": {"name": "x"}, "if_match": "*"}, "n")


async def test_nothing_is_written_unchecked(values):
    await values.documents.create({"name": "a", "data": 1}, "n")
    await values.documents.apply([{"name": "b", "data": 0}, {"name": "c", "data": 0}], "n")
    await values.documents.update({"name": "b", "data": 1}, "n")
    assert values.checked == [["a"], ["b", "c"], ["b"]]


async def test_two_patches_of_one_document_are_refused(values):
    await values.store.apply([put(1)])
    [value] = await values.store.values()
    with pytest.raises(InvalidError, match="item 1 patches value/v again"):
        await values.documents.update([{"name": "v", "data": 2}, {"id": value.id, "data": 3}], "n")


async def test_a_patch_of_nothing(values):
    with pytest.raises(NotFoundError, match="no value has the name 'x' in 'default'"):
        await values.documents.update({"name": "x"}, "n")
    with pytest.raises(InvalidError, match="needs an `id`"):
        await values.documents.update({"data": 1}, "n")


async def test_outcomes(values):
    await values.store.apply([put(1), put(1, name="w")])
    items = [{"name": "w", "data": 1}, {"name": "v", "data": 2}, {"name": "x", "data": 1}]
    answer = await values.documents.apply({"items": items, "outcomes": True}, "n")
    assert [(each["action"], each["item"]["name"]) for each in answer] == [
        ("unchanged", "w"),
        ("configured", "v"),
        ("created", "x"),
    ]


async def test_a_dry_run_writes_nothing(values):
    await values.store.apply([put(1), put(1, name="w")])
    [gone] = [value for value in await values.store.values() if value.name == "w"]
    body = {"items": [{"name": "v", "data": 2}], "delete": [{"id": gone.id}]}
    answer = await values.documents.apply({"items": body, "query": {"dry_run": ["true"]}}, "n")
    assert [(each["action"], each["item"]["name"]) for each in answer["outcomes"]] == [
        ("configured", "v"),
        ("deleted", "w"),
    ]
    assert [each["name"] for each in answer["plan"]] == ["v", "w"]
    deleted = await values.documents.delete({"filter": [{"name": "w", "namespace": "default"}], "dry_run": True}, "n")
    assert [each["action"] for each in deleted["outcomes"]] == ["deleted"]
    assert [(value.name, value.data) for value in await values.store.values()] == [("v", 1), ("w", 1)]


async def test_deleted_in_the_same_transaction(values):
    await values.store.apply([put(1), put(1, name="w")])
    before = {value.name: value for value in await values.store.values()}
    gone = {"id": before["w"].id, "revision": 9}
    with pytest.raises(ConflictError, match="was read at revision 9, but has revision 2"):
        await values.documents.apply({"items": [{"name": "v", "data": 2}], "delete": [gone]}, "n")
    assert (await values.store.values())[0].data == 1
    gone["revision"] = 2
    assert (
        len(await values.documents.apply({"items": {"items": [{"name": "v", "data": 2}], "delete": [gone]}}, "n")) == 1
    )
    assert [(value.name, value.data) for value in await values.store.values()] == [("v", 2)]
    with pytest.raises(InvalidError, match="for PUT only"):
        await values.documents.update({"items": [{"name": "v", "data": 3}], "delete": [gone]}, "n")


# --- on trial


@pytest.fixture
async def specs():
    async with MemoryStore() as store:

        async def check(_specs):
            return None

        async def foresee(_outcomes, *, live=False):
            return []

        kind = Kind(
            what="spec",
            read=store.specs,
            parse=parse_spec,
            put=PutSpec,
            delete=lambda spec: DeleteSpec(id=spec.id, expect=spec.revision),
            drop=lambda known, expect: DeleteSpec(id=known, expect=expect),
            check=check,
        )
        documents = Documents(kind, store, foresee)
        documents.store = store
        yield documents


def probe(name, text="old"):
    return {"kind": "probe", "name": name, "text": text}


async def test_every_writing_operation_can_be_on_trial(specs):
    query = {"confirm": ["60s"]}
    calls = [
        (specs.create, {"items": probe("a"), "query": query}, "created"),
        (specs.apply, {"items": [probe("a", "new")], "query": query}, "configured"),
        (specs.update, {"items": {"name": "a", "text": "newer"}, "confirm": "60s"}, "configured"),
        (specs.delete, {"filter": [{"name": "a"}], "query": query}, "deleted"),
    ]
    for operation, payload, action in calls:
        answer = await operation(payload, "n")
        assert answer.keys() == {"items", "trial"}
        [item] = answer["items"]
        assert item["name"] == "a"
        [trial] = await specs.store.trials()
        assert answer["trial"] == trial.to_json()
        assert [each.action for each in trial.specs] == [action]
        await specs.store.confirm(trial.id)
    assert await specs.store.specs() == []


async def test_outcomes_on_trial(specs):
    await specs.apply(probe("a"), "n")
    payload = {"items": [probe("a"), probe("b")], "outcomes": True, "confirm": "60s"}
    answer = await specs.apply(payload, "n")
    assert [each["action"] for each in answer["items"]] == ["unchanged", "created"]
    assert [each["name"] for each in answer["trial"]["specs"]] == ["b"]
    assert (await specs.apply({**payload, "items": [probe("a")]}, "n"))["trial"] is None
    assert await specs.delete({"filter": [{"name": "x"}], "confirm": "60s"}, "n") == {"items": [], "trial": None}


async def test_a_second_trial_is_no_race(specs):
    await specs.apply({"items": [probe("a")], "confirm": "60s"}, "n")
    looks = 0
    apply = specs.store.apply

    async def counted(*arguments, **options):
        nonlocal looks
        looks += not options.get("dry_run", False)
        return await apply(*arguments, **options)

    specs.store.apply = counted
    with pytest.raises(ConflictError, match="is in trial"):
        await specs.apply({"items": [probe("a", "new")], "confirm": "60s"}, "n")
    assert looks == 1


async def test_values_cannot_be_on_trial(values):
    with pytest.raises(InvalidError, match="values cannot be on trial"):
        await values.documents.apply({"items": [{"name": "v", "data": 1}], "confirm": "60s"}, "n")
    assert await values.data() == {}


async def test_what_cannot_run_beside_what_runs_is_refused_and_nothing_is_written(values):
    found = Diagnostic("load", "port 80 belongs to listener/web", path=("port",))

    def foreseen(outcomes):
        subject = parse_spec({"kind": "probe", "name": "w"})
        return [Effect("waiting", subject.replace(id=each.id), "failed", diagnostics=(found,)) for each in outcomes[1:]]

    values.foreseen = foreseen
    with pytest.raises(DiagnosticsError) as caught:
        await values.documents.apply([{"name": "v", "data": 1}, {"name": "w", "data": 2}], "n")
    assert [(each.path, each.message) for each in caught.value.diagnostics] == [((1, "port"), found.message)]
    assert list(await values.store.values()) == []


# --- what is hidden


async def test_no_answer_shows_the_data_of_a_value_unless_it_is_asked_for(values):
    answers = [
        await values.documents.create({"name": "v", "data": "secret-1"}, "n"),
        await values.documents.apply({"items": {"name": "v", "data": "secret-2"}, "outcomes": True}, "n"),
        await values.documents.apply({"items": {"name": "v", "data": "secret-3"}, "dry_run": True}, "n"),
        await values.documents.update({"name": "v", "labels": {"a": "b"}}, "n"),
        await values.documents.read(None, "n"),
        await values.documents.read({"limit": 1}, "n"),
        await values.documents.read({"reveal": False}, "n"),
    ]
    for answer in answers:
        assert "'data': '***'" in str(answer)
        assert "secret" not in str(answer)
    [shown] = await values.documents.read({"query": {"reveal": ["true"]}}, "n")
    assert shown["data"] == "secret-2"
    [gone] = await values.documents.delete({"name": "v"}, "n")
    assert gone["data"] == "***"


async def test_what_was_hidden_cannot_be_written(values):
    await values.store.apply([put("secret")])
    [hidden] = await values.documents.read(None, "n")
    for write in (values.documents.apply, values.documents.update):
        with pytest.raises(InvalidError, match="its data is hidden here"):
            await write(hidden, "n")
    with pytest.raises(InvalidError, match="its data is hidden here"):
        await values.documents.create({"name": "w", "data": "***"}, "n")
    assert await values.data() == {"v": "secret"}
