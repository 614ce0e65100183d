"""The id of a request: what the client calls it, else a UUID of our own.

Most ids are never looked at, so they must be cheap: they are UUIDs of version 7 whose random part is drawn once a
millisecond and counted up within it (RFC 9562, 6.2, method 2).
"""

from __future__ import annotations

import os
import re
from time import time_ns

from multidict import istr

REQUEST_ID = istr("X-Request-Id")
"""The header that carries an id, in and out."""

_SANE = re.compile(r"[\x21-\x7e]{1,128}")


class RequestIds:
    """Makes ids, each different, later ones later in order."""

    __slots__ = ("_count", "_millisecond", "_prefix")

    def __init__(self) -> None:
        self._millisecond = 0
        self._prefix = ""
        self._count = 0

    def make(self) -> str:
        """A new id."""
        now = time_ns() // 1_000_000
        if now > self._millisecond:
            self._millisecond = now
            random = int.from_bytes(os.urandom(9), "big")
            variant = 0x8000 | random >> 44 & 0x3FFF
            self._prefix = f"{now >> 16:08x}-{now & 0xFFFF:04x}-7{random >> 60 & 0xFFF:03x}-{variant:04x}-"
            # The highest bit stays free, so that counting up within a millisecond never overflows.
            self._count = random & 0x7FFFFFFFFFF
        self._count += 1
        return f"{self._prefix}{self._count:012x}"


def is_sane(text: str) -> bool:
    """Whether an id that a client sent may stand in a header and in a log: up to 128 visible ASCII characters."""
    return _SANE.fullmatch(text) is not None
