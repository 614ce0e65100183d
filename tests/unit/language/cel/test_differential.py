"""The same expressions here and in Google's C++ implementation: the same values, and errors in the same places."""

from __future__ import annotations

import math

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

# What is known to differ: a text of the expression that tells the case, words of their result, and the reason.
DIFFERENT = [("string(", ("nan", "inf"), "NaN and infinities are written NaN and Infinity here, nan and inf there")]


@pytest.fixture(scope="module")
def environment():
    return oracle.NewEnv(variables=dict.fromkeys(VARIABLES, oracle.Type.DYN))


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
    )
)
TEXTS = st.deferred(
    lambda: st.one_of(
        _literals("''", "'x'", "'h'", "'7'", "'2.5'", "s", "m.s"),
        _form("{} + {}", TEXTS, TEXTS),
        _form("string({})", INTS | UINTS | DOUBLES | BOOLS),
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
    )
)
LISTS = st.deferred(
    lambda: st.one_of(
        _literals("[]", "[0, 1]", "xs", "['x', 'h']"),
        _form("[{}, {}]", ANYTHING, ANYTHING),
        _form("{} + {}", LISTS, LISTS),
        _form("{}.map(v, {})", LISTS, ANYTHING),
        _form("{}.filter(v, {})", LISTS, BOOLS),
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
        _form("{} ? {} : {}", BOOLS, ANYTHING, ANYTHING),
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


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(source=ANYTHING)
def test_same_as_the_reference(environment, source) -> None:
    kind, theirs = _theirs(environment, source)
    assume(kind not in {"TYPE", "UNKNOWN"})
    ours = _ours(source)
    if kind == "error" or isinstance(ours, ExpressionError):
        assert kind == "error", f"only ours fails: {source}: {ours}"
        assert isinstance(ours, ExpressionError), f"only theirs fails: {source}: ours is {ours!r}"
        return
    if kind in KINDS:
        assert cel.type_name(ours) == KINDS[kind], source
    plain = int(ours) if isinstance(ours, cel.UInt) else ours
    if any(text in source and any(word in str(theirs) for word in words) for text, words, _ in DIFFERENT):
        return
    assert _same(theirs, _plain(plain)), f"{source}: {theirs!r} there, {ours!r} here"


def _plain(value):
    """Without our unsigned integers: the other side gives plain numbers inside lists and maps."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return int(value) if isinstance(value, cel.UInt) else value
