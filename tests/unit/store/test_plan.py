from __future__ import annotations

import pytest

from engine.errors import ConflictError, InvalidError, NotFoundError
from engine.store.plan import Draft, Plan, decide
from engine.store.protocol import DeleteSpec, PutSpec
from engine.store.record import Record
from engine.store.write import Write

A, B = "0191b2c3-0000-7000-8000-00000000000a", "0191b2c3-0000-7000-8000-00000000000b"


def plan(*writes: Write, records: tuple[Record, ...] = ()) -> Plan:
    ids = iter(["new1", "new2", "new3"])
    revision = max((record.revision for record in records), default=0)
    return decide(
        Draft.of(writes), records, revision=revision, time=9, author="ann", message="why", new_id=lambda: next(ids)
    )


@pytest.fixture
def stored(spec):
    """The records of two specs, a and b."""
    return tuple(
        record
        for record in plan(PutSpec(spec("a", id=A)), PutSpec(spec("b", id=B))).final.values()
        if record is not None
    )


def test_a_draft_wants_what_its_writes_touch(spec):
    draft = Draft.of(
        [PutSpec(spec("a")), PutSpec(spec(None, id=A.upper())), PutSpec(spec(None)), DeleteSpec(id=B, namespace="n")]
    )
    assert draft.wants() == ([("spec", A), ("spec", B)], [("spec", "default", "a")])


def test_a_plan_says_what_to_write(spec, stored):
    made = plan(PutSpec(spec("a", n=1)), DeleteSpec(id=B), PutSpec(spec("c")), records=stored)
    assert made.revision == 5
    assert {key: record and record.revision for key, record in made.final.items()} == {
        ("spec", A): 3,
        ("spec", B): None,
        ("spec", "new1"): 5,
    }
    assert [(entry.revision, entry.batch, entry.action, entry.id, entry.name) for entry in made.log] == [
        (3, 3, "put", A, "a"),
        (4, 3, "delete", B, "b"),
        (5, 3, "put", "new1", "c"),
    ]
    assert {(entry.time, entry.author, entry.message) for entry in made.log} == {(9, "ann", "why")}


def test_nothing_to_do_is_nothing_to_write(spec, stored):
    made = plan(PutSpec(spec("a")), records=stored)
    assert (made.revision, made.final, made.log) == (2, {}, [])
    assert made.outcomes[0].action == "unchanged"


def test_names_must_be_unique_only_at_the_end(spec, stored):
    made = plan(PutSpec(spec("b", id=A)), PutSpec(spec("c", id=B)), records=stored)
    assert [outcome.name for outcome in made.outcomes] == ["b", "c"]
    with pytest.raises(ConflictError, match=f"held by {B}"):
        plan(PutSpec(spec("b", id=A)), records=stored)


def test_a_name_that_is_held_twice_on_the_way_says_nothing(spec, stored):
    with pytest.raises(ConflictError, match="could be any of"):
        plan(PutSpec(spec("b", id=A)), PutSpec(spec("b", n=1)), PutSpec(spec("c", id=B)), records=stored)
    with pytest.raises(ConflictError, match="could be any of"):
        plan(PutSpec(spec("b", id=A)), DeleteSpec(namespace="default", name="b"), records=stored)


def test_an_unchanged_write_still_needs_a_name_of_its_own(spec, stored):
    with pytest.raises(ConflictError, match="held by"):
        plan(PutSpec(spec("a", id=B)), PutSpec(spec("a", id=A)), records=stored)


def test_what_was_deleted_on_the_way_is_gone(spec, stored):
    with pytest.raises(NotFoundError):
        plan(DeleteSpec(id=A), DeleteSpec(namespace="default", name="a"), records=stored)


@pytest.mark.parametrize("fields", [{}, {"name": "a"}, {"namespace": "n"}, {"id": "", "name": "", "namespace": "n"}])
def test_a_deletion_must_say_of_what(fields):
    with pytest.raises(InvalidError, match="what to delete"):
        DeleteSpec(**fields)


def test_a_revision_is_no_negative_number(spec):
    with pytest.raises(InvalidError, match="cannot be -1"):
        PutSpec(spec("a"), expect=-1)
    with pytest.raises(InvalidError, match="cannot be -1"):
        DeleteSpec(id=A, expect=-1)
