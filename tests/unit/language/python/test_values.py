from __future__ import annotations

import dataclasses
import enum
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Code, ErrorValue
from engine.language.cel import UInt
from engine.language.python.values import copy_in, copy_out

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.timedeltas()
    | st.datetimes(timezones=st.just(UTC))
)
PAYLOADS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


def containers(value):
    if isinstance(value, list | dict):
        yield id(value)
        for item in value.values() if isinstance(value, dict) else value:
            yield from containers(item)


@given(PAYLOADS)
def test_a_copy_is_equal_and_shares_nothing_that_can_change(payload):
    for copied in (copy_in(payload), copy_out(payload)):
        assert copied == payload
        assert not set(containers(copied)) & set(containers(payload))


def test_what_stands_twice_becomes_two():
    inner = []
    one, two = copy_in([inner, inner])
    assert one is not two


class Text(str, enum.Enum):  # noqa: UP042 (the older way, whose members show another text than they are)
    A = "a"


class Number(enum.IntEnum):
    ONE = 1


class Own(datetime):
    pass


class Pair(NamedTuple):
    x: int
    y: int


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ((1, (2,)), [1, [2]]),
        (Pair(1, 2), [1, 2]),
        (OrderedDict(a=OrderedDict(b=1)), {"a": {"b": 1}}),
        (Text.A, "a"),
        ({Text.A: Text.A}, {"a": "a"}),
        (Number.ONE, 1),
        ({Number.ONE: 1, True: 2}, {1: 2}),
        (UInt(5), 5),
        (type("F", (float,), {})(1.5), 1.5),
        (bytearray(b"a"), b"a"),
        (memoryview(b"a"), b"a"),
        (Own(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)),
        (type("D", (timedelta,), {})(1, 2, 3), timedelta(1, 2, 3)),
    ],
)
def test_relatives_of_plain_data_become_plain(value, plain):
    copied = copy_out(value)
    assert copied == plain
    assert type(copied) is type(plain)
    if isinstance(plain, dict):
        assert [type(key) for key in copied] == [type(key) for key in plain] or True in copied


def test_an_error_value_stays_the_very_same():
    error = ErrorValue("no", Code.NOT_FOUND)
    assert copy_in({"e": [error]})["e"][0] is error
    assert copy_out(error) is error


def test_a_zone_is_kept_and_the_lack_of_one_means_utc_in_arguments_only(fails):
    east = datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert copy_out(east).utcoffset() == timedelta(hours=2)
    naive = datetime(2024, 1, 1)
    assert copy_in([naive]) == [datetime(2024, 1, 1, tzinfo=UTC)]
    error = fails(copy_out, {"at": naive})
    assert error.value.message == "a datetime without a time zone cannot be in the result, at ['at']"
    assert "datetime.now(UTC)" in error.hint


@dataclasses.dataclass
class Point:
    x: int = 1


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ({1}, "a value of type set cannot be in the result", "sorted("),
        ({"a": [0, {"b": {1}}]}, "a value of type set cannot be in the result, at ['a'][1]['b']", "sorted("),
        ([(1, object())], "a value of type object cannot be in the result, at [0][1]", "str("),
        ({"a": {(1, 2): 3}}, "a map key of type tuple cannot be in the result, at ['a']", "str(key)"),
        ({None: 3}, "a map key of type NoneType cannot be in the result", "str(key)"),
        ({1.5: 3}, "a map key of type float cannot be in the result", "str(key)"),
        (Decimal(1), "a value of type Decimal cannot be in the result", "float("),
        (date(2024, 1, 1), "a value of type date cannot be in the result", "str("),
        (Point(), "a value of type Point cannot be in the result", "dataclasses.asdict("),
        (range(3), "a value of type range cannot be in the result", "list("),
        (iter([]), "a value of type list_iterator cannot be in the result", "list("),
        ({}.keys(), "a value of type dict_keys cannot be in the result", "list"),
        (len, "a value of type builtin_function_or_method cannot be in the result", "call it"),
        (ValueError("x"), "a value of type ValueError cannot be in the result", "raise it"),
        (int, "a value of type type cannot be in the result", None),
    ],
)
def test_what_is_no_payload_is_refused_with_its_place_and_a_way_out(fails, value, message, hint):
    error = fails(copy_out, value)
    assert error.value.message == message
    assert error.hint is None if hint is None else hint in error.hint


def test_arguments_are_checked_as_well(fails):
    assert fails(copy_in, [{1}]).value.message == "a value of type set cannot be in the argument, at [0]"


def test_a_value_that_contains_itself_is_told_from_a_deep_one(fails):
    cycle = {"a": [1]}
    cycle["a"].append({"b": (cycle,)})
    assert fails(copy_out, cycle).value.message == "the result contains itself"
    deep = []
    for _ in range(100_000):
        deep = [deep, 1]
    assert fails(copy_in, deep).value.message == "the argument is nested too deeply"
    while deep:  # taken apart piece by piece, since to free it at once is deep too
        deep = deep[0]
