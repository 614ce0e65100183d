"""The compiler: from source to a program, and what all programs have in common."""

from __future__ import annotations

import logging
import weakref
from datetime import timedelta

from engine.errors import ExpressionError, InvalidError
from engine.language.javascript import failure
from engine.language.javascript.disposal import Disposal
from engine.language.javascript.engine import Engine, Settings
from engine.language.javascript.keeper import Keeper
from engine.language.javascript.module import rewrite
from engine.language.javascript.pool import Pool
from engine.language.javascript.program import House, JavaScriptProgram
from engine.language.javascript.v8 import V8
from engine.language.protocol import Options

ENGINES = ("v8",)
_LEAST_MEMORY = 8 * 2**20
_CLOSE_SECONDS = 5.0
_DEFAULTS = Options()
_log = logging.getLogger(__name__)


class JavaScriptCompiler:
    """JavaScript on V8.

    `timeout` is the default for one call. `memory` (bytes) limits each isolate's heap, and the array buffers of one
    call. `isolates` is how many programs may be loaded at a time (`pool.py` tells what happens at the ceiling); one more
    is used to check syntax. An isolate costs a thread and about a megabyte, and is made with a program's first call.

    It may be used from any thread. Nothing is started before the first `compile`.
    """

    name = "javascript"

    def __init__(
        self, *, timeout: timedelta = timedelta(seconds=1), memory: int = 64 * 2**20, isolates: int = 16
    ) -> None:
        if timeout <= timedelta(0):
            raise InvalidError("the timeout of javascript must be more than 0")
        if memory < _LEAST_MEMORY:
            raise InvalidError(f"the memory of javascript must be at least {_LEAST_MEMORY} bytes")
        if isolates < 1:
            raise InvalidError("the isolates of javascript must be at least 1")
        self._timeout = timeout
        self._memory = memory
        engine: Engine = V8(memory=memory)
        self._house = House(engine, Pool(isolates), Keeper("javascript-keeper"), Disposal())
        self._programs: weakref.WeakSet[JavaScriptProgram] = weakref.WeakSet()
        self._closed = False

    def compile(self, source: str, options: Options = _DEFAULTS) -> JavaScriptProgram:
        """Check `source` and make a program of it. Nothing of it runs before the first call.

        Raises :class:`ExpressionError` with line and column for a syntax error, an `import`, or a module without a
        default export.
        """
        if self._closed:
            raise failure.closed()
        if options.engine not in (None, *ENGINES):
            raise InvalidError(f"unknown JavaScript engine {options.engine!r}", hint=f"use {' or '.join(ENGINES)}")
        timeout = self._timeout if options.timeout is None else options.timeout
        if timeout <= timedelta(0):
            raise InvalidError("the timeout must be more than 0")
        try:
            source.encode()
        except UnicodeEncodeError:
            raise ExpressionError("the source holds half a character (a lone surrogate)") from None
        module = rewrite(source)
        self._house.engine.check(module)
        settings = Settings(memory=self._memory, log=options.log is not None)
        program = JavaScriptProgram(module, self._house, settings=settings, timeout=timeout, log=options.log)
        self._programs.add(program)
        return program

    def close(self) -> None:
        """Close every program, and wait until all isolates and threads are gone. May be called twice.

        An isolate that is held by a builtin which nothing interrupts is given five seconds, then it is left behind.
        """
        self._closed = True
        for program in list(self._programs):
            program.close()
        self._house.keeper.close()
        left = self._house.disposal.wait(_CLOSE_SECONDS)
        if left:
            _log.warning("%d JavaScript isolates could not be stopped and are left behind", left)
        self._house.engine.close()
