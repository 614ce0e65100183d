"""Paths and forms of requests. The payload as a whole is tested through the listener."""

from __future__ import annotations

from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.network.header import canonical
from nodes.network.request import parse_form, unescaped_path, unescaped_segment


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a%20b", "/a b"),
        ("/a%2fb%2Fc", "/a%2Fb%2Fc"),
        ("/100%25", "/100%25"),
        ("/%C3%A4%2F%c3%b6", "/ä%2Fö"),
        ("/%FF", "/%FF"),
        ("/%zz%4", "/%zz%4"),
        ("/%252F", "/%252F"),
    ],
)
def test_a_path_keeps_encoded_slashes_and_percent_signs(path, expected):
    assert unescaped_path(path) == expected


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)))))
def test_segments_survive_both_steps(segments):
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    found = unescaped_path(path)[1:].split("/")
    assert [unescaped_segment(segment) for segment in found] == (segments or [""])


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=("Cs",)), min_size=1),
            st.text(st.characters(exclude_categories=("Cs",))),
        )
    )
)
def test_forms_come_back(pairs):
    expected = {}
    for name, value in pairs:
        expected.setdefault(name, []).append(value)
    assert parse_form("&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)) == expected


def test_forms_as_people_write_them():
    assert parse_form("a&b=&=c&&d=1=2") == {"a": [""], "b": [""], "": ["c"], "d": ["1=2"]}


@pytest.mark.parametrize(
    ("name", "expected"), [("content-type", "Content-Type"), ("ETAG", "Etag"), ("x", "X"), ("", "")]
)
def test_canonical_names(name, expected):
    assert canonical(name) == expected
