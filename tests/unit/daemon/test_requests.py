from __future__ import annotations

from datetime import timedelta

import pytest

from engine.daemon.precondition import Precondition
from engine.daemon.requests import MAX_PAGE, MAX_WIDE, Items, Reference, Selection, read_namespace, read_trial
from engine.errors import InvalidError
from engine.spec.model import parse_spec
from engine.store.protocol import Example, Query
from engine.store.record import MAX_DEPTH
from engine.store.shown import document_of


def nested(levels):
    data = "x"
    for _ in range(levels):
        data = [data]
    return data


# --- items


def test_items_come_plainly_or_in_a_map():
    document = {"kind": "probe"}
    assert Items.of(document, "a spec") == Items([document], single=True)
    assert Items.of([document], "a spec") == Items([document], single=False)
    payload = {"items": document, "if_match": ['"3"'], "query": {"message": ["why"], "outcomes": ["true"]}}
    assert Items.of(payload, "a spec") == Items([document], True, Precondition(3), "why", outcomes=True)


@pytest.mark.parametrize("document", [{"name": "a", "items": [1]}, {"kind": "k", "items": 1}, {"id": "x", "items": 1}])
def test_a_document_may_have_items_itself(document):
    assert Items.of(document, "a spec").documents == [document]


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (None, "must be a spec or a list of them, not null"),
        ("x", "not text"),
        ([None], "item 0 must be a spec, not null"),
        ({"items": None}, "not null"),
        ({"items": [], "mesage": "x"}, "no field 'mesage'"),
        ({"items": [], "message": 1}, "`message` must be text"),
        ({"items": [], "message": "\ud800"}, "no Unicode text"),
        ({"items": [], "message": "a", "query": {"message": ["b"]}}, "in the query and beside it"),
        ({"items": [], "query": {"limit": ["1"]}}, "no query parameter 'limit'"),
        ({"items": [], "if_match": "1"}, "exactly one item"),
        ({"items": [{}, {}], "if_none_match": "*"}, "exactly one item"),
        ({"items": [{"data": nested(MAX_DEPTH)}]}, "item 0 is nested deeper"),
        ({"items": [{"data": nested(100_000)}]}, "item 0 is nested deeper"),
    ],
)
def test_wrong_items(payload, says):
    with pytest.raises(InvalidError, match=says):
        Items.of(payload, "a spec")


def test_what_a_store_takes_is_not_too_deep():
    assert Items.of({"data": nested(MAX_DEPTH - 1)}, "a value").single


# --- selections


def test_without_a_filter_it_is_every_other_namespace():
    everything = Query(except_namespace="system")
    for read in (Selection.to_read, Selection.to_delete):
        assert read(None, "system").query == everything
        assert read({"query": {}}, "system").query == everything


@pytest.mark.parametrize("read", [Selection.to_read, Selection.to_delete])
@pytest.mark.parametrize(
    "payload",
    [
        {"name": "a", "labels": {"x": "y"}},
        [{"name": "a", "labels": {"x": "y"}}],
        {"filter": {"name": "a", "labels": {"x": "y"}}},
        {"query": {"name": ["a"], "label": ["x=y"]}},
    ],
)
def test_examples(read, payload):
    assert read(payload, "system").query == Query(matches=(Example(name="a", labels={"x": "y"}),))


def test_pages():
    selection = Selection.to_read({"query": {"limit": ["3"], "namespace": ["n"]}}, "system")
    assert (selection.query.limit, selection.paged) == (3, True)
    assert Selection.to_read({"limit": 10**9}, "s").query.limit == MAX_PAGE
    assert not Selection.to_read({"filter": None}, "s").paged


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({"filter": {"name": "a"}, "query": {"name": ["a"]}}, "the query and the body both"),
        ({"filter": {"filter": None}}, "no field 'filter'"),
        ({"filter": None, "nmae": "a"}, "no field 'nmae'"),
        ({"limit": 0}, "whole number"),
        ({"limit": "3", "query": {"limit": ["3"]}}, "in the query and beside it"),
        ({"continue": "x"}, "no token"),
        ({"continue": 1}, "must be text"),
        ({"name": 1}, "must be text"),
        ("a", "must be a map"),
        ([{"labels": {"a": "b"}}] * (MAX_WIDE + 1), "101 examples have neither id nor name"),
    ],
)
def test_wrong_filters(payload, says):
    with pytest.raises(InvalidError, match=says):
        Selection.to_read(payload, "s")


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({}, "names nothing"),
        ([{"name": "a"}, {}], "names nothing"),
        ({"labels": {}}, "names nothing"),
        ({"filter": {}}, "names nothing"),
        ({"everything": False}, "nothing says what to delete"),
        ({"filter": None, "query": {"message": ["m"]}, "everything": False}, "nothing says what to delete"),
        ({"filter": {"filter": None}}, "no field 'filter'"),
        ({"filter": {"name": "a"}, "limit": 1}, "no field 'limit'"),
        ({"filter": {"name": "a"}, "if_none_match": "*"}, "means nothing to a deletion"),
    ],
)
def test_nothing_is_deleted_by_a_slip(payload, says):
    with pytest.raises(InvalidError, match=says):
        Selection.to_delete(payload, "s")


def test_a_deletion_with_more_to_say():
    payload = {"filter": [{"id": "x"}], "if_match": '"3"', "query": {"message": ["why"]}, "everything": False}
    selection = Selection.to_delete(payload, "s")
    assert selection == Selection(Query(matches=(Example(id="x"),)), False, Precondition(3), "why")


# --- references


def test_references():
    found = Reference.of({"name": "a", "query": {"to": ["3"]}, "message": "m", "if_match": "*"}, "to", "message")
    assert (found.known, found.namespace, found.condition) == ("a", "default", Precondition(exists=True))
    assert (found.whole("to"), found.text("message")) == (3, "m")
    assert Reference.of({"id": "i", "name": "a", "namespace": "n"}).known == "i"


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (None, "not null"),
        ({}, "nothing says what is meant"),
        ({"name": 1}, "must be text"),
        ({"name": "\ud800"}, "no Unicode"),
        ({"name": "a", "from": 1}, "no field 'from'"),
        ({"name": "a", "query": {"from": ["1"]}}, "no query parameter 'from'"),
        ({"name": "a", "body": {"to": 1}}, "a body means nothing here"),
    ],
)
def test_wrong_references(payload, says):
    with pytest.raises(InvalidError, match=says):
        Reference.of(payload, "to")


@pytest.mark.parametrize("to", ["abc", 0, "1.0", True, "²"])
def test_what_is_no_revision(to):
    with pytest.raises(InvalidError, match="`to` must be a whole number"):
        Reference.of({"name": "a", "to": to}, "to").whole("to")


def test_namespaces():
    assert read_namespace(None) is read_namespace({}) is None
    assert read_namespace({"namespace": "n"}) == read_namespace({"query": {"namespace": ["n"]}}) == "n"
    for wrong in ("n", {"namespace": 1}, {"query": {"x": ["n"]}}):
        with pytest.raises(InvalidError):
            read_namespace(wrong)


def test_what_is_shown():
    spec = parse_spec({"kind": "probe", "revision": 1, "name": "a"}).replace(id="i", revision=7)
    assert document_of(spec) == {"id": "i", "namespace": "default", "kind": "probe", "name": "a", "revision": 7}


# --- trials


READS = {
    "items": lambda rest: Items.of({"items": [], **rest}, "a spec").trial,
    "filter": lambda rest: Selection.to_delete({"filter": [], **rest}, "n").trial,
}


@pytest.mark.parametrize("read", READS.values(), ids=list(READS))
def test_how_long_there_is_to_confirm(read):
    assert read({}) is None
    assert read({"confirm": "60s"}) == timedelta(minutes=1)
    assert read({"query": {"confirm": ["1h30m"]}}) == timedelta(minutes=90)
    assert read({"confirm": "60s", "dry_run": False}) == timedelta(minutes=1)


@pytest.mark.parametrize("read", READS.values(), ids=list(READS))
@pytest.mark.parametrize(
    ("rest", "says"),
    [
        ({"confirm": "soon"}, "`confirm` is a duration, not 'soon'"),
        ({"confirm": True}, "`confirm` is a duration, not the boolean true"),
        ({"confirm": "60"}, "from 1s to 24h, not 0.06s"),
        ({"query": {"confirm": ["25h"]}}, "from 1s to 24h, not 90000s"),
        ({"confirm": "60s", "query": {"confirm": ["60s"]}}, "`confirm` stands in the query and beside it"),
        ({"confirm": "60s", "dry_run": True}, "`confirm` and `dry_run` exclude each other"),
    ],
)
def test_a_wrong_time_to_confirm(read, rest, says):
    with pytest.raises(InvalidError, match=says):
        read(rest)


def test_which_trial_is_meant():
    assert read_trial({"id": "x", "query": {}, "body": None}) == "x"
    assert read_trial({"id": "x"}) == "x"


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (None, "a map with the `id` of a trial is needed, not null"),
        ({}, "nothing says which trial"),
        ({"id": 1}, "`id` must be text"),
        ({"id": "x", "body": {}}, "a body means nothing"),
        ({"id": "x", "query": {"force": ["true"]}}, "no query parameter 'force'"),
        ({"id": "x", "confirm": "60s"}, "no field 'confirm'"),
    ],
)
def test_a_wrong_trial(payload, says):
    with pytest.raises(InvalidError, match=says):
        read_trial(payload)
