from __future__ import annotations

import asyncio

import pytest

from engine.errors import Code, InvalidError, NotFoundError, Place, WeirError
from engine.language.python.failure import raised
from engine.language.python.form import FILE


def of(source):
    try:
        exec(compile(source, FILE, "exec"), {})
    except BaseException as error:
        return raised(error, source)
    raise AssertionError


SOURCE = """\
import json
def inner(text):
    return "é", json.loads(text)
def outer(text):
    return inner(text)
outer("{")
"""


def test_the_place_is_the_innermost_of_the_snippet_in_characters():
    error = of(SOURCE)
    assert error.place == Place(line=3, column=17)
    assert error.code is Code.EXPRESSION
    assert error.value.message.startswith("Expecting property name")
    assert error.value.details == {
        "name": "JSONDecodeError",
        "traceback": 'line 6, in <module>\n    outer("{")\nline 5, in outer\n    return inner(text)\n'
        'line 3, in inner\n    return "é", json.loads(text)',
    }


@pytest.mark.parametrize(
    ("source", "message", "name"),
    [
        ("raise ValueError('no')", "no", "ValueError"),
        ("raise ValueError", "ValueError", "ValueError"),
        ("{}['a']", "KeyError: 'a'", "KeyError"),
        ("raise SystemExit(3)", "SystemExit: 3", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "KeyboardInterrupt"),
        ("class E(Exception):\n  def __str__(self): raise ValueError\nraise E", "E", "E"),
        ("raise MemoryError", "MemoryError", "MemoryError"),
    ],
)
def test_the_message_is_the_exceptions_own_or_its_name(source, message, name):
    error = of(source)
    assert (error.value.message, error.value.details["name"]) == (message, name)


def test_endless_recursion_has_a_short_traceback():
    error = of("def f():\n  f()\nf()")
    assert error.value.message.startswith("maximum recursion depth exceeded")
    lines = error.value.details["traceback"].split("\n")
    assert len(lines) == 2 * 20 + 1
    assert lines[10].startswith("… ")
    assert error.place == Place(line=2, column=3)


def test_causes_are_kept_and_contexts_are_not():
    error = of("try:\n  int('x')\nexcept ValueError as e:\n  raise TypeError('outer') from e")
    assert str(error) == "outer: invalid literal for int() with base 10: 'x'"
    assert of("try:\n  int('x')\nexcept ValueError:\n  raise TypeError('outer')").value.causes == ()
    group = of("raise ExceptionGroup('several', [ValueError('a'), KeyError('b')])")
    assert [cause.message for cause in group.value.causes] == ["a", "KeyError: 'b'"]


def test_a_chain_of_causes_that_leads_to_itself_ends():
    error = of("a = ValueError('a')\nb = ValueError('b')\nb.__cause__ = a\nraise a from b")
    assert len(str(error).split(": ")) == 9


def test_an_error_of_weir_keeps_what_it_is():
    error = of(
        "from engine.errors import WeirError, Code, Place\n"
        "raise WeirError('gone', code=Code.NOT_FOUND, hint='look', place=Place(line=9, column=9))"
    )
    assert (error.code, error.value.message, error.hint) == (Code.NOT_FOUND, "gone", "look")
    assert error.place == Place(line=2, column=1)
    assert error.value.details["name"] == "WeirError"


def test_an_error_of_weir_keeps_its_file_details_and_causes():
    try:
        raise WeirError("x", place=Place("a.yaml", 1, 1), details=[1], causes=(InvalidError("y"),))
    except WeirError as caught:
        error = raised(caught, "")
    assert (error.place, error.value.details) == (Place("a.yaml", 1, 1), [1])
    assert error.value.says("invalid argument")
    cause = ValueError("v")
    cause.__cause__ = NotFoundError("n")
    assert raised(cause, "").value.causes[0].code is Code.NOT_FOUND


def test_an_error_without_frames_of_the_snippet_has_no_place():
    error = raised(asyncio.CancelledError(), "x")
    assert error.place is None
    assert error.value.message == "CancelledError"
