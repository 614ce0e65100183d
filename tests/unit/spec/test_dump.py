"""Writing YAML: it reads back as the same data, and people like to read it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidError
from engine.spec.yaml import dump, parse


def back(data):
    (document,) = parse(dump(data))
    return document.data


def test_style():
    data = {
        "kind": "snippet",
        "name": "a b",
        "code": "one\n  two\n",
        "ports": {"out[0]": [{"name": "b", "port": "in"}], "error": []},
        "list": [1, [2, {"x": None}], "multi\nline", {}],
    }
    assert (
        dump(data)
        == """\
kind: snippet
name: a b
code: |
  one
    two
ports:
  'out[0]':
    - name: b
      port: in
  error: []
list:
  - 1
  - - 2
    - x: null
  - |-
    multi
    line
  - {}
"""
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("self + 1", "self + 1"),
        ("https://x.y/z?a=b#c", "https://x.y/z?a=b#c"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2001-01-01", "2001-01-01"),
        ("ä 日本", "ä 日本"),
        ("1", "'1'"),
        ("true", "'true'"),
        ("null", "'null'"),
        ("~", "'~'"),
        ("0x1F", "'0x1F'"),
        (".5", "'.5'"),
        ("", "''"),
        (" a", "' a'"),
        ("a ", "'a '"),
        ("a: b", "'a: b'"),
        ("a #b", "'a #b'"),
        ("{{ .A }}", "'{{ .A }}'"),
        ("- a", "'- a'"),
        ("it's", "it's"),
        ("'it'", "'''it'''"),
        ('"q"', "'\"q\"'"),
        ("@x", "'@x'"),
        ("<<", "'<<'"),
        ("---", "'---'"),
        ("tab\there", '"tab\\there"'),
        ("nul\0", '"nul\\0"'),
        ("\u2028", '"\\u2028"'),
        ("\x85", '"\\u0085"'),
        ("\ufeff", '"\\ufeff"'),
        ("a\r\nb", '"a\\r\\nb"'),
        ("\n", '"\\n"'),
        ("9" * 5000, "'" + "9" * 5000 + "'"),
        (1, "1"),
        (1.0, "1.0"),
        (1e300, "1e+300"),
        (True, "true"),
        (None, "null"),
        (math.inf, ".inf"),
        (-math.inf, "-.inf"),
        (b"hi", '!!binary "aGk="'),
        ([], "[]"),
        ({}, "{}"),
    ],
)
def test_scalars(value, text):
    assert dump(value) == text + "\n"
    assert dump({"a": value}) == f"a: {text}\n"
    assert back({"a": [value]}) == {"a": [value]}


@pytest.mark.parametrize("length", [120, 121, 2000])
def test_keys_of_any_length(length):
    data = {"k" * length: 1, "'" * length: {"x": [1]}, "m": {"a b" * length: "one\ntwo"}}
    assert back([data]) == [data]


def test_not_a_number():
    assert dump(math.nan) == ".nan\n"


def test_times_become_text():
    assert dump({"t": datetime(2024, 1, 2, tzinfo=UTC), "d": timedelta(seconds=1.5)}) == (
        "t: 2024-01-02T00:00:00Z\nd: 1.5s\n"
    )


@pytest.mark.parametrize("bad", [object(), {(1, 2): 3}, "\ud800", {"a": {1}}])
def test_what_is_no_plain_data_is_refused(bad):
    with pytest.raises(InvalidError, match="cannot be written as YAML"):
        dump(bad)


PRINTABLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
TRICKY = st.text(alphabet=" \n\t-:?[]{}#&*!|>'\"%@`,abc01.~<=\\\r\u2028\x85\ufeff\x00\x7fä日😀", max_size=30)
TEXT = (
    PRINTABLE
    | TRICKY
    | st.sampled_from(["<<", "true", "1", "0o7", "-", "---", "...", "null", ".inf", "a\n\n", "\n\na"])
)
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.binary(max_size=8) | TEXT
DATA = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def same(left, right):
    """Equal, types included: 1 is not 1.0 is not true, and the order of keys counts."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


@given(DATA)
@settings(max_examples=500, deadline=None)
def test_everything_reads_back(data):
    assert same(back(data), data), dump(data)


@given(st.lists(st.text(alphabet=" \tab#-:", max_size=6), min_size=1, max_size=5), st.sampled_from(["", "\n", "\n\n"]))
@settings(max_examples=300, deadline=None)
def test_text_of_several_lines_reads_back_at_any_depth(lines, end):
    text = "\n".join(lines) + end
    for data in (text, {"a": text}, [text], [[text, 1]], {"a": {"b": [text, {"c": text}]}}):
        assert back(data) == data, dump(data)
