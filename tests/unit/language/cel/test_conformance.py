"""The public conformance suite: every section passes, but for the cases listed here with their reasons."""

from __future__ import annotations

import base64
import json
import math
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import ExpressionError
from engine.language import cel

_NANOSECONDS = "timestamps and durations count microseconds"
_ESCAPING = "the suite's own escaping is wrong: its bytes hold a backslash that its source has not"

KNOWN_FAILURES = {
    "parse/bytes_literals/triple_single_quoted_unescaped_punctuation": _ESCAPING,
    "parse/bytes_literals/triple_double_quoted_unescaped_punctuation": _ESCAPING,
    "timestamps/timestamp_conversions/toString_timestamp_nanos": _NANOSECONDS,
    "timestamps/timestamp_arithmetic/add_time_to_duration_nanos_positive": _NANOSECONDS,
    "timestamps/timestamp_range/add_duration_nanos_over": _NANOSECONDS,
    "string_ext/format/map support (all key types)": "a dict takes 1 and True for one key",
}

FILES = [
    "basic", "bindings_ext", "block_ext", "comparisons", "conversions", "encoders_ext", "fields", "fp_math",
    "integer_math", "lists", "logic", "macros", "macros2", "math_ext", "namespace", "network_ext", "optionals", "parse",
    "plumbing", "string", "string_ext", "timestamps", "type_deduction",
]  # fmt: skip

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decode(encoded):
    """The plain value of a value in the suite's form."""
    ((kind, value),) = encoded.items()
    match kind:
        case "null":
            return None
        case "bool" | "string":
            return value
        case "int":
            return int(value)
        case "uint":
            return cel.UInt(value)
        case "double":
            return float(value)
        case "bytes":
            return base64.b64decode(value)
        case "list":
            return [decode(item) for item in value]
        case "map":
            return {decode(key): decode(item) for key, item in value}
        case "timestamp":
            return EPOCH + timedelta(seconds=int(value["seconds"]), microseconds=value["nanos"] // 1000)
        case "duration":
            return timedelta(seconds=int(value["seconds"]), microseconds=value["nanos"] // 1000)
        case "type":
            return cel.Type(value)
    raise AssertionError(kind)


def same(left, right) -> bool:
    """Equal in type all the way down, and in value; doubles in sign and NaN too."""
    if cel.type_name(left) != cel.type_name(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        pairs = [(key, value, other) for key, value in left.items() for other in right if same(key, other)]
        return len(left) == len(right) == len(pairs) and all(same(value, right[other]) for _, value, other in pairs)
    if isinstance(left, float):
        return (math.isnan(left) and math.isnan(right)) or (
            left == right and math.copysign(1, left) == math.copysign(1, right)
        )
    return left == right


def failure(case) -> str | None:
    """What is wrong with a case; `None` when it passes. Any other exception than ours is an error of the test."""
    try:
        program = cel.compile(case["expr"], container=case.get("container"))
        bindings = {name: decode(bound["value"]) for name, bound in (case.get("bindings") or {}).items()}
        result = program(bindings)
    except ExpressionError as error:
        if error.place is None:
            return f"{case['expr']}: an error without a place: {error}"
        return f"{case['expr']}: {error}" if "value" in case else None
    if "value" not in case:
        return f"{case['expr']}: {result!r} in place of an error"
    return None if same(result, decode(case["value"])) else f"{case['expr']}: {result!r}, not {case['value']}"


@pytest.fixture(scope="module")
def cases(conformance_dir):
    lines = (conformance_dir / "cel" / "cases.jsonl").read_text().split("\n")
    return [json.loads(line) for line in lines if line]


def test_every_file_of_the_suite_is_run(cases) -> None:
    assert sorted({case["file"] for case in cases}) == FILES
    assert {case["id"] for case in cases} >= KNOWN_FAILURES.keys()


@pytest.mark.parametrize("file", FILES)
def test_cases(cases, file) -> None:
    failures = {}
    for case in cases:
        if case["file"] == file and not case.get("check_only"):
            found = failure(case)
            if found is not None:
                failures[case["id"]] = found
    known = {name for name in KNOWN_FAILURES if name.startswith(f"{file}/")}
    assert {name: text for name, text in failures.items() if name not in known} == {}
    assert known - failures.keys() == set(), "these pass now: take them off the list"
