from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidError
from engine.store.query import Example, Page, Query, read_token, write_token
from engine.store.record import Record


def record(name: str | None = "a", id: str = "i", namespace: str = "n") -> Record:
    return Record("spec", id, namespace, name, 1, {}, "", "{}", None)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text("abc/é", min_size=1))
def test_a_token_leads_back(name, namespace):
    found = record(name, namespace=namespace)
    assert read_token(write_token(found)) == found.key == (namespace, name, "i")
    assert write_token(found).isascii()


def test_the_key_of_what_has_no_name_is_its_id():
    assert record(None).key == ("n", "i", "i")


@pytest.mark.parametrize("token", ["", "x", "é", "WyJh", base64.b64encode(b'["a", 1, "c"]').decode(), "e30="])
def test_a_wrong_token(token):
    with pytest.raises(InvalidError, match="no token"):
        Query(after=token)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_wrong_limit(limit):
    with pytest.raises(InvalidError, match="at least 1"):
        Query(limit=limit)


def test_an_example_is_read():
    assert Example.of({"name": "a", "labels": {"x": "y"}}) == Example(name="a", labels={"x": "y"})
    assert Example.of({}) == Example()


@pytest.mark.parametrize(
    ("data", "says", "hint"),
    [
        ("a", "must be a map", "namespace"),
        ({"nmae": "a"}, "no field 'nmae'", "did you mean 'name'"),
        ({"zzzz": "a"}, "no field 'zzzz'", "the fields are id"),
        ({"name": 1}, "`name` of an example must be text", ""),
        ({"labels": {"a": 1}}, "`labels` of an example", ""),
        ({"labels": ["a"]}, "`labels` of an example", ""),
    ],
)
def test_a_wrong_example(data, says, hint):
    with pytest.raises(InvalidError, match=says) as caught:
        Example.of(data)
    assert hint in (caught.value.hint or "")


def test_a_page_is_a_list_that_knows_more():
    page = Page([1, 2], revision=3, after="x")
    assert page == [1, 2]
    assert (page.revision, page.after, page.problems) == (3, "x", ())
