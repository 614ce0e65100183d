"""What a language is to the engine: a compiler that turns source into a program.

A *program* is a plain callable that takes one payload (whatever `self` is) and gives one payload back. Payloads are
plain Python data (`None, bool, int, float, str, bytes, list, dict, datetime, timedelta`) and
:class:`~engine.errors.ErrorValue`; a program never changes its argument and never gives back something that a later
call, or the caller, may change under another's feet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, runtime_checkable

Payload = Any


@runtime_checkable
class Program(Protocol):
    """Compiled source.

    `is_async` tells how to call it: `program(payload)` gives the result, or an awaitable of it. Both raise
    :class:`~engine.errors.ExpressionError` with the place inside the source when the code fails.
    """

    is_async: bool

    def __call__(self, payload: Payload, /) -> Payload | Awaitable[Payload]: ...

    def close(self) -> None:
        """Let go of what the program holds (an isolate, a thread). Called once, when its node is unloaded."""
        ...


@dataclass(frozen=True, slots=True)
class Options:
    """What a spec may say about how its code runs. `None` means: the language's configured default."""

    timeout: timedelta | None = None
    engine: str | None = None
    log: Callable[[str, str], None] | None = None
    """Where `console` goes: `log(level, text)`, level one of debug, info, warning, error."""


class Compiler(Protocol):
    """One language.

    `compile` raises :class:`~engine.errors.ExpressionError`, its place counted from 1 within `source`, and
    :class:`~engine.errors.InvalidError` for an option that it cannot honour, with `details` of `{"option": its name}`.
    """

    name: str

    def compile(self, source: str, options: Options = Options()) -> Program: ...
