"""A snippet, ready to be called: plain, or one that may await."""

from __future__ import annotations

import asyncio
import inspect
from datetime import timedelta
from typing import Any

from engine.errors import ExpressionError
from engine.language.protocol import Payload
from engine.language.python import failure
from engine.language.python.module import Module
from engine.language.python.printing import Printer
from engine.language.python.values import copy_in, copy_out


class PythonProgram:
    """An expression, or a module with a plain `main`. It is called inline, and holds its thread while it computes."""

    __slots__ = ("_module", "_printer", "_source")

    is_async = False

    def __init__(self, module: Module, source: str, *, printer: Printer) -> None:
        self._module = module
        self._printer = printer
        self._source = source

    def __call__(self, payload: Payload, /) -> Payload:
        """Call `main` with a copy of `payload`.

        Raises :class:`ExpressionError`: what the code raised, with its place in the source. That holds for `SystemExit`
        and `KeyboardInterrupt` too, so no snippet ends the daemon.
        """
        if self._module.closed:
            raise failure.closed()
        argument = copy_in(payload)
        call = self._printer.begin()
        try:
            result = self._module.main()(argument)
        except BaseException as error:
            raise failure.raised(error, self._source) from None
        finally:
            self._printer.end(call)
        if inspect.iscoroutine(result):
            result.close()
            raise ExpressionError("`main` gave a coroutine", hint="write `async def main(payload)`, and await it there")
        return copy_out(result)

    def close(self) -> None:
        """Let the module go. May be called twice."""
        self._module.close()


class AsyncPythonProgram:
    """A module with an `async def main`. Calls may overlap: each runs until it awaits.

    Cancelling the task that awaits a call cancels the call, as ever in asyncio. Tasks and threads that a snippet starts
    and does not end itself outlive the call, and the node.
    """

    __slots__ = ("_module", "_printer", "_source", "_timeout")

    is_async = True

    def __init__(self, module: Module, source: str, *, printer: Printer, timeout: timedelta | None) -> None:
        self._module = module
        self._printer = printer
        self._source = source
        self._timeout = timeout

    async def __call__(self, payload: Payload, /) -> Payload:
        """Await `main` with a copy of `payload`.

        Raises :class:`ExpressionError`: what the code raised, with its place in the source; or, with the code
        `deadline`, that it was cancelled at an await because its time was up.
        """
        if self._module.closed:
            raise failure.closed()
        argument = copy_in(payload)
        call = self._printer.begin()
        try:
            result = await self._within_time(argument)
        finally:
            self._printer.end(call)
        return copy_out(result)

    def close(self) -> None:
        """Let the module go; calls that run go on. May be called twice."""
        self._module.close()

    async def _within_time(self, argument: Payload) -> Any:
        if self._timeout is None:
            return await self._run(argument)
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                return await self._run(argument)
        except TimeoutError:  # the one of this timeout: `_run` has made errors of all others
            raise failure.timed_out(self._timeout) from None

    async def _run(self, argument: Payload) -> Any:
        try:
            result = self._module.main()(argument)
            # A decorator may have made something else of `main`.
            return await result if inspect.isawaitable(result) else result
        except GeneratorExit:  # nobody waits any more
            raise
        except asyncio.CancelledError as error:
            if _is_being_cancelled():
                raise
            raise failure.raised(error, self._source) from None
        except BaseException as error:
            raise failure.raised(error, self._source) from None


def _is_being_cancelled() -> bool:
    """Whether somebody cancels the task that runs; otherwise the error is of something that the snippet awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
