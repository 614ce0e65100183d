from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from engine.errors import InvalidError
from engine.store.instance import Instance, SpecState, dump_body, load_body

NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_the_public_form_leads_back():
    states = {"s": SpecState(4, "pending", "no value named 'x'", ({"code": "unresolved-link"},), 3)}
    told = Instance("i", "here", 7, "n", NOW, NOW + timedelta(seconds=1), 4, 2, states)
    form = json.loads(json.dumps(told.to_json()))
    assert Instance.from_json(form) == told
    assert Instance.from_json({**form, "from a newer version": 1}) == told
    del form["states"]["s"]["serving"]
    assert Instance.from_json(form).states["s"].serving is None, "an older version does not tell it"


@pytest.mark.parametrize(
    ("state", "revision"),
    [
        (SpecState(4, "active", None, (), 4), 4),
        (SpecState(4, "active"), 4),
        (SpecState(4, "draining"), 4),
        (SpecState(4, "pending"), None),
        (SpecState(4, "failed", "boom", (), 3), 3),
    ],
)
def test_which_revision_runs(state, revision):
    assert state.runs == revision


def test_the_body_has_no_heartbeat():
    told = Instance("i", "here", 7, "n", NOW, NOW)
    later = Instance("i", "here", 7, "n", NOW, NOW + timedelta(seconds=9))
    assert dump_body(told) == dump_body(later)
    assert load_body(dump_body(told), later.heartbeat) == later


@pytest.mark.parametrize("form", [{}, {"id": "i"}, {"id": "i", "states": []}])
def test_a_wrong_form(form):
    with pytest.raises(InvalidError, match="form of an instance"):
        Instance.from_json(form)


def test_a_time_without_a_zone():
    with pytest.raises(InvalidError, match="without a zone"):
        Instance("i", "here", 7, "n", NOW, NOW.replace(tzinfo=None))


def test_what_json_cannot_hold():
    with pytest.raises(InvalidError, match="cannot be stored"):
        dump_body(Instance("i", "here", 7, "n", NOW, NOW, states={"s": SpecState(1, "failed", None, ({"x": b""},))}))


def test_it_is_alive_for_30_seconds():
    told = Instance("i", "here", 7, "n", NOW, NOW.astimezone(timezone(timedelta(hours=5))))
    assert told.alive(NOW + timedelta(seconds=30))
    assert told.alive(NOW - timedelta(hours=1))
    assert not told.alive(NOW + timedelta(seconds=30, microseconds=1))


def test_a_row_names_what_is_not_simply_active():
    failed = SpecState(5, "failed", "boom", serving=4)
    told = Instance("i", "here", 7, "n", NOW, NOW, 5, 2, {"s": failed}, active=9)
    assert Instance.from_json(json.loads(json.dumps(told.to_json()))) == told
    assert told.state_of("s", 5) == failed
    assert told.state_of("t", 5) == SpecState(5, "active")
    assert told.state_of("t", 6) is None, "it has not read that far"
    assert told.count == 9


def test_a_row_of_a_version_that_names_everything():
    form = Instance("i", "here", 7, "n", NOW, NOW, 5, 2, {"s": SpecState(5, "active")}).to_json()
    for key in ("active", "view_age", "lost", "late", "read"):
        form.pop(key, None)
    told = Instance.from_json(form)
    assert told.state_of("s", 5) == SpecState(5, "active")
    assert told.state_of("t", 5) is None
    assert (told.count, told.view_age, told.lost, told.late) == (1, 0.0, None, False)


def test_it_is_late_when_it_has_missed_a_heartbeat():
    told = Instance("i", "here", 7, "n", NOW, NOW)
    assert (told.late, told.silence) == (False, timedelta(0)), "nobody has read it"
    read = replace(told, read=NOW + timedelta(seconds=20))
    assert (read.late, read.silence) == (False, timedelta(seconds=20))
    later = replace(told, read=NOW + timedelta(seconds=20, microseconds=1), lost="no answer", view_age=3.0)
    assert later.late
    assert later.to_json()["late"] is True
    assert Instance.from_json(later.to_json()).late
    assert load_body(dump_body(later), NOW) == replace(later, read=None), "what a reader finds out is not kept"
