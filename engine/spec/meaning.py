"""What data means, as a short stable hash: two spellings of the same thing have the same one.

Order of keys is free; `1`, `1.0`, `true` and `"1"` differ. Keys count as the text that JSON makes of them, since a store
keeps them so.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from engine.spec.origin import key_text

SIZE = 16
"""Bytes of a hash; its text has twice as many characters."""


def canonical(data: Any) -> str:
    """The hash of plain data; raises TypeError for what is no plain data, ValueError for data that holds itself."""
    try:
        text = _encode(data)
    except TypeError:
        # Keys of several types have no order among themselves. (What is no data at all fails again.)
        text = _encode(_with_text_keys(data))
    return blake2b(text.encode("ascii"), digest_size=SIZE).hexdigest()


def _encode(data: Any) -> str:
    return _ENCODER.encode(data)


def _default(value: Any) -> Any:
    """Types that JSON lacks. The NUL in the key keeps them apart from maps that people write."""
    if isinstance(value, (bytes, bytearray)):
        return {"\0bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, datetime):
        return {"\0datetime": value.isoformat()}
    if isinstance(value, timedelta):
        return {"\0timedelta": [value.days, value.seconds, value.microseconds]}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of type {type(value).__name__} is no plain data")


def _with_text_keys(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key_text(key): _with_text_keys(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_with_text_keys(value) for value in data]
    return data


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_default)
