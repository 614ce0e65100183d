"""Type names and what leaves a program."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from ipaddress import ip_address, ip_interface

import pytest

from engine.errors import ErrorValue
from engine.language import cel
from engine.language.cel.values import NONE, Optional, export, type_of


class Colour(IntEnum):
    RED = 1


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null_type"),
        (True, "bool"),
        (1, "int"),
        (2**100, "int"),
        (Colour.RED, "int"),
        (cel.UInt(1), "uint"),
        (1.0, "double"),
        ("x", "string"),
        (Text("x"), "string"),
        (b"x", "bytes"),
        ([], "list"),
        ((), "list"),
        ({}, "map"),
        (datetime(2024, 1, 1, tzinfo=UTC), "google.protobuf.Timestamp"),
        (timedelta(), "google.protobuf.Duration"),
        (cel.Type("int"), "type"),
        (NONE, "optional_type"),
        (ErrorValue("x"), "error"),
        (ip_address("10.0.0.1"), "net.IP"),
        (ip_interface("10.0.0.1/8"), "net.CIDR"),
        (Decimal(1), "python.Decimal"),
    ],
)
def test_type_name(value, name) -> None:
    assert cel.type_name(value) == name
    assert type_of(value) == cel.Type(name)


def test_an_unsigned_integer_is_an_integer_in_python() -> None:
    assert cel.UInt(5) == 5
    assert {5: "a"}[cel.UInt(5)] == "a"
    assert repr(cel.UInt(5)) == "5u"


def test_export_unwraps_at_any_depth_and_shares_the_rest() -> None:
    shared = {"a": [1]}
    assert export(Optional(Optional(1, present=True), present=True)) == 1
    assert export([NONE, shared, {"x": Optional(2, present=True)}]) == [None, shared, {"x": 2}]
    assert export([shared])[0] is shared
    plain = [shared, 1]
    assert export(plain) is plain
