"""One context of mini-racer's: an isolate and its thread, by way of the C interface.

mini-racer's own Python layer ties an isolate to one event loop, or gives it a second thread with a loop of its own, and
sends every argument in a round trip of its own. Its C interface below that needs neither: a task is started with one
call, which returns at once, and ends in a callback on the isolate's thread. So this file speaks to the C interface,
which is why the dependency is held to one minor version; nothing else of the project knows mini-racer.

mini-racer frees a context when the last call that uses it returns, on whatever thread that is. If that were the isolate's
own, it would wait for itself; on any other, :meth:`Context.close` would return too early. So every call that may come
while somebody closes the context holds a lock, and none begins after that.
"""

from __future__ import annotations

import ctypes
import queue
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from py_mini_racer import init_mini_racer

from engine.errors import Code, ExpressionError

# The kinds of value of mini-racer's C interface.
INTEGER = 3
TEXT = 5
PARSE_ERROR = 201
OUT_OF_MEMORY = 202
TERMINATED = 204
_FIRST_ERROR = 200

_CHECK_SECONDS = 10.0

_WAITS, _RUNS = 0, 1  # what a callback is told: of a task that somebody waits for, or of one of `start`

_U8, _U64, _SIZE, _HANDLE = ctypes.c_uint8, ctypes.c_uint64, ctypes.c_size_t, ctypes.c_void_p
_CALLBACK = ctypes.CFUNCTYPE(None, _U64, _HANDLE)


class _Value(ctypes.Structure):
    """What a handle points to."""

    _pack_ = 1
    _fields_ = (("content", _U64), ("length", _U64), ("kind", _U8))


class _Functions:
    """The functions of the library that are used here. Handles are plain addresses: that is the cheapest to pass."""

    def __init__(self) -> None:
        library = init_mini_racer(ignore_duplicate_init=True)

        def function(name: str, result: Any, *arguments: Any) -> Any:
            return ctypes.CFUNCTYPE(result, *arguments)((name, library))

        self.new_context = function("mr_init_context", _U64, _CALLBACK)
        self.free_context = function("mr_free_context", None, _U64)
        self.new_text = function("mr_alloc_string_val", _HANDLE, _U64, ctypes.c_char_p, _U64, _U8)
        self.new_integer = function("mr_alloc_int_val", _HANDLE, _U64, ctypes.c_int64, _U8)
        self.free_value = function("mr_free_value", None, _U64, _HANDLE)
        self.evaluate = function("mr_eval", _U64, _U64, _HANDLE, _U64)
        self.call = function("mr_call_function", _U64, _U64, _HANDLE, _HANDLE, _HANDLE, _U64)
        self.item = function("mr_get_object_item", _HANDLE, _U64, _HANDLE, _HANDLE)
        self.cancel = function("mr_cancel_task", None, _U64, _U64)
        self.set_limit = function("mr_set_hard_memory_limit", None, _U64, _SIZE)
        self.limit_reached = function("mr_hard_memory_limit_reached", ctypes.c_bool, _U64)


_functions = cache(_Functions)


class Context:
    """An isolate with one global scope. Handles of values are addresses, good until the context is closed."""

    def __init__(self, memory: int) -> None:
        self._functions = _functions()
        self._lock = threading.Lock()
        self._alive = True
        self._task = 0
        self._answers: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        self._answered: list[int] = []  # values of tasks, to be freed with the next start
        self._on_value: Callable[[int, str], None] | None = None
        # The C side calls it on the isolate's thread for as long as the context lives, so we keep it as long.
        self._callback = _CALLBACK(self._receive)
        self._id = self._functions.new_context(self._callback)
        self.set_limit(memory)

    def set_limit(self, memory: int) -> None:
        """Bytes; 0 takes the limit away."""
        with self._lock:
            if self._alive:
                self._functions.set_limit(self._id, memory)

    @property
    def limit_reached(self) -> bool:
        """Whether the limit was ever reached."""
        with self._lock:
            return self._alive and bool(self._functions.limit_reached(self._id))

    def start(self, function: int, text: str, arguments: int, on_value: Callable[[int, str], None]) -> None:
        """Start `function` with `text` as `this`; `on_value` gets the kind and the text of what it gives.

        `on_value` is called on the isolate's thread, unless the context is closed before, and must not raise: an
        exception could go nowhere from there.
        """
        # The task may be over, and the next be started on the isolate's thread, before its number is known here. The
        # lock lets that one wait, so that `cancel` never takes an older number for the newest.
        with self._lock:
            if not self._alive:
                return
            while self._answered:
                self._functions.free_value(self._id, self._answered.pop())
            self._on_value = on_value
            handle = self._text(text)
            self._task = self._functions.call(self._id, function, handle, arguments, _RUNS)
            self._functions.free_value(self._id, handle)

    def cancel(self) -> None:
        """Cancel the task that was started last; nothing happens if it is over."""
        with self._lock:
            if self._alive:
                self._functions.cancel(self._id, self._task)

    def evaluate(self, script: str) -> tuple[int, str]:
        """Evaluate and wait; gives the kind of the value and, of texts and errors, the text."""
        kind, handle = self._evaluate(script)
        content = _content(handle)
        self._functions.free_value(self._id, handle)
        return kind, content

    def evaluate_to_handle(self, script: str) -> int:
        """Evaluate our own script and wait; raises :class:`ExpressionError` if that fails."""
        return _expect(*self._evaluate(script))

    def call_and_wait(self, function: int, this: int, arguments: int) -> None:
        """Call our own function and wait."""
        self._functions.call(self._id, function, this, arguments, _WAITS)
        self._functions.free_value(self._id, _expect(*self._answers.get(timeout=_CHECK_SECONDS)))

    def item(self, handle: int, index: int) -> int:
        """An item of an array."""
        number = self._functions.new_integer(self._id, index, INTEGER)
        try:
            return int(self._functions.item(self._id, handle, number))
        finally:
            self._functions.free_value(self._id, number)

    def integers(self, buffer: int) -> Callable[[int], int]:
        """A function that reads the array buffer as 32-bit integers, by index; all 0 once the context is closed."""
        value = _Value.from_address(buffer)
        memory = (ctypes.c_int32 * (value.length // 4)).from_address(value.content)

        def read(index: int) -> int:
            with self._lock:
                return memory[index] if self._alive else 0

        return read

    def close(self) -> None:
        """Free the isolate and its thread, ending what runs. Blocks until a builtin that cannot be stopped is through."""
        with self._lock:
            was_alive, self._alive = self._alive, False
        if was_alive:
            self._functions.free_context(self._id)

    def _evaluate(self, script: str) -> tuple[int, int]:
        handle = self._text(script)
        task = self._functions.evaluate(self._id, handle, _WAITS)
        self._functions.free_value(self._id, handle)
        try:
            return self._answers.get(timeout=_CHECK_SECONDS)
        except queue.Empty:
            self._functions.cancel(self._id, task)
            return self._answers.get()

    def _text(self, text: str) -> int:
        content = text.encode("utf-8", "surrogatepass")
        return int(self._functions.new_text(self._id, content, len(content), TEXT))

    def _receive(self, task: int, handle: int) -> None:
        """Called on the isolate's thread. An exception could go nowhere from here, so none may leave."""
        value = _Value.from_address(handle)
        kind: int = value.kind
        if task == _WAITS:
            self._answers.put((kind, handle))
            return
        content = _content(handle)
        # Whoever started the task may still hold the lock. To free the value now would mean to wait for that thread.
        self._answered.append(handle)
        on_value, self._on_value = self._on_value, None
        if on_value is not None:
            on_value(kind, content)


def _expect(kind: int, handle: int) -> int:
    if kind >= _FIRST_ERROR:
        raise ExpressionError(f"the isolate could not be made: {_content(handle)}", code=Code.INTERNAL)
    return handle


def _content(handle: int) -> str:
    value = _Value.from_address(handle)
    if value.kind != TEXT and value.kind < _FIRST_ERROR:
        return ""
    raw: bytes = ctypes.string_at(value.content, value.length)
    return raw.decode("utf-8", "replace")
