"""Frames on a Unix stream socket: JSON data, and descriptors that come with it.

A frame is the length of its body (4 bytes, big-endian), the number of its descriptors (1 byte), and the body. The
descriptors go with the first byte of the frame; the system delivers them no later than that byte and in order, so who
reads a frame takes as many as it names from those that have come.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

from engine.errors import UnavailableError

LARGEST: Final = 256 * 1024 * 1024
"""Bytes that a body may have: some 500,000 processes."""

MOST: Final = 64
"""Descriptors that one frame may have."""

_HEAD: Final = struct.Struct("!IB")
_PIECE: Final = 256 * 1024
_FLAGS: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


def pack(form: Any, descriptors: Sequence[int] = ()) -> bytes:
    """The bytes of a frame. Raises UnavailableError for what is too large."""
    body = json.dumps(form, separators=(",", ":")).encode()
    if len(body) > LARGEST or len(descriptors) > MOST:
        raise UnavailableError(f"a message has {len(body)} bytes and {len(descriptors)} descriptors, too much for one")
    return _HEAD.pack(len(body), len(descriptors)) + body


class Writer:
    """Frames that wait to be written to a socket that does not block."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._waiting: deque[tuple[memoryview, list[int]]] = deque()

    def put(self, form: Any, descriptors: Sequence[int] = ()) -> None:
        """Add a frame. The descriptors are doubled at once: they may be closed when this returns.

        Raises UnavailableError for what is too large, and OSError when the system has no descriptor left.
        """
        data = memoryview(pack(form, descriptors))
        doubles: list[int] = []
        try:
            doubles += map(os.dup, descriptors)  # those before one that fails are in the list then
        except OSError:
            _close(doubles)
            raise
        self._waiting.append((data, doubles))

    def write(self) -> bool:
        """Write as much as the socket takes; whether that was all. Raises OSError when nobody reads any more."""
        while self._waiting:
            data, descriptors = self._waiting[0]
            try:
                sent = socket.send_fds(self._sock, [data], descriptors) if descriptors else self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                return False
            _close(descriptors)
            if sent < len(data):
                self._waiting[0] = (data[sent:], [])
            else:
                self._waiting.popleft()
        return True

    def close(self) -> None:
        """Forget what waits."""
        while self._waiting:
            _close(self._waiting.popleft()[1])


class Reader:
    """Takes frames out of a socket that does not block."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._data = bytearray()
        self._descriptors: deque[int] = deque()

    def read(self) -> bool:
        """Take in what has come; False at the end of the stream. Raises OSError."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._sock, _PIECE, MOST, _FLAGS)
        except (BlockingIOError, InterruptedError):
            return True
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self._descriptors += descriptors
        self._data += data
        return bool(data)

    def frames(self) -> Iterator[tuple[Any, list[int]]]:
        """Each whole frame that has come: what it says, and its descriptors, which the caller closes.

        Raises UnavailableError for what is none.
        """
        while len(self._data) >= _HEAD.size:
            length, count = _HEAD.unpack_from(self._data)
            end = _HEAD.size + length
            if length > LARGEST or count > MOST:
                raise UnavailableError("what came over the socket between supervisor and worker is no frame")
            if len(self._data) < end:
                return
            body = bytes(self._data[_HEAD.size : end])
            del self._data[:end]
            if count > len(self._descriptors):
                raise UnavailableError("a descriptor did not arrive", hint="is `ulimit -n` too low?")
            descriptors = [self._descriptors.popleft() for _ in range(count)]
            try:
                form = json.loads(body)
            except ValueError as error:
                _close(descriptors)
                raise UnavailableError(f"a frame holds no JSON: {error}") from error
            yield form, descriptors

    def close(self) -> None:
        """Close descriptors that nobody has taken."""
        while self._descriptors:
            os.close(self._descriptors.popleft())


def _close(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())
