"""The same expressions here and in Google's C++ implementation: the same values, and errors in the same places."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engine.errors import ExpressionError
from engine.language import cel

oracle = pytest.importorskip("cel_expr_python.cel", reason="cel-expr-python is not installed")

VARIABLES = {
    "i": 7,
    "d": 2.5,
    "s": "héllo",
    "b": True,
    "n": None,
    "v": 5,
    "xs": [1, 2.0, "x", None, [3]],
    "m": {"a": 1, "b": {"c": [True, "z"]}, "s": "t"},
}

KINDS = {"INT": "int", "UINT": "uint", "DOUBLE": "double", "STRING": "string", "BOOL": "bool", "NULL": "null_type"}

# What is known to differ: a pattern of the source, a pattern of both results (theirs, a space, ours), and the reason.
DIFFERENT = [
    (r"string\(|format", r"(?i)nan|inf", "NaN and infinities are written NaN and Infinity here, nan and inf there"),
    (
        r"(?s)(duration|timestamp).*(string\(|format)|(string\(|format).*(duration|timestamp)",
        "",
        "fractions of a second are written without trailing zeros here, as in Go; in groups of three digits there",
    ),
    (
        r"''.*split\(|split\(.*''|trim.*split|replace.*split",
        "",
        "''.split('') is [] here, as in Go, and [''] there; so is whatever is made of it",
    ),
    (r"ofNonZeroValue.*timestamp", "", "timestamp(0) is a time like any other here, as in Go, and zero there"),
    (
        r"\('[-+EA]",
        "out of range",
        "a local time before year 1 or after 9999 is an error here, where Python has none, and is computed there",
    ),
]


def _known(source, theirs, ours) -> bool:
    results = f"{theirs} {ours}"
    return any(re.search(text, source) and re.search(words, results) for text, words, _ in DIFFERENT)


@pytest.fixture(scope="module")
def environment():
    extensions = [
        pytest.importorskip(f"cel_expr_python.ext.ext_{name.lower()}").__dict__[f"Ext{name}"]()
        for name in ("Bindings", "Encoders", "Math", "Optional", "Strings")
    ]
    return oracle.NewEnv(variables=dict.fromkeys(VARIABLES, oracle.Type.DYN), extensions=extensions)


def _form(template: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """`template` filled with generated parts. dyn() keeps the type checker of the other side out of it."""
    return st.tuples(*parts).map(lambda filled: f"dyn({template.format(*filled)})")


def _literals(*texts: str) -> st.SearchStrategy[str]:
    return st.sampled_from(texts).map(lambda text: f"dyn({text})")


OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
INTS = st.deferred(
    lambda: st.one_of(
        _literals("0", "1", "2", "-3", "9223372036854775807", "-9223372036854775808", "i", "m.a", "v"),
        _form("{} {} {}", INTS, st.sampled_from(["+", "-", "*", "/", "%"]), INTS),
        _form("-{}", INTS),
        _form("size({})", TEXTS | LISTS),
        _form("int({})", UINTS | DOUBLES | TEXTS),
        _form("{}[{}]", LISTS, INTS),
        _form("{}.{}({})", TEXTS, st.sampled_from(["indexOf", "lastIndexOf"]), TEXTS),
        _form("{}.{}({}, {})", TEXTS, st.sampled_from(["indexOf", "lastIndexOf"]), TEXTS, INTS),
        _form("math.{}({}, {})", st.sampled_from(["greatest", "least"]), INTS, INTS),
        _form("math.{}({})", st.sampled_from(["abs", "sign", "bitNot"]), INTS),
        _form("math.{}({}, {})", st.sampled_from(["bitAnd", "bitOr", "bitXor"]), INTS, INTS),
        _form("math.{}({}, {})", st.sampled_from(["bitShiftLeft", "bitShiftRight"]), INTS, INTS),
        _form("{}.{}()", TIMES, st.sampled_from(TIME_PARTS)),
        _form(
            "{}.{}('{}')", TIMES, st.sampled_from(TIME_PARTS), st.sampled_from(["+02:30", "-11:00", "Europe/Berlin"])
        ),
        _form("{}.{}()", DURATIONS, st.sampled_from(["getHours", "getMinutes", "getSeconds", "getMilliseconds"])),
        _form("int({})", TIMES),
        _form("cel.bind(q, {}, q + q)", INTS),
        _form("m.?a.orValue({})", INTS),
        _form("m.?q.or(optional.of({})).value()", INTS),
        _form("optional.of({}).optMap(q, q * 2).orValue({})", INTS, INTS),
    )
)
UINTS = st.deferred(
    lambda: st.one_of(
        _literals("0u", "1u", "18446744073709551615u"),
        _form("{} {} {}", UINTS, st.sampled_from(["+", "-", "*", "/", "%"]), UINTS),
        _form("uint({})", INTS | DOUBLES),
    )
)
DOUBLES = st.deferred(
    lambda: st.one_of(
        _literals("0.0", "-0.0", "1.0", "2.5", "1e300", "9223372036854775808.0", "d"),
        _form("{} {} {}", DOUBLES, st.sampled_from(["+", "-", "*", "/"]), DOUBLES),
        _form("double({})", INTS | TEXTS),
        _form("math.{}({})", st.sampled_from(["ceil", "floor", "round", "trunc", "abs", "sign"]), DOUBLES),
    )
)
TEXTS = st.deferred(
    lambda: st.one_of(
        _literals("''", "'x'", "'h'", "'7'", "'2.5'", "s", "m.s"),
        _form("{} + {}", TEXTS, TEXTS),
        _form("string({})", INTS | UINTS | DOUBLES | BOOLS | TIMES | DURATIONS),
        _form("{}.{}()", TEXTS, st.sampled_from(["trim", "lowerAscii", "upperAscii", "reverse"])),
        _form("{}.charAt({})", TEXTS, INTS),
        _form("{}.substring({})", TEXTS, INTS),
        _form("{}.substring({}, {})", TEXTS, INTS, INTS),
        _form("{}.replace({}, {})", TEXTS, TEXTS, TEXTS),
        _form("{}.replace({}, {}, {})", TEXTS, TEXTS, TEXTS, INTS),
        _form("{}.join({})", LISTS, TEXTS),
        _form("'<%s|%s>'.format([{}, {}])", TEXTS | INTS | BOOLS, ANYTHING),
        _form("'%d %x %b'.format([{}, {}, {}])", INTS, INTS, INTS),
        _form("'%.2f %.3e'.format([{}, {}])", DOUBLES, DOUBLES),
        _form("strings.quote({})", TEXTS),
        _form("base64.encode(bytes({}))", TEXTS),
        _form("m.?s.orValue({})", TEXTS),
    )
)
TIME_PARTS = [
    "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours", "getMinutes",
    "getSeconds", "getMilliseconds",
]  # fmt: skip
TIMES = st.deferred(
    lambda: st.one_of(
        _literals(
            "timestamp('2024-02-29T23:59:59.5Z')", "timestamp('1969-12-31T00:00:00-05:00')", "timestamp(0)",
            "timestamp('0001-01-01T00:00:00Z')", "timestamp('9999-12-31T23:59:59Z')",
        ),
        _form("{} {} {}", TIMES, st.sampled_from(["+", "-"]), DURATIONS),
        _form("timestamp({})", INTS),
    )
)  # fmt: skip
DURATIONS = st.deferred(
    lambda: st.one_of(
        _literals("duration('0s')", "duration('-1.5s')", "duration('1h30m')", "duration('250ms')"),
        _form("{} {} {}", DURATIONS, st.sampled_from(["+", "-"]), DURATIONS),
        _form("{} - {}", TIMES, TIMES),
    )
)
_BOOLS_TOO = st.deferred(
    lambda: st.one_of(
        _form("{} {} {}", TIMES, OPERATORS, TIMES),
        _form("{} {} {}", DURATIONS, OPERATORS, DURATIONS),
        _form("{}.matches('{}')", TEXTS, st.sampled_from(["^h", "x*", "[a-z]+$", "."])),
        _form("m.?{}.hasValue()", st.sampled_from(["a", "q", "b.c"])),
        _form("[?m.?{}] == {}", st.sampled_from(["a", "q"]), LISTS),
        _form("optional.ofNonZeroValue({}).hasValue()", ANYTHING),
    )
)
BOOLS = st.deferred(
    lambda: st.one_of(
        _literals("true", "false", "b", "m.q"),
        _form("{} {} {}", NUMBERS, OPERATORS, NUMBERS),
        _form("{} {} {}", TEXTS, OPERATORS, TEXTS),
        _form("{} {} {}", ANYTHING, st.sampled_from(["==", "!=", "<", "&&", "||"]), ANYTHING),
        _form("{} {} {}", BOOLS, st.sampled_from(["&&", "||"]), BOOLS),
        _form("!{}", BOOLS),
        _form("{}.{}({})", TEXTS, st.sampled_from(["contains", "startsWith", "endsWith"]), TEXTS),
        _form("{} in {}", ANYTHING, LISTS | MAPS),
        _form("{}.{}(v, {})", LISTS | MAPS, st.sampled_from(["all", "exists", "exists_one"]), BOOLS),
        _form("has(m.{})", st.sampled_from(["a", "q", "b.c", "q.c"])),
        _BOOLS_TOO,
    )
)
LISTS = st.deferred(
    lambda: st.one_of(
        _literals("[]", "[0, 1]", "xs", "['x', 'h']"),
        _form("[{}, {}]", ANYTHING, ANYTHING),
        _form("{} + {}", LISTS, LISTS),
        _form("{}.map(v, {})", LISTS, ANYTHING),
        _form("{}.filter(v, {})", LISTS, BOOLS),
        _form("{}.filter(v, {}).map(i, {})", LISTS, BOOLS, ANYTHING),
        _form("{}.map(v, {}, {})", LISTS, BOOLS, ANYTHING),
        _form("{}.split({})", TEXTS, TEXTS),
        _form("{}.split({}, {})", TEXTS, TEXTS, INTS),
        _form("[?m.?{}, {}]", st.sampled_from(["a", "q"]), ANYTHING),
        _form("cel.bind(v, {}, [v, v])", ANYTHING),
    )
)
MAPS = st.deferred(
    lambda: (
        _literals("{}", "m", "{1: 'x'}")
        | _form("{{'k': {}, 1: {}}}", ANYTHING, ANYTHING)
        | _form("{{{}: {}}}", TEXTS | INTS | UINTS | BOOLS, ANYTHING)
    )
)
NUMBERS = INTS | UINTS | DOUBLES
ANYTHING = st.deferred(
    lambda: st.one_of(
        NUMBERS,
        TEXTS,
        BOOLS,
        LISTS,
        MAPS,
        _literals("null", "n", "b'x'"),
        TIMES,
        DURATIONS,
        _form("{} ? {} : {}", BOOLS, ANYTHING, ANYTHING),
        _form("{}.?a.orValue({})", MAPS, ANYTHING),
        _form("{}[{}]", MAPS, TEXTS | INTS),
    )
)


def test_the_reference_works(environment) -> None:
    """Else every expression would be an error on both sides."""
    assert _theirs(environment, "i + m.a") == ("INT", 8)


def _theirs(environment, source):
    try:
        value = environment.compile(source).eval(data=VARIABLES)
    except RuntimeError as error:
        # Its limits are lower: some thirty nested calls, ten thousand steps. Ours are tested elsewhere.
        assume("recursion" not in str(error) and "budget" not in str(error))
        return "error", None
    name = value.type().name()
    return ("error", None) if name == "ERROR" else (name, value.plain_value())


def _ours(source):
    try:
        return cel.compile(source)(VARIABLES)
    except ExpressionError as error:
        return error


def _same(left, right) -> bool:
    if isinstance(left, (list, tuple)):
        return isinstance(right, list) and len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, bytearray):
        return isinstance(right, bytes) and left == right
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(_same(left[k], right[k]) for k in left)
    if isinstance(left, float) and math.isnan(left):
        return isinstance(right, float) and math.isnan(right)
    return type(left) is type(right) and left == right


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(source=ANYTHING)
def test_same_as_the_reference(environment, source) -> None:
    kind, theirs = _theirs(environment, source)
    assume(kind not in {"TYPE", "UNKNOWN"})
    ours = _ours(source)
    if _known(source, theirs, ours):
        return
    if kind == "error" or isinstance(ours, ExpressionError):
        assert kind == "error", f"only ours fails: {source}: {ours}"
        assert isinstance(ours, ExpressionError), f"only theirs fails: {source}: ours is {ours!r}"
        return
    if kind in KINDS:
        assert cel.type_name(ours) == KINDS[kind], source
    plain = int(ours) if isinstance(ours, cel.UInt) else ours
    assert _same(theirs, _plain(plain)), f"{source}: {theirs!r} there, {ours!r} here"


def _plain(value):
    """Without our unsigned integers: the other side gives plain numbers inside lists and maps."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return int(value) if isinstance(value, cel.UInt) else value
