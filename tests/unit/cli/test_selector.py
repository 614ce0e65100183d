from __future__ import annotations

import pytest

from engine.cli.selector import Selector
from engine.errors import InvalidError


@pytest.mark.parametrize(
    ("text", "labels", "admitted"),
    [
        (None, {}, True),
        ("a=1", {"a": "1"}, True),
        ("a==1", {"a": "1"}, True),
        ("a=1", {"a": "2"}, False),
        ("a=1", {}, False),
        ("a=", {"a": ""}, True),
        ("a!=1", {"a": "2"}, True),
        ("a!=1", {}, True),
        ("a!=1", {"a": "1"}, False),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("!a", {"a": "x"}, False),
        (" a = 1 , b ", {"a": "1", "b": "2"}, True),
        ("a=1,b=2", {"a": "1", "b": "3"}, False),
        ("app.kubernetes.io/name=shop", {"app.kubernetes.io/name": "shop"}, True),
        ("straße=ö", {"straße": "ö"}, True),
    ],
)
def test_selectors(text, labels, admitted):
    assert Selector.parse(text).admits(labels) is admitted


@pytest.mark.parametrize("text", ["", ",", "a=1,", "=1", "a=1=2", "!a=1", "a b", "a in (b)"])
def test_what_is_no_selector(text):
    with pytest.raises(InvalidError, match="is no selector of labels"):
        Selector.parse(text)


def test_equals_is_what_a_store_can_look_for():
    assert Selector.parse("a=1,b!=2,c,!d").equals == {"a": "1"}
