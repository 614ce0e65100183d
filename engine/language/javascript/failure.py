"""What went wrong in JavaScript, as the engine's own errors, with the place in the snippet."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

from engine.errors import Code, ErrorValue, ExpressionError, Place
from engine.language.javascript.module import LINES_BEFORE, SOURCE_NAME, Origin
from engine.language.javascript.wire import decode_error

_FRAME = re.compile(re.escape(SOURCE_NAME) + r":(\d{1,9}):(\d{1,9})(?!\d)")
"""A place in a stack. Code can write any stack it likes: a longer number is none."""
_NEWLINE = re.compile(r"\r\n|[\n\r\u2028\u2029]")


def thrown(line: str, errors: tuple[ErrorValue, ...], source: str, *, origin: Origin | None = None) -> ExpressionError:
    """The exception for an `E` line.

    The message is the thrown error's message as it is; `details` holds the JavaScript `name` and `stack`, the stack
    with line numbers of the snippet, or of its origin. An error value that was thrown on is carried unchanged.
    """
    record: dict[str, Any] = json.loads(line[1:])
    if "value" in record:
        return ExpressionError.from_value(decode_error(record["value"], errors))
    stack = record.get("stack")
    details = None if stack is None else {"name": record.get("name"), "stack": _shown(stack, source, origin)}
    message = record["message"] or record.get("name") or "an error without a message"
    causes = tuple(decode_error(cause, errors) for cause in record.get("causes", ()))
    return ExpressionError(message, place=_place(stack or "", source, origin), causes=causes, details=details)


def syntax_error(message: str, source: str, *, line: int, column: int) -> ExpressionError:
    """A complaint of the parser; `line` (from 1) and `column` (from 0, in UTF-16 units) are the script's."""
    return ExpressionError(message, place=_in_source(line, column + 1, source))


def moved(error: ExpressionError, origin: Origin | None) -> ExpressionError:
    """A complaint about a source as one about its origin."""
    if origin is None or error.place is None:
        return error
    return ExpressionError.from_value(replace(error.value, place=origin.place(error.place)))


def timed_out(
    timeout: timedelta, *, hint: str = "raise the node's `timeout`, or do less in one call"
) -> ExpressionError:
    """The code ran too long and was stopped."""
    return ExpressionError(
        f"the code ran longer than {shown_time(timeout)} and was stopped",
        code=Code.DEADLINE,
        hint=hint,
    )


def shown_time(timeout: timedelta) -> str:
    """A time limit for people: `20 ms`, `1.5 s`."""
    seconds = timeout.total_seconds()
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def out_of_memory(limit: int, *, hint: str = "raise `javascript.memory`, or keep less") -> ExpressionError:
    """The code used too much memory and was stopped. `limit` is in bytes."""
    return ExpressionError(
        f"the code used more than {limit / 2**20:g} MiB of memory and was stopped",
        hint=hint,
    )


def died(how: str) -> ExpressionError:
    """The code ended the process that was its isolate. `how` is a signal's name and what the engine said."""
    return ExpressionError(
        f"the code ended the process that it ran in ({how})",
        hint="do less in one call: the engine cannot go on with a text, a pattern or a table of that size",
    )


def never_settles() -> ExpressionError:
    """The call gave a promise, and nothing is left that could settle it."""
    return ExpressionError("the promise never settles: nothing is left that could settle it")


def no_answer() -> ExpressionError:
    """The isolate answered without a word about the call that it was to run."""
    return ExpressionError("the code broke the isolate that it ran in: there is no answer")


def result_lost() -> ExpressionError:
    """The call had finished, but its isolate could not be asked for the result any more."""
    return ExpressionError("the result was lost when a call sent together with this one had to be stopped")


def no_isolate(ceiling: int) -> ExpressionError:
    """Every isolate belongs to a snippet that would lose its state."""
    return ExpressionError(
        f"all {ceiling} JavaScript isolates are held by snippets that keep state",
        code=Code.LIMIT,
        hint="raise `javascript.isolates`",
    )


def closed() -> ExpressionError:
    """The program is not there any more."""
    return ExpressionError("the program is closed", code=Code.UNAVAILABLE)


def _place(stack: str, source: str, origin: Origin | None) -> Place | None:
    found = _FRAME.search(stack)
    place = None if found is None else _in_source(int(found[1]), int(found[2]), source)
    return place if place is None or origin is None else origin.place(place)


def _in_source(line: int, column: int, source: str) -> Place | None:
    """The place in the source of a place in the script; a place behind its end (the wrapper's) is its end."""
    lines = _NEWLINE.split(source)
    line -= LINES_BEFORE
    if line < 1:
        return None
    if line > len(lines):
        return Place(line=len(lines), column=len(lines[-1]) + 1)
    # V8 counts UTF-16 units, we count characters.
    before = lines[line - 1].encode("utf-16-le", "surrogatepass")[: 2 * max(column - 1, 0)]
    return Place(line=line, column=len(before.decode("utf-16-le", "replace")) + 1)


def _shown(stack: str, source: str, origin: Origin | None) -> str:
    """The stack in terms of the source, without the frames that are not the snippet's."""

    def shift(found: re.Match[str]) -> str:
        place = _place(found[0], source, origin)
        return f"{name}:{place.line}:{place.column}" if place else found[0]

    name = SOURCE_NAME if origin is None else origin.name

    frames = [line for line in stack.split("\n") if not line.lstrip().startswith("at ") or _FRAME.search(line)]
    return _FRAME.sub(shift, "\n".join(frames))
