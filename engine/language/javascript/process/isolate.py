"""An isolate that is a process, and the engine that makes them.

What the isolate answers, how far it came, and that it is gone, all arrive on the switchboard's thread. A text that was on
its way when the process ended is answered by the ending, so nobody waits for what cannot come.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
from collections.abc import Callable

from engine.errors import Code, ExpressionError
from engine.language.javascript.engine import Reply, Settings, Status
from engine.language.javascript.module import Module
from engine.language.javascript.process import frames
from engine.language.javascript.process.frames import FrameError, Load
from engine.language.javascript.process.line import Ending
from engine.language.javascript.process.switchboard import Switchboard
from engine.language.javascript.v8 import V8

_log = logging.getLogger(__name__)

_MAKE_SECONDS = 10.0
"""How long an isolate may take to be made, the start of the zygote included; a machine must be in trouble to need it."""

_FATAL = re.compile(r"^# (Fatal (?!error in)[^\n]*|Check failed[^\n]*|[^\n]*out of memory[^\n]*)", re.MULTILINE)
_OF_MEMORY = re.compile(r"out of memory|OOM|MemoryError|allocation failed", re.IGNORECASE)


class ProcessIsolate:
    """One isolate in one process. Made when the process is ready; raises :class:`ExpressionError` if it never is."""

    grace = 0.5

    def __init__(self, switchboard: Switchboard, load: Load) -> None:
        self._lock = threading.Lock()
        self._done: Callable[[Reply], None] | None = None
        self._progress: int | None = None
        self._ending: Ending | None = None
        self._made: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # A character takes a byte of the heap or two, and two or three on a line; the text is not all that is there.
        most = 3 * load.settings.memory + 2**20
        try:
            self._line = switchboard.connect(self, most=most)
        except OSError as error:
            raise _not_made(str(error)) from None
        self._line.send(frames.frame(frames.LOAD, load.content()))
        try:
            why_not = self._made.get(timeout=_MAKE_SECONDS)
        except queue.Empty:
            why_not = f"it was not ready after {_MAKE_SECONDS:g} s"
        if why_not is not None:
            self._line.close()
            raise _not_made(why_not)

    def run(self, text: str, done: Callable[[Reply], None]) -> None:
        with self._lock:
            ending, self._progress = self._ending, None
            if ending is None:
                self._done = done
        if ending is None:
            self._line.send(frames.frame(frames.RUN, frames.encode(text)))
        else:
            done(_answer_of(ending))

    def progress(self) -> int | None:
        return self._progress

    def interrupt(self) -> None:
        self._line.send(frames.frame(frames.INTERRUPT))

    def lift_limit(self) -> None:
        self._line.send(frames.frame(frames.UNLIMITED))

    def close(self) -> None:
        """Kill the process. Does not wait for it, and may be called anywhere."""
        self._line.close()

    # ------------------------------------------------------------------ what the line brings

    def on_frame(self, kind: bytes, content: bytes) -> None:
        if kind in frames.STATUS:
            self._progress, text = frames.progress_of(content)
            self._answer(Reply(frames.STATUS[kind], text))
        elif kind == frames.PROGRESS:
            self._progress, _ = frames.progress_of(content)
        elif kind == frames.READY:
            self._made.put(None)
        elif kind == frames.NOT_MADE:
            self._made.put(frames.decode(content))
        else:
            raise FrameError(f"a frame of kind {kind!r}")

    def on_end(self, ending: Ending) -> None:
        with self._lock:
            self._ending = ending
            in_use = self._done is not None
        # A call that ran tells it to its caller; of one that rests nobody would hear that its state is lost.
        _log.log(logging.INFO if in_use else logging.WARNING, "a JavaScript process ended: %s", _shown(ending))
        self._made.put(_shown(ending))
        self._answer(_answer_of(ending))

    def _answer(self, reply: Reply) -> None:
        with self._lock:
            done, self._done = self._done, None
        if done is not None:
            done(reply)


class V8Processes:
    """The engine. Source is checked in this process: that parses it and runs nothing, which V8 never died of."""

    def __init__(self, *, memory: int) -> None:
        self._checker = V8(memory=memory)
        self._switchboard = Switchboard()

    def check(self, module: Module) -> None:
        self._checker.check(module)

    def isolate(self, module: Module, settings: Settings) -> ProcessIsolate:
        return ProcessIsolate(self._switchboard, Load(module.script, module.common, settings))

    def close(self) -> None:
        """End all processes, and wait until they are gone."""
        self._switchboard.close()
        self._checker.close()


def _answer_of(ending: Ending) -> Reply:
    if _OF_MEMORY.search(ending.words):
        return Reply(Status.STARVED, "")
    return Reply(Status.DIED, _shown(ending))


def _shown(ending: Ending) -> str:
    """How it ended, with what V8 said about it."""
    found = _FATAL.search(ending.words)
    said = found[1] if found is not None else ending.words.strip().rpartition("\n")[2]
    return f"{ending.how}, {said}" if said else ending.how


def _not_made(why: str) -> ExpressionError:
    return ExpressionError(f"the isolate could not be made: {why}", code=Code.INTERNAL)
