"""Choosing overloads."""

from __future__ import annotations

import pytest

from engine.errors import ExpressionError
from engine.language.cel.functions import Library, function, method


class Text(str):
    __slots__ = ()


@pytest.fixture
def library():
    return Library(
        [
            function("f", "int -> string", lambda _: "int"),
            function("f", "string -> string", lambda _: "string"),
            function("f", "any any -> string", lambda *_: "two"),
            function("sized", "string -> int", lambda limit, text: limit + len(text), sized=True),
            function("many", "int -> int", lambda *numbers: sum(numbers), variadic=True),
            method("with", "string string -> string", lambda left, right: left + right),
        ],
        max_size=100,
    )


def test_the_overload_is_chosen_by_type(library) -> None:
    call = library.find("f", method=False).call
    assert (call(1), call("x"), call(1.0, None), call(Text("x"))) == ("int", "string", "two", "string")
    with pytest.raises(ExpressionError, match=r"no such overload: f applied to \(bool\)"):
        call(True)


def test_two_parameters(library) -> None:
    call = library.find("with", method=True).call
    assert call("a", "b") == "ab"
    assert call(Text("a"), "b") == "ab"
    with pytest.raises(ExpressionError, match=r"with applied to \(string, int\)"):
        call("a", 1)


def test_limits_and_any_number_of_arguments(library) -> None:
    assert library.find("sized", method=False).call("abc") == 103
    assert library.find("many", method=False).call(1, 2, 3) == 6
    with pytest.raises(ExpressionError):
        library.find("many", method=False).call(1, "2")


def test_what_may_be_meant(library) -> None:
    chosen = library.find("f", method=False)
    assert [overload.params for overload in chosen.choose((None,))] == [("int",), ("string",)]
    assert [overload.params for overload in chosen.choose(("string",))] == [("string",)]
    assert chosen.choose(("bool",)) == []
    assert chosen.counts() == "1 or 2"
    assert library.find("many", method=False).counts() == "1 or more"
    assert library.find("f", method=True) is None
    assert library.names(method=True) == ["with"]
