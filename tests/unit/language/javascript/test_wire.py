from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import Code, ErrorValue, ExpressionError
from engine.language.javascript.reads import Reads
from engine.language.javascript.wire import decode, encode


@pytest.mark.parametrize("plain", [None, True, 1, -1.5, "ü\n", [], {}, {"a": [1, {"b": None}]}, 2**53 - 1, "9" * 20])
def test_plain_payloads_are_plain_json_on_one_line(plain):
    line = encode(plain).line
    assert line == "P" + json.dumps(plain, separators=(",", ":"))
    assert "\n" not in line


@pytest.mark.parametrize(
    ("payload", "tree"),
    [
        (2**53, {"\0": ["i", "9007199254740992"]}),
        ([-(2**53)], [{"\0": ["i", "-9007199254740992"]}]),
        (float("inf"), {"\0": ["n", "Infinity"]}),
        (b"\xff", {"\0": ["b", "/w=="]}),
        (datetime(1970, 1, 2, tzinfo=UTC), {"\0": ["d", 86_400_000]}),
        ([timedelta(seconds=1), b""], [1000, {"\0": ["b", ""]}]),
        ({"\0": 1, "b": b""}, {"\0": ["m", {"\0": 1, "b": {"\0": ["b", ""]}}]}),
    ],
)
def test_the_rest_is_tagged(payload, tree):
    line = encode(payload).line
    assert line[0] == "T"
    assert json.loads(line[1:]) == tree


def test_only_what_is_read_crosses():
    payload = {"a": {"b": 1, "c": object()}, "d": [object()], "e": {"f": None}}
    reads = Reads(a=Reads(b=None, x=None), e=None, y=None)
    assert encode(payload, reads).line == 'P{"a":{"b":1},"e":{"f":null}}'
    assert encode([1, {"z": 2}], reads).line == 'P[1,{"z":2}]'
    assert payload["a"]["b"] == 1


def test_error_values_are_numbered():
    cause = ErrorValue("b", Code.LIMIT)
    error = ErrorValue("a", causes=(cause,))
    argument = encode([error])
    assert argument.errors == (error, cause)
    assert json.loads(argument.line[1:])[0]["\0"][1]["causes"][0]["index"] == 1
    assert decode('T[{"\\u0000":["e",1]}]', argument.errors)[0] is cause
    new = decode('T{"\\u0000":["e",null,"m","limit",[["e",0]]]}', argument.errors)
    assert (new.message, new.code, new.causes) == ("m", Code.LIMIT, (error,))


def test_large_numbers_stand_for_doubles():
    assert decode("P57385009396404380") == int(57385009396404380.0) == 57385009396404384
    assert decode('P{"a":-1,"card":"1234567890123456789"}') == {"a": -1, "card": "1234567890123456789"}


@pytest.mark.parametrize("line", ["P{", "Tx", 'T{"\\u0000":[]}', 'T{"\\u0000":["e",7]}', "P", 'T{"\\u0000":["b","*"]}'])
def test_an_answer_that_was_meddled_with_is_an_error(line):
    with pytest.raises(ExpressionError, match="cannot be read"):
        decode(line)


def test_a_shared_value_is_no_cycle():
    part = [b""]
    assert json.loads(encode([part, part]).line[1:]) == [[{"\0": ["b", ""]}]] * 2
