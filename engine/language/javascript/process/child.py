"""What a child does: it makes one isolate and carries texts to it and answers back, until its line ends.

Two threads. This one reads the line, also while code runs, so that an interrupt always gets in; V8's own sends the answers.
Where a builtin holds V8's thread, this one goes on, and the kernel ends both.
"""

from __future__ import annotations

import os
import select
import socket
import threading

from engine.language.javascript.engine import Reply
from engine.language.javascript.process import frames
from engine.language.javascript.process.confine import confine_child, name
from engine.language.javascript.v8 import V8Isolate

_FIRST_LOOK, _NEXT_LOOKS = 2, 20
"""Milliseconds until the progress of a text is told, first and then; most are answered before."""
_CHUNK = 256 * 1024
_MOST = 2**32 - 1


def serve(line: socket.socket) -> None:
    """Serve the isolate at the other end of `line`. Returns when that is closed."""
    Child(line).serve()


class Child:
    """One isolate, which is made with the first frame."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._isolate: V8Isolate | None = None
        self._lock = threading.Lock()  # one frame at a time; guards what follows
        self._runs = False
        self._told: int | None = None  # the progress that was told of this text

    def serve(self) -> None:
        incoming = frames.Frames(_MOST)
        poll = select.poll()
        poll.register(self._line, select.POLLIN)
        wait: int | None = None
        while True:
            if not poll.poll(wait):
                wait = self._look()
                continue
            received = self._line.recv(_CHUNK)
            if not received:
                return
            for kind, content in incoming.feed(received):
                self._take(kind, content)
            wait = _FIRST_LOOK if self._runs else None

    def _take(self, kind: bytes, content: bytes) -> None:
        isolate = self._isolate
        if isolate is None:
            self._load(frames.Load.of(content))
        elif kind == frames.RUN:
            self._runs, self._told = True, None
            isolate.run(frames.decode(content), self._answer)
        elif kind == frames.INTERRUPT:
            self._look()
            isolate.interrupt()
        elif kind == frames.UNLIMITED:
            isolate.lift_limit()

    def _load(self, load: frames.Load) -> None:
        try:
            isolate = V8Isolate(load.module, load.settings)
            isolate.warm_up()  # no file can be opened from now on
            confine_child(load.settings)
        except Exception as error:
            self._line.sendall(frames.frame(frames.NOT_MADE, frames.encode(str(error))))
            return
        name("weir-javascript")
        self._isolate = isolate
        self._line.sendall(frames.frame(frames.READY))

    def _look(self) -> int | None:
        """Tell the progress if there is any; gives the time until the next look."""
        with self._lock:
            if not self._runs or self._isolate is None:
                return None
            finished = self._isolate.progress()
            if finished != self._told:
                self._told = finished
                self._line.sendall(frames.frame(frames.PROGRESS, frames.with_progress(finished)))
            return _NEXT_LOOKS

    def _answer(self, reply: Reply) -> None:
        """On V8's thread."""
        with self._lock:
            assert self._isolate is not None
            self._runs = False
            content = frames.with_progress(self._isolate.progress(), reply.text)
            try:
                self._line.sendall(frames.frame(frames.KIND[reply.status], content))
            except OSError:
                os._exit(0)  # nobody is there to hear it
