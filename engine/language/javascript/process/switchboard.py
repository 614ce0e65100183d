"""The daemon's end of all lines: the zygote, and one thread that reads.

Programs are used from several event loops and from threads without one, so the lines belong to no loop. The thread starts
with the first line, and the zygote with it; it alone reads, closes sockets and speaks to the zygote. Everybody else leaves
it an order and wakes it. Only sending is done by whoever sends: it does not block, and saves a change of threads.

A line ends in this order: the zygote tells how the process ended, what is still in the socket is read, and then its listener
hears of it. If the zygote itself is gone, all its children are, and the next line starts another.
"""

from __future__ import annotations

import json
import logging
import selectors
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from engine.language.javascript.process.frames import FORK, KILL, ORDER, FrameError, Frames
from engine.language.javascript.process.line import Ending, Line, Listener
from engine.language.javascript.process.spawn import start_zygote

_log = logging.getLogger(__name__)

_CHUNK = 64 * 1024
_MOST_REPORT = 1024 * 1024
_ZYGOTE_SECONDS = 5.0
"""How long the zygote may take for an order, and to end; it needs milliseconds."""
_GONE = Ending(-signal.SIGKILL)


class Switchboard:
    """Lines to children, each by its number, and the zygote that makes them. Nothing is started before the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: deque[Callable[[], None]] = deque()
        self._thread: threading.Thread | None = None
        self._waker: socket.socket | None = None
        self._closed = False
        self._numbers = 0
        # The thread's own.
        self._selector: selectors.BaseSelector = selectors.DefaultSelector()
        self._zygote: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._reports = Frames(_MOST_REPORT)
        self._lines: dict[int, Line] = {}

    def connect(self, listener: Listener, *, most: int) -> Line:
        """A line to a new child, which takes some milliseconds to answer; its frames have at most `most` bytes.

        Raises OSError if there can be no more sockets, or the switchboard is closed.
        """
        ours, its = socket.socketpair()
        ours.setblocking(False)
        with self._lock:
            self._numbers += 1
            number = self._numbers
        line = Line(
            listener,
            ours,
            number=number,
            most=most,
            wants_room=lambda line: self._order(lambda: self._watch(line, writes=True)),
            wants_end=lambda line: self._order(lambda: self._drop(line)),
        )
        if not self._order(lambda: self._connect(line, its)):
            ours.close()
            its.close()
            raise OSError("it is closed")
        return line

    def close(self) -> None:
        """End all children, the zygote and the thread, and wait for that. Listeners hear nothing of it."""
        with self._lock:
            self._closed = True
            thread = self._thread
            if thread is None:
                self._selector.close()
                return
            self._wake()
        if thread is not threading.current_thread():
            thread.join()

    def _order(self, action: Callable[[], None]) -> bool:
        """Have the thread do it. Once the switchboard is closed there is nothing left to be done."""
        with self._lock:
            if self._closed:
                return False
            self._orders.append(action)
            self._wake()
            return True

    def _wake(self) -> None:
        """Wake the thread, or start it. The lock is held."""
        if self._thread is None:
            woken, self._waker = socket.socketpair()
            self._waker.setblocking(False)
            self._thread = threading.Thread(target=self._run, args=(woken,), name="javascript-lines", daemon=True)
            self._thread.start()
        elif self._waker is not None:
            with suppress(BlockingIOError):  # it has not even read the last one
                self._waker.send(b"\0")

    # ------------------------------------------------------------------ the thread

    def _run(self, woken: socket.socket) -> None:
        assert self._waker is not None
        with self._selector as selector, woken, self._waker:
            selector.register(woken, selectors.EVENT_READ, lambda _ready: woken.recv(4096))
            while self._carry_out():
                for key, ready in selector.select():
                    if key.fd in selector.get_map():  # not closed by what came before it
                        self._guarded(key.data, ready)
            for line in self._lines.values():
                line.shut()
                line.socket.close()
            self._end_zygote()
            with self._lock:
                self._waker = None

    def _carry_out(self) -> bool:
        """Do what was ordered; False once the switchboard is closed."""
        while True:
            with self._lock:
                if not self._orders:
                    return not self._closed
                action = self._orders.popleft()
            self._guarded(action)

    def _guarded(self, action: Callable[..., Any], *arguments: object) -> None:
        try:
            action(*arguments)
        except Exception:
            # The thread must outlive a mistake with one line: all of them hang on it.
            _log.exception("a line to a JavaScript process failed")

    # ------------------------------------------------------------------ lines

    def _connect(self, line: Line, its: socket.socket) -> None:
        with its:
            try:
                control = self._control or self._start_zygote()
            except OSError as error:
                line.shut()
                line.socket.close()
                line.listener.on_end(Ending(1, f"no process could be started: {error}"))
                return
            self._lines[line.number] = line
            self._watch(line)
            try:
                socket.send_fds(control, [ORDER.pack(FORK, line.number)], [its.fileno()])
            except OSError:
                self._lose_zygote()

    def _watch(self, line: Line, *, writes: bool = False) -> None:
        """Serve the line when it can be read, and when it has room, if that is wanted."""
        if line.number not in self._lines:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writes else 0)
        change = self._selector.modify if self._is_watched(line) else self._selector.register
        change(line.socket, events, lambda ready: self._serve(line, ready))

    def _is_watched(self, line: Line) -> bool:
        return line.socket in self._selector.get_map()

    def _serve(self, line: Line, ready: int) -> None:
        if ready & selectors.EVENT_WRITE and not line.send_on():
            self._watch(line)
        if ready & selectors.EVENT_READ and self._read(line) is False:
            # The zygote will tell how the process ended.
            self._selector.unregister(line.socket)

    def _read(self, line: Line) -> bool | None:
        try:
            return line.read()
        except FrameError as error:
            _log.warning("a JavaScript process does not keep to the protocol, and is killed: %s", error)
            self._kill(line)
            return False

    def _drop(self, line: Line) -> None:
        """Forget the line, and have its child killed."""
        if self._lines.pop(line.number, None) is not None:
            self._hang_up(line)
            self._kill(line)

    def _kill(self, line: Line) -> None:
        if self._control is None:
            return
        try:
            self._control.sendall(ORDER.pack(KILL, line.number))
        except OSError:
            self._lose_zygote()

    def _hang_up(self, line: Line) -> None:
        if self._is_watched(line):
            self._selector.unregister(line.socket)
        line.socket.close()

    def _end(self, line: Line, ending: Ending) -> None:
        """The child is gone."""
        while self._read(line):
            pass
        self._lines.pop(line.number, None)
        was_open = line.shut()
        self._hang_up(line)
        if was_open:
            line.listener.on_end(ending)

    # ------------------------------------------------------------------ the zygote

    def _start_zygote(self) -> socket.socket:
        self._zygote, control = start_zygote()
        control.settimeout(_ZYGOTE_SECONDS)
        self._control = control
        self._reports = Frames(_MOST_REPORT)
        self._selector.register(control, selectors.EVENT_READ, lambda _ready: self._on_report(control))
        return control

    def _on_report(self, control: socket.socket) -> None:
        try:
            received = control.recv(_CHUNK)
        except OSError:
            received = b""
        for _kind, content in self._reports.feed(received):
            report = json.loads(content)
            line = self._lines.get(report["number"])
            if line is not None:
                self._end(line, Ending(report["code"], report["words"]))
        if not received:
            self._lose_zygote()

    def _lose_zygote(self) -> None:
        if self._control is None:
            return
        _log.warning("the process that makes JavaScript's processes is gone; the next call starts another")
        self._selector.unregister(self._control)
        self._end_zygote()
        for line in list(self._lines.values()):
            self._end(line, _GONE)

    def _end_zygote(self) -> None:
        """End it and wait for that. Its children are gone before it is, or at once if it has to be killed."""
        if self._control is not None:
            self._control.close()
            self._control = None
        zygote, self._zygote = self._zygote, None
        if zygote is not None:
            try:
                zygote.wait(_ZYGOTE_SECONDS)
            except subprocess.TimeoutExpired:
                zygote.kill()
                zygote.wait()
