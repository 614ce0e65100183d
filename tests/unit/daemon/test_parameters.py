from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.daemon.parameters import FILTER, Parameters, read_flag, read_whole
from engine.errors import InvalidError


def test_what_is_named_becomes_an_example():
    query = {"name": ["a"], "label": ["app=shop", "x=", "eq=a=b", "app=shop"], "limit": "3"}
    parameters = Parameters(query, (*FILTER, "limit"))
    assert parameters.example() == {"name": "a", "labels": {"app": "shop", "x": "", "eq": "a=b"}}
    assert (parameters.get("limit"), parameters.get("id")) == ("3", None)
    assert "limit" in parameters


@pytest.mark.parametrize("query", [None, {}, {"limit": ["1"]}])
def test_nothing_named_is_no_example(query):
    assert Parameters(query, (*FILTER, "limit")).example() is None


@pytest.mark.parametrize(
    ("query", "says", "hint"),
    [
        ({"nmae": ["a"]}, "no query parameter 'nmae'", "did you mean 'name'"),
        ({"zzz": ["a"]}, "no query parameter 'zzz'", "the parameters are id, namespace"),
        ({"name": ["a", "b"]}, "`name` stands 2 times", "once"),
        ({"name": []}, "`name` stands 0 times", "once"),
        ({"name": [""]}, "`name` is empty", "leave it out"),
        ({"name": [1]}, "`name` must be text", ""),
        ({"name": ["\ud800"]}, "no Unicode text", ""),
        ({1: ["a"]}, "no query parameter 1", ""),
        (["name"], "must be that of a request", ""),
    ],
)
def test_a_wrong_query(query, says, hint):
    with pytest.raises(InvalidError, match=says) as caught:
        Parameters(query, FILTER)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["novalue"], "KEY=VALUE, not 'novalue'"),
        (["=x"], "KEY=VALUE"),
        (["a=1", "a=2"], "cannot be '1' and '2' at once"),
    ],
)
def test_wrong_labels(labels, says):
    with pytest.raises(InvalidError, match=says):
        Parameters({"label": labels}, FILTER).example()


def test_a_query_that_takes_nothing():
    with pytest.raises(InvalidError) as caught:
        Parameters({"a": ["1"]}, ())
    assert caught.value.hint == "it takes none"


@given(st.integers(1, 10**18 - 1))
def test_whole_numbers(number):
    assert read_whole(number, "n") == read_whole(str(number), "n") == number


@pytest.mark.parametrize("value", ["abc", "", " 1", "1.5", "-1", "0", 0, -1, True, 1.0, "²", "\u0661", "9" * 5000, [1]])
def test_what_is_no_whole_number(value):
    with pytest.raises(InvalidError, match="`n` must be a whole number from 1 on"):
        read_whole(value, "n")


def test_flags():
    assert [read_flag(value, "f") for value in (None, True, False, "true", "false")] == [None, True, False, True, False]


@pytest.mark.parametrize("value", ["yes", "", 1, "True", []])
def test_what_is_no_flag(value):
    with pytest.raises(InvalidError, match="`f` must be true or false"):
        read_flag(value, "f")
