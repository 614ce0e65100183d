"""JSON merge patch: the examples of RFC 7396, appendix A, and that nothing is shared."""

from __future__ import annotations

import pytest

from engine.spec.patch import merge_patch


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_examples_of_the_rfc(document, patch, result):
    assert merge_patch(document, patch) == result


def test_order_is_kept():
    assert list(merge_patch({"a": 1, "b": 2}, {"c": 3, "a": 9})) == ["a", "b", "c"]


def test_nothing_is_shared_or_changed():
    document, patch = {"a": {"x": [1]}, "k": [1]}, {"b": [2], "a": {"y": [3]}}
    result = merge_patch(document, patch)
    result["a"]["x"].append(0)
    result["a"]["y"].append(0)
    result["b"].append(0)
    result["k"].append(0)
    assert (document, patch) == ({"a": {"x": [1]}, "k": [1]}, {"b": [2], "a": {"y": [3]}})
