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


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "é",
        "\ud800",
        "WyJh",
        "e30=",
        base64.b64encode(b'["a", 1, "c"]').decode(),
        base64.b64encode(b'["a", "b"]').decode(),
        base64.b64encode(b'"abc"').decode(),
        base64.b64encode(b'["\\ud800", "b", "c"]').decode(),
        base64.b64encode(b"[" * 5000).decode(),
    ],
)
def test_a_wrong_token(token):
    with pytest.raises(InvalidError, match="no token"):
        Query(after=token)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_wrong_limit(limit):
    with pytest.raises(InvalidError, match="at least 1"):
        Query(limit=limit)


EXAMPLES = st.builds(
    Example,
    id=st.sampled_from([None, "i", "I", "j"]),
    namespace=st.sampled_from([None, "n", "m"]),
    name=st.sampled_from([None, "a", "b"]),
)


@given(st.lists(EXAMPLES), st.sampled_from(["a", "b", None]), st.sampled_from(["i", "j"]))
def test_any_example_may_match(examples, name, id):
    found = record(name, id)
    assert Query(matches=tuple(examples)).admits(found) is any(example.admits(found) for example in examples)


def test_many_examples_are_not_compared_one_by_one(monkeypatch):
    compared = []
    monkeypatch.setattr(Example, "admits", lambda self, record: bool(compared.append(self)))
    query = Query(matches=tuple(Example(id=f"i{number}") for number in range(1000)))
    for number in range(1000):
        query.admits(record(id=f"i{number}"))
    assert len(compared) == 1000


@pytest.mark.parametrize("field", ["namespaces", "ids", "names"])
def test_what_is_no_text_is_not_asked_for(field):
    with pytest.raises(InvalidError, match="no Unicode text"):
        Query(**{field: ("a", "\ud800")})


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
        ({"name": "\ud800"}, "`name` of an example is no Unicode text", ""),
        ({"labels": {"a": "\ud800"}}, "a label of an example is no Unicode text", ""),
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
