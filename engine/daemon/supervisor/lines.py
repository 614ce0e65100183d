"""Standard error as several processes write to it at the same time: each write is of whole lines.

What is at most `PIPE_BUF` bytes long goes into a pipe as one piece, so lines are written in portions of that size. A line that
is longer goes by itself: a file, a terminal and the journal take it as one piece, too, and so does a pipe that is not full.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator


class Lines:
    """A stream for :func:`engine.daemon.logs.make_log`, without a buffer of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str, /) -> None:
        """Write lines. Raises OSError."""
        for portion in portions(text.encode("utf-8", "backslashreplace")):
            rest = portion
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def flush(self) -> None:
        """Nothing waits."""

    def isatty(self) -> bool:
        """Whether people read it."""
        return os.isatty(self._descriptor)


def portions(data: bytes, *, size: int = select.PIPE_BUF) -> Iterator[bytes]:
    """Parts of whole lines, as few as there can be; each has at most `size` bytes, unless it is a single line."""
    start = 0
    while len(data) - start > size:
        end = data.rfind(b"\n", start, start + size) + 1
        if not end:
            end = data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end
    if start < len(data):
        yield data[start:]
