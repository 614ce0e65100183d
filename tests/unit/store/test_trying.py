"""The rules that a store cannot show by itself; what it can is in the contract."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import ConflictError, InvalidError
from engine.spec.model import parse_spec, parse_value
from engine.spec.yaml import parse
from engine.store.plan import Draft, decide
from engine.store.protocol import PutSpec, PutValue
from engine.store.trying import Reversal, begin

A = "0191b2c3-0000-7000-8000-00000000000a"
MINUTE = timedelta(minutes=1)


def written(*writes, records=(), revision=0, running=(), length=MINUTE):
    """The plan of these writes, and the trial that it begins."""
    draft = Draft.of(writes)
    plan = decide(draft, records, revision=revision, time=0)
    return plan, begin(draft, plan, records, length=length, running=running, time=0, new_id=lambda: "trial")


def records_of(plan):
    return [record for record in plan.final.values() if record is not None]


@pytest.fixture
def old(spec):
    [record] = records_of(written(PutSpec(spec("a", id=A, x=1)))[0])
    return record


def test_what_this_version_cannot_read_goes_back_as_text(spec, old):
    strange = replace(old, document='{"kind": 7, "name": ["of", "the", "future"]}')
    plan, onset = written(PutSpec(spec("a", id=A, x=2)), records=[strange], revision=1)
    again, left = Reversal(onset.trial, onset.before).decide(records_of(plan), revision=2, time=5, reason="no")
    assert left == []
    assert again.final == {("spec", A): replace(strange, revision=3)}
    [outcome] = again.outcomes
    assert (outcome.action, outcome.spec, outcome.revision) == ("configured", None, 3)


def test_a_reversal_wants_its_specs_and_the_names_that_they_had(spec, old):
    _, onset = written(PutSpec(spec("b", id=A)), PutSpec(spec("c")), records=[old], revision=1)
    ids, names = Reversal(onset.trial, onset.before).wants()
    assert ids == [("spec", each.id) for each in onset.trial.specs]
    assert ids[0] == ("spec", A)
    assert names == [("spec", "default", "a")]


def test_a_spec_that_has_only_moved_is_not_tried():
    def at(file):
        (document,) = parse("kind: print\nname: a\n", file)
        return PutSpec(parse_spec(document.data, origin=document.origin))

    plan, _ = written(at("one.yaml"))
    moved, onset = written(at("two.yaml"), records=records_of(plan), revision=1)
    assert moved.final, "its new place is kept"
    assert onset is None


def test_refusals_have_the_place_of_what_is_wrong(old):
    def placed(text, read, put):
        (document,) = parse(text, "f.yaml")
        return put(read(document.data[1], origin=document.origin.at(1)))

    write = placed("- {}\n- {kind: print, name: a, x: 2}\n", parse_spec, PutSpec)
    _, onset = written(write, records=[old], revision=1)
    with pytest.raises(ConflictError) as caught:
        written(write, records=[old], revision=1, running=[onset.trial])
    assert str(caught.value.place) == "f.yaml:2:3"
    assert caught.value.hint == "end that first: `weir confirm trial`, or `weir confirm trial --revert`"
    with pytest.raises(InvalidError) as refused:
        written(placed("- {}\n- {name: v, data: 1}\n", parse_value, PutValue))
    assert str(refused.value.place) == "f.yaml:2:3"
