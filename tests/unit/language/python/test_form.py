from __future__ import annotations

import pytest

from engine.errors import ExpressionError, Place
from engine.language.python.form import lines_of, place_of, read


def run(source, payload=None):
    namespace = {}
    exec(read(source).code, namespace)
    return namespace["main"](payload)


@pytest.mark.parametrize(
    ("source", "payload", "value"),
    [
        ("payload + 1", 1, 2),
        ("self['a'] * 2\n", {"a": 2}, 4),
        ("# a comment\n[\n  x * payload\n  for x in self\n]", [2], [[2, 2]]),
        ("(lambda n: n + payload)(1)", 1, 2),
        ("'text'", None, "text"),
        ("(n := payload) and n", 3, 3),
    ],
)
def test_an_expression_is_evaluated_over_payload_and_self(source, payload, value):
    assert run(source, payload) == value
    assert not read(source).is_async


@pytest.mark.parametrize(
    ("source", "is_async"),
    [
        ("def main(payload):\n  return payload", False),
        ("async def main(payload):\n  return payload", True),
        ("def main(*args): return args", False),
        ("def main(a, b=1, *, c=2): return a", False),
        ("from functools import cache\n@cache\ndef main(): return 1", False),
        ("def main(a): return 1\nasync def main(a): return 2", True),
        ("def helper():\n  yield 1\ndef main(a): return list(helper())", False),
    ],
)
def test_a_module_has_a_main(source, is_async):
    assert read(source).is_async is is_async


@pytest.mark.parametrize(
    ("source", "message", "place"),
    [
        ("", "the snippet defines no function `main`", None),
        ("import math\nmath.pi", "the snippet defines no function `main`", None),
        ("class A:\n  def main(self, payload): pass\nx = 1", "the snippet defines no function `main`", None),
        ("\ndef main(): return 1", "`main` takes one argument, the payload", (2, 1)),
        ("def main(a, b): return 1", "`main` takes one argument, the payload", (1, 1)),
        ("def main(a, *, b): return 1", "`main` takes one argument, the payload", (1, 1)),
        ("x = 1\ndef main(a):\n  yield 1", "`main` yields, and a snippet gives one result", (2, 1)),
        ("async def main(a):\n  yield 1", "`main` yields, and a snippet gives one result", (1, 1)),
        ("(yield payload)", "`main` yields, and a snippet gives one result", (1, 1)),
        ("payload +", "invalid syntax", (1, 10)),
        ("def main(payload):\nreturn 1", "expected an indented block after function definition on line 1", (2, 1)),
        ("'é' +* 1", "invalid syntax", (1, 6)),
        ("def main(p): pass\nx = 'é'; return 1", "'return' outside function", (2, 10)),
        ("x = 1; return x", "the snippet defines no function `main`", None),
        ("'é', await payload", "'await' outside async function", (1, 6)),
        ("x = '\ud800'", "the source holds half a character (a lone surrogate)", None),
    ],
)
def test_what_is_wrong_has_its_place(source, message, place):
    with pytest.raises(ExpressionError) as caught:
        read(source)
    error = caught.value
    assert error.value.message == message
    assert ((error.place.line, error.place.column) if error.place else None) == place


def test_hints_tell_the_forms():
    for source, word in [("x = 1", "def main(payload):"), ("await payload", "async def main(payload):")]:
        with pytest.raises(ExpressionError) as caught:
            read(source)
        assert word in caught.value.hint


@pytest.mark.parametrize("source", ["x\0", "(" * 5_000, "-" * 50_000 + "1"])
def test_what_the_parser_cannot_take_is_an_error_like_any_other(source):
    with pytest.raises(ExpressionError):
        read(source)


def test_nothing_runs():
    read("def main(payload): pass\nraise SystemExit")


def test_places_count_characters_and_stay_within_the_source():
    assert place_of("a\r\nüb", 2, 2) == Place(line=2, column=2)
    assert place_of("a", 1, None) == Place(line=1)
    assert place_of("a", 7, 3) == Place(line=1)
    assert lines_of("a\rb\x0cc\nd") == ["a", "b\x0cc", "d"]
