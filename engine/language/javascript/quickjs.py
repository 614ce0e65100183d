"""QuickJS, through quickjs-ng: a context that answers in the thread that asks.

What is particular about the binding, and how this file lives with it:

* A call lets go of Python's lock, but the thread that called waits for it. So an event loop stands still meanwhile.
* A context may be used by one thread after another, never by two at once; who asks sees to that.
* The time limit is one of processor time, of all threads of the process together. It is looked at every ten thousand
  loops and calls, whatever builtins do in between. :meth:`Context.hinder` ends most of what goes on for too long there,
  from another thread.
* When a call fails, the binding turns what was thrown into text, with no limit set. So nothing of the snippet's is ever
  thrown as far: `prelude.js` catches it all, and `quickjs.js` takes care of interruptions, which nobody can catch.
* A long text that was put together of parts is a type of its own that the binding does not know: what it is given has
  been copied into one piece.
* Every script is called `<input>`. So the snippet's own lines begin at a number that no other script reaches.
* Without memory, `for … in` over a text and `bind` end the process. `forin.py` and `quickjs.js` put something before
  them, and so that nothing gets around the first there is no `eval`.
* A promise's jobs run when they are asked to, one at a time, each under a time limit that begins anew.

`quickjs`, the package's layer in Python, starts a thread when it is imported. The extension module below it does not.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from functools import cache
from importlib import resources

import _quickjs

from engine.errors import Code, ExpressionError, Place
from engine.language.javascript.engine import Reply, Settings, Status, prelude
from engine.language.javascript.failure import syntax_error
from engine.language.javascript.forin import Guarded, guard
from engine.language.javascript.module import LINES_BEFORE, SOURCE_NAME, Module
from engine.language.javascript.tokens import place_at

MOST_MEMORY = 8 * 2**20
"""Bytes of a context's heap. To free it takes the loop's thread as well: about a millisecond for each MiB."""

_MOST_STACK = 512 * 1024
_FIRST_LINE = 5000
"""Where a snippet's script begins; all others are shorter."""
_SPARE_MEMORY = 2**20
_CHECK_MEMORY = 64 * 2**20

_PLACE = re.compile(r"<input>:(\d{1,9}):(\d{1,9})(?!\d)")
_FRAME = re.compile(r"\n +at [^\n]*|\n(?=\n|$)")
_SYNTAX_ERROR = re.compile(r"(?:SyntaxError: )?([^\n]*)\n +at <input>:(\d+):(\d+)")
_NEWLINE = re.compile(r"\r\n|[\n\r\u2028\u2029]")


def check(module: Module) -> Guarded:
    """Parse, without running anything, and give what may run.

    Raises :class:`~engine.errors.ExpressionError` with the place, also for what :func:`.guard` refuses.
    """
    nul = module.source.find("\0")
    if nul >= 0:
        raise ExpressionError("the source holds a NUL character", place=place_at(module.source, nul), hint=r"write \0")
    context = _quickjs.Context()
    context.set_memory_limit(_CHECK_MEMORY)
    try:
        # The throw keeps the script from doing anything, should it not be the one function that it looks like.
        context.eval(f"throw 0;{module.script}")
    except _quickjs.JSException as error:
        text = str(error)
        found = _SYNTAX_ERROR.match(text)
        if found is not None:
            line, column = int(found[2]), int(found[3])
            column = _utf16(_NEWLINE.split(module.script)[line - 1], column)
            raise syntax_error(found[1], module.source, line=line, column=column) from None
        if not text.startswith("0\n"):
            raise ExpressionError("the code is too large to be checked", code=Code.TOO_LARGE) from None
    return _guarded(module)


def _guarded(module: Module) -> Guarded:
    try:
        return guard(module.script)
    except ExpressionError as error:
        place = error.place
        if place is None or place.line <= LINES_BEFORE:
            raise
        moved = replace(error.value, place=Place(line=place.line - LINES_BEFORE, column=place.column))
        raise ExpressionError.from_value(moved) from None


class Context:
    """One heap with the prelude and one module, whose top level has not run yet: 2 ms and 300 KB.

    Used by one thread at a time, but for :meth:`hinder`.
    """

    def __init__(self, module: Module, guarded: Guarded, settings: Settings) -> None:
        self._memory = settings.memory
        self._context = context = _quickjs.Context()
        context.set_memory_limit(settings.memory)
        context.set_max_stack_size(_MOST_STACK)
        complete = context.eval(_preparation())
        self._ask = context.eval(f"({_ASK})({prelude(module, settings)}\n)")
        to_object = complete()
        make = context.eval("\n" * (_FIRST_LINE - 1) + f"({guarded.name}) => {guarded.script}")
        self._ask(make(to_object))
        self._limit = -1.0
        self._hindered = 0

    def ask(self, text: str, seconds: float) -> Reply:
        """The answer to `text`; :attr:`Status.STOPPED` after about `seconds` of the process's processor time."""
        self._allow(seconds)
        try:
            answer = self._ask(text)
        except _quickjs.JSException as error:
            return _stopped(error)
        return Reply(Status.DONE, answer) if isinstance(answer, str) else Reply(Status.MEMORY, "")

    def work_off(self, until: float) -> Reply | None:
        """Run what promises have left to do, until nothing is or :func:`time.process_time` is `until`.

        None if all is done, else why it was stopped.
        """
        run = self._context.execute_pending_job
        try:
            while run():
                left = until - time.process_time()
                if left <= 0:
                    return Reply(Status.STOPPED, "")
                self._allow(left)
        except _quickjs.JSException as error:
            return _stopped(error)
        return None

    def hinder(self) -> None:
        """Make what runs fail at its next step, as far as can be, so that it ends soon. From any thread.

        By turns there is no memory to be had, or no function to be called. Without memory whatever copies something is
        over at once. But an interruption then lacks the memory for the error that nobody can catch, so code that catches
        everything goes on; while it can call nothing, it gets interrupted as it should. The context is of no use then.
        """
        self._hindered += 1
        if self._hindered % 2:
            self._context.set_memory_limit(1)
        else:
            self.lift_limit()
            self._context.set_max_stack_size(1)

    def lift_limit(self) -> None:
        """Let the context use more memory than before, to answer one last text."""
        self._context.set_max_stack_size(_MOST_STACK)
        self._context.set_memory_limit(self._memory + _SPARE_MEMORY)

    @property
    def is_full(self) -> bool:
        """Whether most of the memory is used. Takes a millisecond for each MiB."""
        return bool(self._context.memory()["malloc_size"] > self._memory // 2)

    def _allow(self, seconds: float) -> None:
        if seconds != self._limit:
            self._context.set_time_limit(max(seconds, 0.0))  # less than 0 would be no limit at all
            self._limit = seconds


def _stopped(error: _quickjs.JSException) -> Reply:
    text = str(error)
    if text.startswith(("InternalError: interrupted", "interrupted")):
        return Reply(Status.STOPPED, "")
    if text.startswith(("InternalError: out of memory", "null")):
        return Reply(Status.MEMORY, "")
    return Reply(Status.BROKEN, text.strip())


def told_to_stop(line: str) -> Status | None:
    """Whether the failure of an `E` line is an interruption, or the end of the memory, that code could catch."""
    if '"InternalError"' not in line:
        return None
    match json.loads(line[1:]).get("message"):
        case "interrupted":
            return Status.STOPPED
        case "out of memory":
            return Status.MEMORY
        case _:
            return None


def with_places(line: str, guarded: Guarded, source: str) -> str:
    """An `E` line whose stack is written as V8 writes it: with the snippet's name, and its columns in UTF-16."""
    record = json.loads(line[1:])
    stack = record.get("stack")
    if stack is None:
        return line
    record["stack"] = _shown(stack, guarded, source, LINES_BEFORE)  # which `failure` takes off again
    return "E" + json.dumps(record)


def shown(text: str, guarded: Guarded, source: str) -> str:
    """A text with a stack in it, its places those of the snippet, without the frames of other scripts."""
    return _shown(text, guarded, source, 0)


def _shown(text: str, guarded: Guarded, source: str, lines_before: int) -> str:
    lines = _NEWLINE.split(source)

    def name(found: re.Match[str]) -> str:
        line, column = int(found[1]) - _FIRST_LINE + 1, int(found[2])
        in_source = line - LINES_BEFORE
        if 0 < in_source <= len(lines):
            before = lines[in_source - 1][: guarded.column(line, column - 1)]
            column = len(before.encode("utf-16-le")) // 2 + 1
        return f"{SOURCE_NAME}:{in_source + lines_before}:{column}"

    def frame(found: re.Match[str]) -> str:
        place = _PLACE.search(found[0])
        return _PLACE.sub(name, found[0]) if place is not None and int(place[1]) >= _FIRST_LINE else ""

    return _FRAME.sub(frame, text)


_ASK = """([dispatch]) => {
  const ask = Function.prototype.call.bind(dispatch);
  const slice = Function.prototype.call.bind(String.prototype.slice);
  return (text) => slice(ask(text), 0);
}"""


@cache
def _preparation() -> str:
    return resources.files(__package__).joinpath("quickjs.js").read_text("utf-8")


def _utf16(line: str, column: int) -> int:
    """The units of UTF-16 before a column of QuickJS's, which counts bytes of UTF-8 from 1."""
    before = line.encode()[: column - 1].decode("utf-8", "ignore")
    return len(before.encode("utf-16-le")) // 2
