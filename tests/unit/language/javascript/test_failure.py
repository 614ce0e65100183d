from __future__ import annotations

import json
from datetime import timedelta

import pytest

from engine.errors import Code, ErrorValue, Place
from engine.language.javascript.failure import syntax_error, thrown, timed_out

SOURCE = "const s = '🙂';\nf();"


def error_of(**record):
    return thrown("E" + json.dumps(record), (), SOURCE)


@pytest.mark.parametrize(
    ("frame", "place"),
    [
        ("at f (snippet.js:2:16)", Place(line=1, column=15)),  # a UTF-16 pair before it counts once
        ("at snippet.js:3:1", Place(line=2, column=1)),
        ("at snippet.js:4:9", Place(line=2, column=5)),  # the wrapper's end is the source's end
        ("at snippet.js:1:3", None),  # the wrapper's beginning is nowhere
        ("at prelude.js:3:1", None),
        ("at snippet.js:2:0", Place(line=1, column=1)),
        ("at snippet.js:" + "9" * 5000 + ":1", None),
        ("at snippet.js:2:" + "9" * 5000, None),
    ],
)
def test_a_place_is_the_sources(frame, place):
    assert error_of(message="m", name="Error", stack=f"Error: m\n    {frame}").place == place


def test_frames_of_the_prelude_are_left_out():
    stack = "Error: m\n    at f (snippet.js:3:1)\n    at invoke (prelude.js:9:9)\n    at <anonymous>"
    details = error_of(message="m", name="Error", stack=stack).value.details
    assert details == {"name": "Error", "stack": "Error: m\n    at f (snippet.js:2:1)"}


def test_an_error_without_a_message_is_called_by_its_name():
    assert str(error_of(message="", name="RangeError", stack="")) == "RangeError"
    assert str(error_of(message="")) == "an error without a message"


def test_causes_follow_the_message():
    error = error_of(message="m", causes=[["e", None, "inner", "limit", []]])
    assert str(error) == "m: inner"
    assert error.value.causes[0].code is Code.LIMIT


def test_an_error_value_is_carried_unchanged():
    original = ErrorValue("boom", Code.CONFLICT)
    assert thrown('E{"value":["e",0]}', (original,), "").value is original


def test_a_syntax_error_has_its_place():
    assert syntax_error("m", "\n  x", line=3, column=2).place == Place(line=2, column=3)


@pytest.mark.parametrize(("timeout", "text"), [(timedelta(seconds=1.5), "1.5 s"), (timedelta(milliseconds=5), "5 ms")])
def test_a_timeout_says_how_long(timeout, text):
    error = timed_out(timeout)
    assert text in str(error)
    assert error.code is Code.DEADLINE
