"""What is refused while compiling."""

from __future__ import annotations

import pytest

from engine.errors import ExpressionError
from engine.language import cel

REFUSED = [
    ("1 + 'a'", 3, "`\\+` does not go with int and string", "string(x)"),
    ("1 + 1.0", 3, "does not go with int and double", "double(x)"),
    ("self + true", 6, "does not go with anything and bool", None),
    ("self.a - 'x'", 8, "does not go with", None),
    ("1.0 % 2.0", 5, "does not go with", None),
    ("'a' < 1", 5, "does not go with", None),
    ("[1] > self", 5, "does not go with", None),
    ("1 in 'abc'", 3, "looks into a list or a map", None),
    ("'a' && self", 1, "takes a bool, not a string", "compare"),
    ("self ? 1 : 2 + (1 ? 2 : 3)", 17, "takes a bool, not a int", None),
    ("!'a'", 1, "takes a bool", None),
    ("-'a'", 1, "does not go with a string", None),
    ("-[1]", 1, "does not go with a list", None),
    ("'abc'.length", 6, "only a map has fields", None),
    ("has('abc'.length)", 1, "only a map has fields", None),
    ("[1]['a']", 4, "a list index must be an int", None),
    ("'abc'[0]", 6, "no elements to index", None),
    ("'abc'.map(x, x)", 7, "over a list or a map, not over a string", None),
    ("[1].filter(x, 5)", 15, "takes a bool, not a int", None),
    ("[1].all(x, 'x')", 12, "takes a bool, not a string", None),
    ("{1.5: 2}", 2, "a double cannot be a key", None),
    ("{'a': 1, 'a': 2}", 10, "repeated key: 'a'", None),
    ("siz(self)", 1, "no such function: siz", "size"),
    ("self.startWith('a')", 6, "no such method: startWith", "startsWith"),
    ("self.fliter(x, true)", 6, "no such method: fliter", "filter"),
    ("startsWith(self, 'a')", 1, "no such function: startsWith", "x.startsWith()"),
    ("self.timestamp()", 6, "no such method: timestamp", "timestamp(x)"),
    ("self.map(x)", 6, "no such method: map", "number of arguments"),
    ("math.abz(1)", 6, "no such method: abz", None),
    ("size()", 1, "takes 1 arguments, not 0", None),
    ("self.replace('a')", 6, "takes 2 or 3 arguments, not 1", None),
    ("'a'.charAt('b')", 5, r"charAt applied to \(string, string\)", "(string, int)"),
    ("self.charAt(true)", 6, r"charAt applied to \(any, bool\)", None),
    ("self.matches('[')", 14, "bad regular expression", "RE2"),
    ("self.matches('(?=x)')", 14, "bad regular expression", "RE2"),
    ("string == 'x'", 8, "a type never equals a string", "self.type"),
    ("type.name", 5, "only a map has fields", "self.type"),
    ("1.orValue(2)", 3, "asks an optional", None),
    ("1.optMap(x, x)", 3, "asks an optional", None),
]


@pytest.mark.parametrize(("source", "column", "message", "hint"), REFUSED)
def test_refused(source, column, message, hint) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        cel.CelCompiler().compile(source)
    assert (caught.value.place.line, caught.value.place.column) == (1, column)
    if hint is not None:
        assert hint in caught.value.hint


@pytest.mark.parametrize(
    "source",
    ["1 == 'a'", "1 == true", "null == 1", "'a' != b'a'", "dyn(1) == 'a'", "[1, 'a']", "true ? 1 : 'a'", "'a' in [1]"],
)
def test_allowed(source) -> None:
    cel.CelCompiler().compile(source)(None)


@pytest.mark.parametrize(
    "source", ["dyn(1) + 'a'", "dyn('a').b", "dyn([1])['a']", "dyn(1)['a']", "dyn('a')[0]", "!dyn(1)"]
)
def test_dyn_moves_the_check_to_the_run(source) -> None:
    program = cel.CelCompiler().compile(source)
    with pytest.raises(ExpressionError):
        program(None)
