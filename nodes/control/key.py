"""What makes two payloads the same."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime, timedelta

from engine.errors import ErrorValue, InvalidError
from engine.flow import Payload

_KEY_HINT = "name what tells requests apart in the field `key`"


def key_of(payload: Payload) -> Hashable:
    """A hashable value that is equal for payloads of equal content and equal types: 1, 1.0, true and "1" are four.

    The order of a map's keys does not count. Raises InvalidError for a stream, or what is nested too deeply.
    """
    try:
        return _key(payload)
    except RecursionError:
        raise InvalidError("the payload is nested too deeply to be a key", hint=_KEY_HINT) from None


def _key(value: Payload) -> Hashable:
    if value is None:
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int):
        return "int", int(value)
    if isinstance(value, float):
        return "float", value.hex()  # equal for NaN too, and not for 0.0 and -0.0
    if isinstance(value, (list, tuple)):
        return ("list", *map(_key, value))
    if isinstance(value, dict):
        return "map", frozenset((_key(key), _key(item)) for key, item in value.items())
    if isinstance(value, bytes):
        return "bytes", value
    if isinstance(value, datetime):
        return "datetime", value.isoformat()
    if isinstance(value, timedelta):
        return "timedelta", value
    if isinstance(value, ErrorValue):
        return "error", value.text, value.code.label
    raise InvalidError(f"a {type(value).__name__} cannot be a key", hint=_KEY_HINT)


def is_plain(payload: Payload) -> bool:
    """Whether a payload is data through and through: it holds no stream, which only one reader could read."""
    waiting = [payload]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (list, tuple)):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif hasattr(value, "__aiter__"):
            return False
    return True
