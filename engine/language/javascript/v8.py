"""V8, through mini-racer (`racer.py`).

The text of a call travels as `this` of the function that takes it: the one argument that needs no array to be built in
the isolate first.

Promises: V8 runs what is left of them after a task has answered, still on the isolate's thread, where no task can be
cancelled any more. So code that runs wild there is seen by the next text not beginning, and ends with the isolate.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

from engine.errors import Code, ExpressionError
from engine.language.javascript.engine import Reply, Settings, Status, prelude
from engine.language.javascript.failure import syntax_error
from engine.language.javascript.module import Module
from engine.language.javascript.racer import OUT_OF_MEMORY, PARSE_ERROR, TERMINATED, TEXT, Context

_SYNTAX_ERROR = re.compile(r"[^\n:]*:(\d+): (?:SyntaxError: )?([^\n]*)\n[^\n]*\n( *)")


class V8:
    """The engine. Checking has one isolate for all modules, made with the first check."""

    def __init__(self, *, memory: int) -> None:
        self._memory = memory
        self._checking = threading.Lock()
        self._checker: Context | None = None

    def check(self, module: Module) -> None:
        # The throw keeps the script from doing anything, should it not be the one function that it looks like.
        script = f"throw 0;{module.script}"
        with self._checking:
            kind, text = self._check(script)
            if kind == OUT_OF_MEMORY:  # of all that was checked before, perhaps: once more, with an empty heap
                self._drop_checker()
                kind, text = self._check(script)
        if kind == PARSE_ERROR:
            raise _syntax_error(text, module.source)
        if kind in (OUT_OF_MEMORY, TERMINATED):
            raise ExpressionError("the code is too large to be checked", code=Code.TOO_LARGE)

    def isolate(self, module: Module, settings: Settings) -> V8Isolate:
        return V8Isolate(module, settings)

    def close(self) -> None:
        with self._checking:
            self._drop_checker()

    def _check(self, script: str) -> tuple[int, str]:
        if self._checker is None:
            self._checker = Context(self._memory)
        return self._checker.evaluate(script)

    def _drop_checker(self) -> None:
        if self._checker is not None:
            self._checker.close()
            self._checker = None


class V8Isolate:
    """One isolate: one thread, about a megabyte, 2 ms to make."""

    grace = 1.0

    def __init__(self, module: Module, settings: Settings) -> None:
        self._context = context = Context(settings.memory)
        try:
            pair = context.evaluate_to_handle(prelude(module, settings))
            self._dispatch = context.item(pair, 0)
            self._no_arguments = context.evaluate_to_handle("[]")
            enter = context.evaluate_to_handle(module.script)
            context.call_and_wait(self._dispatch, enter, self._no_arguments)
            self._counter = context.integers(context.item(pair, 1))
        except BaseException:
            context.close()
            raise
        self._begun_before = 0

    def run(self, text: str, done: Callable[[Reply], None]) -> None:
        def on_value(kind: int, content: str) -> None:
            match kind:
                case int() if kind == TEXT and content[:1] == "N" and self._context.limit_reached:
                    # What is left of a promise was stopped for its memory, behind the answer of the task that left it.
                    done(Reply(Status.MEMORY, content))
                case int() if kind == TEXT:
                    done(Reply(Status.DONE, content))
                case int() if kind == OUT_OF_MEMORY:
                    done(Reply(Status.MEMORY, ""))
                case int() if kind == TERMINATED:
                    done(Reply(Status.STOPPED, ""))
                case _ if self._context.limit_reached:  # told as an error without a message, now and then
                    done(Reply(Status.MEMORY, ""))
                case _:
                    done(Reply(Status.BROKEN, content or "the isolate gave no answer"))

        self._begun_before = self._counter(0)
        self._context.start(self._dispatch, text, self._no_arguments, on_value)

    def progress(self) -> int | None:
        return None if self._counter(0) == self._begun_before else self._counter(1)

    def interrupt(self) -> None:
        self._context.cancel()

    def lift_limit(self) -> None:
        self._context.set_limit(0)

    def warm_up(self) -> None:
        """Read what V8 reads from files with its first use: the time zone."""
        self._context.evaluate("new Date(0).getTimezoneOffset()")

    def close(self) -> None:
        self._context.close()


def _syntax_error(text: str, source: str) -> ExpressionError:
    found = _SYNTAX_ERROR.match(text)
    if found is None:
        return ExpressionError(text.strip() or "the code cannot be parsed")
    return syntax_error(found[2], source, line=int(found[1]), column=len(found[3]))
