"""V8, through mini-racer.

mini-racer's own Python layer ties an isolate to one event loop, or gives it a second thread with a loop of its own, and
sends every argument in a round trip of its own. Its C interface below that needs neither: a task is started with one
call, which returns at once, and ends in a callback on the isolate's thread. So this file speaks to the C interface,
which is why the dependency is held to one minor version; nothing else of the project knows mini-racer.

The text of a call travels as `this` of the function that takes it: the one argument that needs no array to be built in
the isolate first.

Promises: V8 runs what is left of them after a task has answered, still on the isolate's thread, where no task can be
cancelled any more. So code that runs wild there is seen by the next text not beginning, and ends with the isolate.
"""

from __future__ import annotations

import ctypes
import queue
import re
import threading
from collections.abc import Callable
from typing import Any

from py_mini_racer import init_mini_racer
from py_mini_racer._dll import MR_CALLBACK

from engine.errors import Code, ExpressionError
from engine.language.javascript.engine import Reply, Settings, Status, prelude
from engine.language.javascript.failure import syntax_error
from engine.language.javascript.module import Module

# The kinds of value of mini-racer's C interface.
_INTEGER = 3
_TEXT = 5
_PARSE_ERROR = 201
_OUT_OF_MEMORY = 202
_TERMINATED = 204
_FIRST_ERROR = 200

_SYNTAX_ERROR = re.compile(r"[^\n:]*:(\d+): (?:SyntaxError: )?([^\n]*)\n[^\n]*\n( *)")
_CHECK_SECONDS = 10.0


class V8:
    """The engine. Checking has one isolate for all modules, made with the first check."""

    def __init__(self, *, memory: int) -> None:
        self._memory = memory
        self._checking = threading.Lock()
        self._checker: _Context | None = None

    def check(self, module: Module) -> None:
        # The throw keeps the script from doing anything, should it not be the one function that it looks like.
        script = f"throw 0;{module.script}"
        with self._checking:
            kind, text = self._check(script)
            if kind == _OUT_OF_MEMORY:  # of all that was checked before, perhaps: once more, with an empty heap
                self._drop_checker()
                kind, text = self._check(script)
        if kind == _PARSE_ERROR:
            raise _syntax_error(text, module.source)
        if kind in (_OUT_OF_MEMORY, _TERMINATED):
            raise ExpressionError("the code is too large to be checked", code=Code.TOO_LARGE)

    def isolate(self, module: Module, settings: Settings) -> V8Isolate:
        return V8Isolate(module, settings)

    def close(self) -> None:
        with self._checking:
            self._drop_checker()

    def _check(self, script: str) -> tuple[int, str]:
        if self._checker is None:
            self._checker = _Context(self._memory)
        return self._checker.evaluate(script)

    def _drop_checker(self) -> None:
        if self._checker is not None:
            self._checker.close()
            self._checker = None


class V8Isolate:
    """One isolate: one thread, about a megabyte, 2 ms to make."""

    def __init__(self, module: Module, settings: Settings) -> None:
        self._context = context = _Context(settings.memory)
        try:
            pair = context.evaluate_to_handle(prelude(module, settings))
            self._dispatch = context.item(pair, 0)
            self._no_arguments = context.evaluate_to_handle("[]")
            enter = context.evaluate_to_handle(module.script)
            context.call_and_wait(self._dispatch, enter, self._no_arguments)
            self._counters = context.integers(context.item(pair, 1))
        except BaseException:
            context.close()
            raise
        self._begun_before = 0
        self._task = 0

    def run(self, text: str, done: Callable[[Reply], None]) -> None:
        def on_value(kind: int, content: str) -> None:
            match kind:
                case int() if kind == _TEXT:
                    done(Reply(Status.DONE, content))
                case int() if kind == _OUT_OF_MEMORY:
                    done(Reply(Status.MEMORY, ""))
                case int() if kind == _TERMINATED:
                    done(Reply(Status.STOPPED, ""))
                case _ if self._context.limit_reached:  # told as an error without a message, now and then
                    done(Reply(Status.MEMORY, ""))
                case _:
                    done(Reply(Status.BROKEN, content or "the isolate gave no answer"))

        self._begun_before = self._read(0)
        self._task = self._context.call(self._dispatch, text, self._no_arguments, on_value)

    def progress(self) -> int | None:
        return None if self._read(0) == self._begun_before else self._read(1)

    def interrupt(self) -> None:
        self._context.cancel(self._task)

    def lift_limit(self) -> None:
        self._context.set_limit(0)

    def close(self) -> None:
        self._context.close()

    def _read(self, index: int) -> int:
        with self._context.alive as alive:
            return self._counters[index] if alive else 0


class _Alive:
    """A lock that tells, while it is held, whether the context still has its memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alive = True

    def __enter__(self) -> bool:
        self._lock.acquire()
        return self._alive

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def end(self) -> bool:
        """Note the end; answers whether it was alive until now."""
        with self as alive:
            self._alive = False
            return alive


class _Context:
    """A context of mini-racer's, and the few things we ask of it."""

    def __init__(self, memory: int) -> None:
        self._dll = init_mini_racer(ignore_duplicate_init=True)
        self.alive = _Alive()
        self._answers: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._on_value: Callable[[int, str], None] | None = None
        # The C side calls it on the isolate's thread for as long as the context lives, so we keep it as long.
        self._callback = MR_CALLBACK(self._receive)
        self._id = self._dll.mr_init_context(self._callback)
        self.set_limit(memory)

    def set_limit(self, memory: int) -> None:
        """Bytes; 0 takes the limit away."""
        self._dll.mr_set_hard_memory_limit(self._id, memory)

    @property
    def limit_reached(self) -> bool:
        """Whether the limit was ever reached."""
        return bool(self._dll.mr_hard_memory_limit_reached(self._id))

    def call(self, function: Any, text: str, arguments: Any, on_value: Callable[[int, str], None]) -> int:
        """Start `function` with `text` as `this`; gives the task, to cancel it."""
        self._on_value = on_value
        handle = self._text(text)
        try:
            return int(self._dll.mr_call_function(self._id, function, handle, arguments, 1))
        finally:
            self._dll.mr_free_value(self._id, handle)

    def cancel(self, task: int) -> None:
        """Cancel a task; nothing happens if it is over."""
        self._dll.mr_cancel_task(self._id, task)

    def evaluate(self, script: str) -> tuple[int, str]:
        """Evaluate and wait; gives the kind of the value and, of texts and errors, the text."""
        kind, handle = self._evaluate(script)
        content = self._content(handle)
        self._dll.mr_free_value(self._id, handle)
        return kind, content

    def evaluate_to_handle(self, script: str) -> Any:
        """Evaluate our own script and wait; raises :class:`ExpressionError` if that fails."""
        return self._expect(*self._evaluate(script))

    def call_and_wait(self, function: Any, this: Any, arguments: Any) -> None:
        """Call our own function and wait."""
        self._dll.mr_call_function(self._id, function, this, arguments, 0)
        self._dll.mr_free_value(self._id, self._expect(*self._answers.get(timeout=_CHECK_SECONDS)))

    def item(self, handle: Any, index: int) -> Any:
        """An item of an array."""
        number = self._dll.mr_alloc_int_val(self._id, index, _INTEGER)
        try:
            return self._dll.mr_get_object_item(self._id, handle, number)
        finally:
            self._dll.mr_free_value(self._id, number)

    def integers(self, buffer: Any) -> Any:
        """The memory of an array buffer as 32-bit integers; only to be read while the context is alive."""
        content = buffer.contents
        return (ctypes.c_int32 * (content.len // 4)).from_address(content.value.value_ptr)

    def close(self) -> None:
        """Free the isolate and its thread, ending what runs. Blocks until a builtin that cannot be stopped is through."""
        if self.alive.end():
            self._dll.mr_free_context(self._id)

    def _evaluate(self, script: str) -> tuple[int, Any]:
        handle = self._text(script)
        task = self._dll.mr_eval(self._id, handle, 0)
        self._dll.mr_free_value(self._id, handle)
        try:
            return self._answers.get(timeout=_CHECK_SECONDS)
        except queue.Empty:
            self.cancel(task)
            return self._answers.get()

    def _expect(self, kind: int, handle: Any) -> Any:
        if kind >= _FIRST_ERROR:
            raise ExpressionError(f"the isolate could not be made: {self._content(handle)}", code=Code.INTERNAL)
        return handle

    def _text(self, text: str) -> Any:
        content = text.encode("utf-8", "surrogatepass")
        return self._dll.mr_alloc_string_val(self._id, content, len(content), _TEXT)

    def _receive(self, callback: int, handle: Any) -> None:
        """Called on the isolate's thread. An exception could go nowhere from here, so none may leave."""
        kind = handle.contents.type
        if callback == 0:
            self._answers.put((kind, handle))
            return
        content = self._content(handle)
        self._dll.mr_free_value(self._id, handle)
        on_value, self._on_value = self._on_value, None
        if on_value is not None:
            on_value(kind, content)

    def _content(self, handle: Any) -> str:
        content = handle.contents
        if content.type != _TEXT and content.type < _FIRST_ERROR:
            return ""
        raw: bytes = ctypes.string_at(content.value.value_ptr, content.len)
        return raw.decode("utf-8", "replace")


def _syntax_error(text: str, source: str) -> ExpressionError:
    found = _SYNTAX_ERROR.match(text)
    if found is None:
        return ExpressionError(text.strip() or "the code cannot be parsed")
    return syntax_error(found[2], source, line=int(found[1]), column=len(found[3]))
