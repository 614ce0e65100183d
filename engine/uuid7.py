"""Ids that sort by the time at which they were made: UUID version 7 (RFC 9562, section 5.7).

Rows that are made together then stand together in an index. The standard library has none before Python 3.14.
"""

from __future__ import annotations

import os
import time

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


def uuid7(nanoseconds: int | None = None) -> str:
    """A new id as text. `nanoseconds` since 1970 is now, unless given.

    48 bits hold the milliseconds, the next 12 the fraction of the millisecond (method 3 of the RFC), the rest chance.
    """
    milliseconds, rest = divmod(time.time_ns() if nanoseconds is None else nanoseconds, 1_000_000)
    fraction = (rest << 12) // 1_000_000
    chance = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    number = (milliseconds & ((1 << 48) - 1)) << 80 | _VERSION | fraction << 64 | _VARIANT | chance
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
