"""The zygote's own program: it forks a child for each line that it is given, and tells of each that ended.

It has one thread, so a fork copies a process in which nothing is half done. V8 is loaded before, which makes no thread either;
an isolate, which makes one, is never made here.

Its orders and reports stand in `frames.py`. Only its parent can kill a child without ever meeting another process of the same number, so it is done here.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from py_mini_racer import init_mini_racer

from engine.language.javascript.engine import Settings, prelude
from engine.language.javascript.process.child import serve
from engine.language.javascript.process.confine import LINUX, confine_zygote, die_with
from engine.language.javascript.process.frames import ENDED, FORK, ORDER, Load, frame

_MOST_WORDS = 4096
_CONTROL = 0


@dataclass(frozen=True, slots=True)
class _Born:
    number: int
    words: int
    """The file that is the child's standard error."""


class Zygote:
    """Forks, kills and buries. `control` is the socket to the daemon."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, _Born] = {}  # by the number of the process
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)

    def run(self) -> None:
        """Until the daemon is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            for ready, _ in poll.poll():
                if ready == self._woken.fileno():
                    with suppress(BlockingIOError):
                        self._woken.recv(4096)
                    self._bury()
                elif not self._obey():
                    return

    def end(self) -> None:
        """Kill every child and wait for it."""
        signal.set_wakeup_fd(-1)
        for process in self._children:
            os.kill(process, signal.SIGKILL)
        for process in self._children:
            os.waitpid(process, 0)

    def _obey(self) -> bool:
        """Carry out one order; False if there will be no more."""
        order, lines, _, _ = socket.recv_fds(self._control, ORDER.size, 1)
        while order and len(order) < ORDER.size:
            more = self._control.recv(ORDER.size - len(order))
            if not more:
                return False
            order += more
        if not order:
            return False
        kind, number = ORDER.unpack(order)
        if kind == FORK:
            self._fork(number, lines[0])
        else:
            for process, born in self._children.items():
                if born.number == number:
                    os.kill(process, signal.SIGKILL)
        return True

    def _fork(self, number: int, line: int) -> None:
        words = _new_file()
        parent = os.getpid()
        try:
            process = os.fork()
        except OSError as error:
            os.close(words)
            self._tell(number, code=1, words=f"no process could be made: {error.strerror}")
        else:
            if process == 0:
                _become_child(parent, line, words)
            self._children[process] = _Born(number, words)
        os.close(line)

    def _bury(self) -> None:
        while self._children:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            born = self._children.pop(process)
            code = os.waitstatus_to_exitcode(status)
            words = os.pread(born.words, _MOST_WORDS, 0)
            os.close(born.words)
            self._tell(born.number, code=code, words=words.decode("utf-8", "replace"))

    def _tell(self, number: int, *, code: int, words: str) -> None:
        content = json.dumps({"number": number, "code": code, "words": words}).encode()
        with suppress(OSError):  # the daemon is gone; the next order will say so too
            self._control.sendall(frame(ENDED, content))


def _become_child(parent: int, line: int, words: int) -> NoReturn:
    """In the forked process. Whatever happens, it never goes back to what the zygote does."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with(parent)
        os.dup2(words, 2)
        os.dup2(line, 0)
        os.closerange(3, max(line, words, _highest()) + 1)
        serve(socket.socket(fileno=0))
        code = 0
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode("utf-8", "replace"))
    finally:
        os._exit(code)


def _highest() -> int:
    return os.sysconf("SC_OPEN_MAX")


def _new_file() -> int:
    """A file without a name."""
    if LINUX:
        return os.memfd_create("words", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _read_scripts() -> None:
    """Read what every isolate begins with, which is kept."""
    load = Load(script="", common=False, settings=Settings(memory=0, log=False))
    prelude(load.module, load.settings)


def main() -> None:
    """The daemon's socket is the standard input."""
    confine_zygote()
    init_mini_racer(ignore_duplicate_init=True)
    _read_scripts()
    gc.collect()
    gc.freeze()  # so that no collection writes to what the children share
    zygote = Zygote(socket.socket(fileno=_CONTROL))
    try:
        zygote.run()
    finally:
        zygote.end()
