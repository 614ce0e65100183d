from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import InvalidError
from engine.store.trial import LONGEST, SHORTEST, Former, Left, Trial, Tried, check_length

MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CREATED = Tried("created", "n", "id1", "print", None, 7, None)
RENAMED = Tried("configured", "m", "id2", "print", "b", 8, Former(3, "a"))
TRIAL = Trial("id", "ada", "why", MADE, MADE + timedelta(minutes=1), (CREATED, RENAMED))


def test_the_public_form_comes_back():
    assert Trial.from_json(json.loads(json.dumps(TRIAL.to_json()))) == TRIAL
    left = Left(RENAMED, "it was deleted meanwhile")
    assert Left.from_json(json.loads(json.dumps(left.to_json()))) == left


@pytest.mark.parametrize(
    "change", [{"specs": None}, {"specs": [{}]}, {"made": "yesterday"}, {"deadline": 1}, {"specs": ["x"]}]
)
def test_another_form_is_refused(change):
    with pytest.raises(InvalidError, match="the form of a trial is wrong"):
        Trial.from_json({**TRIAL.to_json(), **change})
    for form in (None, [], {}):
        with pytest.raises(InvalidError, match="is wrong"):
            Trial.from_json(form)
        with pytest.raises(InvalidError, match="is wrong"):
            Left.from_json(form)


def test_how_it_is_called():
    assert TRIAL.title == "trial id (why)"
    assert Trial("id", None, None, MADE, MADE, ()).title == "trial id"
    assert (CREATED.label, RENAMED.label) == ("print/id1", "print/b")
    assert TRIAL.namespaces == {"n", "m"}


def test_by_what_a_spec_is_known():
    assert CREATED.handles() == {("id1",)}
    assert RENAMED.handles() == {("id2",), ("m", "a"), ("m", "b")}


def test_how_long_it_takes():
    check_length(SHORTEST)
    check_length(LONGEST)
    for length in (SHORTEST - timedelta(microseconds=1), LONGEST + timedelta(microseconds=1)):
        with pytest.raises(InvalidError, match="a trial takes from 1s to 24h"):
            check_length(length)
