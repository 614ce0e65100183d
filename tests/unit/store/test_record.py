from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DiagnosticsError, InvalidError
from engine.spec.model import Spec, Value, parse_spec, parse_value
from engine.spec.yaml import parse
from engine.store.record import MAX_DEPTH, MAX_DOCUMENT, Record, seal, unseal

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


def record(subject: Spec | Value, **fields: Any) -> Record:
    sealed = seal(subject)
    return Record(
        **{
            "resource": "spec" if isinstance(subject, Spec) else "value",
            "id": "i",
            "namespace": subject.namespace,
            "name": subject.name,
            "revision": 3,
            "labels": sealed.labels,
            "meaning": sealed.meaning,
            "document": sealed.document,
            "origin": sealed.origin,
            **fields,
        }
    )


@given(PLAIN)
def test_what_is_sealed_comes_back(data):
    found = unseal(record(parse_value({"name": "v", "data": data})))
    assert isinstance(found, Value)
    assert json.dumps(found.data) == json.dumps(data)
    assert (found.id, found.revision, found.name) == ("i", 3, "v")


def test_identity_comes_from_the_store():
    found = unseal(record(parse_spec({"kind": "print"}), namespace="n", name="other"))
    assert (found.namespace, found.name, found.id, found.revision) == ("n", "other", "i", 3)
    assert found.document == {"kind": "print"}


def test_meaning_is_about_what_a_document_says_not_which_it_is():
    plain = seal(parse_spec({"kind": "print", "n": 1})).meaning
    same = {"n": 1, "kind": "print", "namespace": "x", "id": "0191b2c3-0000-7000-8000-000000000001", "revision": 4}
    assert seal(parse_spec(same)).meaning == plain
    for other in (
        {"kind": "print", "n": 2},
        {"kind": "print", "n": 1, "annotations": {"a": "b"}},
        {"kind": "x", "n": 1},
    ):
        assert seal(parse_spec(other)).meaning != plain


def test_keys_become_text():
    spec = Spec("print", document={"kind": "print", "codes": {200: "ok", True: 1, None: 2}})
    assert json.loads(seal(spec).document)["codes"] == {"200": "ok", "true": 1, "null": 2}


def test_two_keys_with_one_text_are_refused():
    with pytest.raises(InvalidError, match=r"print: two keys with the same text at codes"):
        seal(Spec("print", document={"kind": "print", "codes": {1: "x", "1": "y"}}))


def test_a_refusal_has_the_place_of_the_value():
    (document,) = parse("kind: print\nname: a\nlist:\n- 1\n- !!binary AAAA\n", "flow.yaml")
    with pytest.raises(InvalidError, match=r"print/a: a value of type bytes at list\.1") as caught:
        seal(parse_spec(document.data, origin=document.origin))
    assert str(caught.value.place).startswith("flow.yaml:5")


def test_the_largest_document():
    room = MAX_DOCUMENT - len(seal(parse_value({"name": "v", "data": ""})).document.encode())
    seal(parse_value({"name": "v", "data": "ä" * (room // 2)}))
    with pytest.raises(InvalidError, match="a store takes 4,194,304"):
        seal(parse_value({"name": "v", "data": "ä" * (room // 2 + 1)}))


def test_the_deepest_document():
    def nested(levels: int) -> Any:
        data: Any = 1
        for _ in range(levels):
            data = [data]
        return data

    seal(parse_value({"name": "v", "data": nested(MAX_DEPTH - 1)}))
    with pytest.raises(InvalidError, match=f"nested deeper than {MAX_DEPTH}"):
        seal(parse_value({"name": "v", "data": nested(MAX_DEPTH)}))


def test_a_number_that_is_too_long():
    with pytest.raises(InvalidError, match="cannot be stored"):
        seal(parse_value({"name": "v", "data": 10**5000}))


def test_a_document_that_breaks_a_rule():
    with pytest.raises(DiagnosticsError):
        unseal(replace(record(parse_spec({"kind": "print"})), document="{}"))
