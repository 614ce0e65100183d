"""Takes the types out of TypeScript, with sucrase, in an isolate of V8 of its own.

sucrase reads token by token and builds no tree: the isolate takes some 50 ms to make, once, and a snippet some tenths of
a millisecond. The isolate runs nothing but sucrase, never a snippet, so one serves all.

Source is foreign data all the same, and sucrase tries alternatives where TypeScript's grammar is ambiguous, so that
some sources take it very long. Time and memory have a limit; whatever goes beyond one costs the isolate, and the next
source gets a fresh one.
"""

from __future__ import annotations

import json
import queue
import threading
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import resources

from engine.errors import Code, ExpressionError, Place
from engine.language.javascript import failure
from engine.language.javascript.racer import OUT_OF_MEMORY, TERMINATED, TEXT, Context
from engine.language.javascript.tokens import place_at
from engine.language.typescript.positions import Positions

MOST_SOURCE = 256 * 1024
"""Characters. Whoever compiles waits, and a snippet is written by hand."""


@dataclass(frozen=True, slots=True)
class _Sucrase:
    context: Context
    translate: int
    no_arguments: int


class Eraser:
    """TypeScript in, JavaScript out. It may be used from any thread; sources take their turn.

    `timeout` is for one source, `memory` (bytes) for the isolate, which is made with the first source.
    """

    def __init__(self, *, timeout: timedelta = timedelta(seconds=1), memory: int = 256 * 2**20) -> None:
        self._seconds = timeout.total_seconds()
        self._memory = memory
        self._lock = threading.Lock()
        self._sucrase: _Sucrase | None = None
        self._closed = False

    def erase(self, source: str) -> Positions:
        """The JavaScript that `source` is without its types, and the way back. Line ends stay where they can.

        Raises :class:`ExpressionError`, with its place, for what is no TypeScript and for what cannot be translated;
        with the code `too_large` for more than :data:`MOST_SOURCE`, and for what takes too much time or memory. Blocks until
        it is done.
        """
        if len(source) > MOST_SOURCE:
            raise ExpressionError(
                f"the code has {len(source)} characters, and {MOST_SOURCE} is the most that types are taken out of",
                code=Code.TOO_LARGE,
                hint="make the code shorter, or write it in javascript",
            )
        with self._lock:
            if self._closed:
                raise failure.closed()
            kind, text = self._ask(source)
            if kind == OUT_OF_MEMORY:  # of all that was read before, perhaps: once more, with an empty heap
                kind, text = self._ask(source)
        if kind in (OUT_OF_MEMORY, TERMINATED):
            what = "memory" if kind == OUT_OF_MEMORY else "time"
            raise ExpressionError(
                f"taking the types out of the code needs too much {what}",
                code=Code.TOO_LARGE,
                hint="make the code shorter, or write it in javascript",
            )
        if kind != TEXT:
            raise ExpressionError(f"the code cannot be translated: {text}", code=Code.INTERNAL)
        answer = json.loads(text)
        if "error" in answer:
            place: Place | None = None if answer["at"] is None else place_at(source, answer["at"])
            raise ExpressionError(answer["error"], place=place, hint=answer["hint"])
        return Positions(source, answer["code"], tuple((at, origin) for at, origin in answer["segments"]))

    def close(self) -> None:
        """Free the isolate, after the source that it works on, if any. May be called twice."""
        with self._lock:
            self._closed = True
            self._drop()

    def _ask(self, source: str) -> tuple[int, str]:
        sucrase = self._sucrase
        if sucrase is None:
            sucrase = self._sucrase = self._start()
        answers: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        sucrase.context.start(
            sucrase.translate, source, sucrase.no_arguments, lambda kind, text: answers.put((kind, text))
        )
        try:
            kind, text = answers.get(timeout=self._seconds)
        except queue.Empty:
            self._drop()
            return TERMINATED, ""
        if kind != TEXT:
            if sucrase.context.limit_reached:  # told as an error without a message, now and then
                kind = OUT_OF_MEMORY
            self._drop()
        return kind, text

    def _start(self) -> _Sucrase:
        context = Context(self._memory)
        try:
            translate = context.evaluate_to_handle(f"{_bundle()}\n;sucrase.translate")
            return _Sucrase(context, translate, context.evaluate_to_handle("[]"))
        except BaseException:
            context.close()
            raise

    def _drop(self) -> None:
        sucrase, self._sucrase = self._sucrase, None
        if sucrase is not None:
            sucrase.context.cancel()
            sucrase.context.close()


@cache
def _bundle() -> str:
    return resources.files(__package__).joinpath("sucrase", "bundle.js").read_text("utf-8")
