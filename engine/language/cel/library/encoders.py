"""Base64 and JSON."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from binascii import Error
from typing import Any

from engine.errors import ExpressionError
from engine.language.cel.functions import function
from engine.language.json_form import to_json_value


def _base64_encode(value: bytes) -> str:
    return b64encode(value).decode()


def _base64_decode(text: str) -> bytes:
    """Padding may be missing."""
    bare = text.rstrip("=")
    try:
        return b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (Error, ValueError):
        raise ExpressionError("the text is not base64") from None


def _json_encode(value: Any) -> str:
    return json.dumps(to_json_value(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _json_decode(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ExpressionError("the JSON is nested too deeply") from None
    except ValueError as error:
        raise ExpressionError(f"the text is not JSON: {error}") from None


OVERLOADS = (
    function("base64.encode", "bytes -> string", _base64_encode, work=1),
    function("base64.decode", "string -> bytes", _base64_decode, work=1),
    function("json.encode", "any -> string", _json_encode, work=4),
    function("json.decode", "string -> any", _json_decode, work=4),
)
