"""The public conformance suite of CEL as a judge: reading its cases, running one, and what is known to fail.

Both the reference page and the test of the suite ask here.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from engine.errors import ExpressionError
from engine.language import cel

PROJECT = Path(__file__).resolve().parents[2]
_NANOSECONDS = "timestamps and durations count microseconds, as Python's do"
_ESCAPING = "the suite's own escaping is wrong: its bytes hold a backslash that its source has not"

KNOWN_FAILURES: Mapping[str, str] = MappingProxyType(
    {
        "parse/bytes_literals/triple_single_quoted_unescaped_punctuation": _ESCAPING,
        "parse/bytes_literals/triple_double_quoted_unescaped_punctuation": _ESCAPING,
        "timestamps/timestamp_conversions/toString_timestamp_nanos": _NANOSECONDS,
        "timestamps/timestamp_arithmetic/add_time_to_duration_nanos_positive": _NANOSECONDS,
        "timestamps/timestamp_range/add_duration_nanos_over": _NANOSECONDS,
        "string_ext/format/map support (all key types)": "a dict takes 1 and True for one key",
    }
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Case = dict[str, Any]


def find_folder() -> Path | None:
    """The folder of conformance cases: `CONFORMANCE_DIR`, else the sibling folder `shared/conformance`."""
    named = os.environ.get("CONFORMANCE_DIR")
    folder = Path(named) if named else PROJECT.parent / "shared" / "conformance"
    return folder if folder.is_dir() else None


def read_cases(folder: Path) -> list[Case]:
    """The cases that have a result; those for type checkers only are left out."""
    lines = (folder / "cel" / "cases.jsonl").read_text(encoding="utf-8").split("\n")
    return [case for case in map(json.loads, filter(None, lines)) if not case.get("check_only")]


def decode(encoded: dict[str, Any]) -> Any:
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
            return _EPOCH + timedelta(seconds=int(value["seconds"]), microseconds=value["nanos"] // 1000)
        case "duration":
            return timedelta(seconds=int(value["seconds"]), microseconds=value["nanos"] // 1000)
        case "type":
            return cel.Type(value)
    raise ValueError(f"unknown kind of value: {kind}")


def same(left: Any, right: Any) -> bool:
    """Equal in type all the way down, and in value; doubles in sign and NaN too."""
    if cel.type_name(left) != cel.type_name(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        pairs = [(key, value, other) for key, value in left.items() for other in right if same(key, other)]
        return len(left) == len(right) == len(pairs) and all(same(value, right[other]) for _, value, other in pairs)
    if isinstance(left, float):
        both_nan = math.isnan(left) and math.isnan(right)
        return both_nan or (left == right and math.copysign(1, left) == math.copysign(1, right))
    return bool(left == right)


def failure(case: Case) -> str | None:
    """What is wrong with a case; `None` when it passes. Any other exception than ours is an error of the engine."""
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
