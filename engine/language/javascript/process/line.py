"""One line: a socket to one child, as the daemon has it."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from engine.language.javascript.process.frames import Frames

_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child ended: its exit code, of a signal less than 0, and what it wrote to its standard error."""

    code: int
    words: str = ""

    @property
    def how(self) -> str:
        """The name of the signal, or the exit code."""
        if self.code >= 0:
            return f"exit code {self.code}"
        try:
            return signal.Signals(-self.code).name
        except ValueError:
            return f"signal {-self.code}"


class Listener(Protocol):
    """Who hears what a child says. Called on the switchboard's thread; must not block."""

    def on_frame(self, kind: bytes, content: bytes) -> None:
        """The child sent this. May raise :class:`.FrameError`, which ends the child."""
        ...

    def on_end(self, ending: Ending) -> None:
        """The child is gone. The last call."""
        ...


class Line:
    """The daemon's end. :meth:`send` and :meth:`close` are for everybody, the rest is for the switchboard's thread.

    `wants_room` is called, on whatever thread sends, when the socket took a part only; `wants_end` when it is closed.
    """

    def __init__(
        self,
        listener: Listener,
        ours: socket.socket,
        *,
        number: int,
        most: int,
        wants_room: Callable[[Line], object],
        wants_end: Callable[[Line], object],
    ) -> None:
        self.number = number
        self.listener = listener
        self.socket = ours
        self._frames = Frames(most)
        self._wants_room = wants_room
        self._wants_end = wants_end
        self._lock = threading.Lock()
        self._open = True
        self._rest = b""  # what the socket did not take yet

    def send(self, data: bytes) -> None:
        """Send it, now or as soon as the child reads on. Never blocks; nothing happens if the child is gone."""
        with self._lock:
            if not self._open:
                return
            if self._rest:
                self._rest += data
                return
            self._rest = self._push(data)
            waits = bool(self._rest)
        if waits:
            self._wants_room(self)

    def close(self) -> None:
        """Have the child killed. Nothing is heard of it any more, but for a call that has begun. May be called twice."""
        if self.shut():
            self._wants_end(self)

    # ------------------------------------------------------------------ for the switchboard

    def shut(self) -> bool:
        """Send no more, and hear no more; tells whether that is new. Then the socket may be closed."""
        with self._lock:
            was_open, self._open = self._open, False
            return was_open

    def send_on(self) -> bool:
        """Send more of what waits; whether there is still some."""
        with self._lock:
            self._rest = self._push(self._rest) if self._open else b""
            return bool(self._rest)

    def read(self) -> bool | None:
        """Hand over what is there. None if there is nothing now, False if there will be nothing any more.

        Raises :class:`.FrameError`.
        """
        try:
            received = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return False
        for kind, content in self._frames.feed(received):
            if self._open:
                self.listener.on_frame(kind, content)
        return bool(received)

    def _push(self, data: bytes) -> bytes:
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            return data
        except OSError:  # the child is gone, which whoever reads will find
            return b""
        return data[sent:]
