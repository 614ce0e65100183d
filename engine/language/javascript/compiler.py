"""The compiler: from source to a program, and what all programs have in common.

An engine is loaded with the first snippet that is to run on it.
"""

from __future__ import annotations

import logging
import threading
import weakref
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from engine.errors import ExpressionError, InvalidError
from engine.language.javascript import failure
from engine.language.javascript.disposal import Disposal
from engine.language.javascript.engine import Engine, Settings
from engine.language.javascript.keeper import Keeper
from engine.language.javascript.module import Module, Origin, rewrite
from engine.language.javascript.pool import Pool
from engine.language.javascript.process import spawn
from engine.language.javascript.program import House, JavaScriptProgram
from engine.language.protocol import Options

if TYPE_CHECKING:
    from engine.language.javascript.inline import InlineProgram

ENGINES = ("v8", "quickjs")
ISOLATIONS = ("process", "thread")
_AUTO = "auto"
_LEAST_MEMORY = 8 * 2**20
_CLOSE_SECONDS = 5.0
_DEFAULTS = Options()
_log = logging.getLogger(__name__)


class JavaScriptCompiler:
    """JavaScript on V8, off the event loop, or on QuickJS, in the thread of the caller.

    `engine` is what a snippet runs on that names none; `auto` is v8. `timeout` is the default for one call. `memory`
    (bytes) limits each isolate's heap, and the array buffers of one call. `isolates` is how many programs may be loaded
    at a time (`pool.py` tells what happens at the ceiling); one more is used to check syntax. An isolate is made with a
    program's first call.

    `isolation` is what an isolate of V8 has for its own: a `process`, which nothing that code does can harm another with
    (4 MiB; `process/` tells the rest), or a `thread` of this process (1 MiB), which some code can end, or hold for ever.
    `auto` is a process where the system can fork.

    `result` is how many characters of JSON a result may have, since to read one holds up the event loop. A list or a map
    counts 16 more, and a value that JSON lacks 128. Arguments have no such limit: a listener has one for bodies.

    `inline_timeout` is the most that one call on QuickJS may take, and its default there. The memory of one is 8 MiB.

    It may be used from any thread. Nothing is started before the first `compile`.
    """

    name = "javascript"

    def __init__(
        self,
        *,
        engine: str = _AUTO,
        isolation: str = _AUTO,
        timeout: timedelta = timedelta(seconds=1),
        inline_timeout: timedelta = timedelta(milliseconds=20),
        memory: int = 64 * 2**20,
        isolates: int = 64,
        result: int = 8 * 2**20,
    ) -> None:
        if timeout <= timedelta(0) or inline_timeout <= timedelta(0):
            raise InvalidError("the timeout of javascript must be more than 0")
        if memory < _LEAST_MEMORY:
            raise InvalidError(f"the memory of javascript must be at least {_LEAST_MEMORY} bytes")
        if isolates < 1:
            raise InvalidError("the isolates of javascript must be at least 1")
        if result < 1:
            raise InvalidError("the result of javascript must have at least 1 character")
        if isolation not in (_AUTO, *ISOLATIONS):
            raise InvalidError(f"unknown isolation {isolation!r} of javascript", hint=f"use {' or '.join(ISOLATIONS)}")
        self._engine = ENGINES[0] if engine == _AUTO else _known(engine)
        self._isolation = isolation
        self._timeout = timeout
        self._inline_timeout = inline_timeout
        self._memory = memory
        self._isolates = isolates
        self._result = result
        self._lock = threading.Lock()
        self._v8_house: House | None = None
        self._watcher = Keeper("quickjs-watcher")
        self._programs: weakref.WeakSet[JavaScriptProgram | InlineProgram] = weakref.WeakSet()
        self._closed = False

    def compile(
        self, source: str, options: Options = _DEFAULTS, *, origin: Origin | None = None
    ) -> JavaScriptProgram | InlineProgram:
        """Check `source` and make a program of it. Nothing of it runs before the first call.

        If `source` was translated from something else, `origin` knows from what: all errors tell their place there.

        Raises :class:`ExpressionError` with line and column for a syntax error, an `import`, or a module without a
        default export; :class:`InvalidError` for an engine that nobody knows, or a timeout that it cannot have.
        """
        if self._closed:
            raise failure.closed()
        engine = self._engine if options.engine in (None, _AUTO) else _known(options.engine)
        if options.timeout is not None and options.timeout <= timedelta(0):
            raise InvalidError("the timeout must be more than 0", details={"option": "timeout"})
        try:
            source.encode()
        except UnicodeEncodeError:
            raise ExpressionError("the source holds half a character (a lone surrogate)") from None
        try:
            module = replace(rewrite(source), origin=origin)
            program = self._inline(module, options) if engine == "quickjs" else self._on_v8(module, options)
        except ExpressionError as error:
            raise failure.moved(error, origin) from error.__cause__
        self._programs.add(program)
        return program

    def close(self) -> None:
        """Close every program, and wait until all isolates and threads are gone. May be called twice.

        An isolate that is held by a builtin which nothing interrupts is given five seconds, then it is left behind.
        """
        self._closed = True
        for program in list(self._programs):
            program.close()
        self._watcher.close()
        house = self._v8_house
        if house is None:
            return
        house.keeper.close()
        left = house.disposal.wait(_CLOSE_SECONDS)
        if left:
            _log.warning("%d JavaScript isolates could not be stopped and are left behind", left)
        house.engine.close()

    def _on_v8(self, module: Module, options: Options) -> JavaScriptProgram:
        house = self._house()
        house.engine.check(module)
        settings = Settings(memory=self._memory, log=options.log is not None, result=self._result)
        timeout = self._timeout if options.timeout is None else options.timeout
        return JavaScriptProgram(module, house, settings=settings, timeout=timeout, log=options.log)

    def _house(self) -> House:
        with self._lock:
            if self._v8_house is None:
                engine = self._v8()
                self._v8_house = House(engine, Pool(self._isolates), Keeper("javascript-keeper"), Disposal())
            return self._v8_house

    def _v8(self) -> Engine:
        if self._isolation == "process" or (self._isolation == _AUTO and spawn.is_possible()):
            from engine.language.javascript.process.isolate import V8Processes

            return V8Processes(memory=self._memory)
        from engine.language.javascript.v8 import V8

        return V8(memory=self._memory)

    def _inline(self, module: Module, options: Options) -> InlineProgram:
        from engine.language.javascript import quickjs
        from engine.language.javascript.inline import InlineProgram

        most = self._inline_timeout
        if options.timeout is not None and options.timeout > most:
            raise InvalidError(
                f"a call on quickjs may take {failure.shown_time(most)}, not {failure.shown_time(options.timeout)}: "
                "everything else waits meanwhile",
                hint="use `engine: v8`, which does not hold up the event loop, or leave the timeout out",
                details={"option": "timeout"},
            )
        guarded = quickjs.check(module)
        memory = min(self._memory, quickjs.MOST_MEMORY)
        settings = Settings(memory=memory, log=options.log is not None, result=self._result)
        timeout = min(most, self._timeout) if options.timeout is None else options.timeout
        return InlineProgram(module, guarded, self._watcher, settings=settings, timeout=timeout, log=options.log)


def _known(engine: str | None) -> str:
    if engine not in ENGINES:
        hint = f"use {' or '.join(ENGINES)}"
        raise InvalidError(f"unknown JavaScript engine {engine!r}", hint=hint, details={"option": "engine"})
    return engine
