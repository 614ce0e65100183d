"""What is refused while compiling."""

from __future__ import annotations

import pytest

from engine.errors import ExpressionError
from engine.language import cel
from engine.language.cel.library import make_library

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
    ("1.orValue(2)", 3, "takes an optional", "optional.of"),
    ("1.optMap(x, x)", 3, "takes an optional", None),
    ("self.?a.or(1)", 12, "takes an optional, not a int", None),
    ("self.?a.optFlatMap(x, 1)", 23, "takes an optional, not a int", None),
    ("[1, ?2]", 6, "takes an optional, not a int", None),
    ("{?'a': [1]}", 8, "takes an optional, not a list", None),
    ("{self == 1: 1, [1]: 2}", 16, "a list cannot be a key", None),
    ("[1] in {'a': 1}", 5, "a list is never a key", None),
    ("error('x')[1]", 11, "asked for message, code and causes", None),
    ("error('x')[?'code']", 11, "no elements to index", None),
    ("math.greatest(self, 'x')", 6, r"math.greatest applied to \(any, string\)", "number"),
    ("math.least(true)", 6, "math.least applied to", None),
    ("self.transformMapEntry(k, v, v + 'x')", 6, "makes maps", None),
    ("cel.bind(x, 1, x + 'a')", 18, "does not go with int and string", None),
    ("cel.bind(x, size(self), x.trim())", 27, r"trim applied to \(int\)", None),
    ("[1].transformList(i, v, i + 'a')", 27, "does not go with int and string", None),
    ("self.a &&\n  (1 + 'a') == 2", None, "does not go with int and string", None),
    ("self ? 'a' - 'b' : 1", 12, "does not go with string and string", None),
    ("!(1 + 1)", 1, "takes a bool, not a int", None),
    ("-(self in [1])", 1, "does not go with a bool", None),
    ("size(1)", 1, r"size applied to \(int\)", "string"),
    ("'a'.startsWith(1)", 5, r"startsWith applied to \(string, int\)", None),
    ("1 in 2", 3, "looks into a list or a map", None),
    ("[1] < 2", 5, "does not go with", None),
    ("timestamp(0) + timestamp(0)", 14, "does not go with", None),
    ("(timestamp(0) - timestamp(1)).getFullYear()", 31, r"getFullYear applied to \(google.protobuf.Duration\)", None),
    ("(timestamp(0) + duration('1s')).trim()", 33, "trim applied to", None),
]


@pytest.mark.parametrize(("source", "column", "message", "hint"), REFUSED)
def test_refused(source, column, message, hint) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        cel.CelCompiler().compile(source)
    place = caught.value.place
    assert (place.line, place.column) == ((1, column) if column else (2, 6))
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


def test_what_decides_lets_the_rest_be_nonsense() -> None:
    """Elsewhere a part that can never have a value is refused, as by CEL's own checkers, also where it may be absorbed."""
    assert cel.CelCompiler().compile("false && (1 + 'a') == 2")(None) is False
    assert cel.CelCompiler().compile("size(1) == 2 || true")(None) is True


KINDS = [
    "null", "true", "2", "2u", "2.5", "'a'", "b'a'", "[1]", "{'a': 1}", "timestamp(0)", "duration('1s')", "int",
    "optional.of('a')", "ip('1.1.1.1')", "cidr('1.1.1.0/24')", "error('x')",
]  # fmt: skip
OPERATORS = ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||"]
FORMS = [
    *(f"{{0}} {operator} {{1}}" for operator in OPERATORS),
    *(f"[1].{macro}(x, {{0}})" for macro in ("all", "exists", "filter", "exists_one")),
    *(f"{{0}}.{macro}(x, true)" for macro in ("all", "exists", "filter", "exists_one", "map")),
    "!{0}", "-{0}", "{0} ? 1 : 2", "{0}[{1}]", "{0}[?{1}]", "[1][{0}]", "{{{0}: 1}}", "[?{0}]", "{{?'a': {0}}}",
    "[1].transformMapEntry(k, v, {0})", "{0}.transformMap(k, v, v)", "{0}.optMap(x, x)", "{0}.or({1})", "{0}.orValue(1)",
    "optional.of(1).optFlatMap(x, {0})", "cel.bind(x, {0}, x + {1})", "({0} + {1}) + {0}",
]  # fmt: skip


def _calls():
    library = make_library(max_size=100)
    for is_method in (False, True):
        for name in library.names(method=is_method):
            counts = {len(overload.params) for overload in library.find(name, method=is_method).overloads}
            for count in counts - {3, 4}:
                if not name.startswith("@"):
                    args = ["{0}", "{1}"][: count - is_method]
                    yield f"{'{' + str(count - 1) + '}.' if is_method else ''}{name}({', '.join(args)})"


def _failure(program) -> str:
    try:
        program(None)
    except ExpressionError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("form", [*FORMS, *_calls()])
def test_constants_of_the_wrong_kinds_are_refused_before_the_run(form) -> None:
    """Whatever compiles may fail for its value, but never for a type that was written in the source."""
    compiler = cel.CelCompiler()
    for first in KINDS:
        for second in KINDS if "{1}" in form else [""]:
            source = form.format(first, second)
            try:
                program = compiler.compile(source)
            except ExpressionError:
                continue
            failure = _failure(program)
            # What is inside an optional only the run knows.
            assert "no such overload" not in failure or "optional.of" in source, source
