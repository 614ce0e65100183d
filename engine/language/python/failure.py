"""What went wrong in Python, as the engine's own errors, with the place in the snippet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from types import TracebackType

from engine.errors import Code, ErrorValue, ExpressionError, Place, WeirError
from engine.language.python.form import FILE, lines_of, place_of

_MOST_CAUSES = 8
_FIRST_FRAMES = 5
_LAST_FRAMES = 15


@dataclass(frozen=True, slots=True)
class _Spot:
    """One frame of the snippet."""

    place: Place
    function: str


def raised(error: BaseException, source: str) -> ExpressionError:
    """The exception for one that the snippet raised.

    The message is the exception's own; `details` holds its `name` and the `traceback`, those frames of it that are the
    snippet's. The place is that of the innermost of these. What it was raised `from`, and the parts of a group, are its
    causes. A :class:`WeirError` keeps what it is: its code, hint and causes.
    """
    spots = _spots(error.__traceback__, source)
    place = spots[-1].place if spots else None
    details = {"name": type(error).__name__, "traceback": _shown(spots, source)}
    if isinstance(error, WeirError):
        value = error.value
        known = value.place if value.place is not None and value.place.file is not None else place
        return ExpressionError.from_value(
            replace(value, place=known, details=details if value.details is None else value.details)
        )
    return ExpressionError(_message(error), place=place, causes=_causes(error), details=details)


def timed_out(timeout: timedelta) -> ExpressionError:
    """The code awaited too long and was cancelled."""
    seconds = timeout.total_seconds()
    shown = f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"
    return ExpressionError(
        f"the code ran longer than {shown} and was stopped",
        code=Code.DEADLINE,
        hint="raise the node's `timeout`, or do less in one call",
    )


def closed() -> ExpressionError:
    """The program is not there any more."""
    return ExpressionError("the program is closed", code=Code.UNAVAILABLE)


def _message(error: BaseException) -> str:
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:  # an exception whose `__str__` raises
        return name
    # A KeyError's text is the bare key. Those that are no Exception would have ended the daemon: say which it was.
    if text and (isinstance(error, KeyError) or not isinstance(error, Exception)):
        return f"{name}: {text}"
    return text or name


def _causes(error: BaseException, depth: int = 0) -> tuple[ErrorValue, ...]:
    if depth == _MOST_CAUSES:
        return ()
    if isinstance(error, BaseExceptionGroup):
        direct = error.exceptions
    else:
        direct = () if error.__cause__ is None else (error.__cause__,)
    return tuple(
        each.value
        if isinstance(each, WeirError)
        else ErrorValue(_message(each), Code.EXPRESSION, _causes(each, depth + 1))
        for each in direct
    )


def _spots(traceback: TracebackType | None, source: str) -> list[_Spot]:
    found = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename == FILE:
            line, _, column, _ = next(islice(code.co_positions(), traceback.tb_lasti // 2, None))
            place = place_of(source, line or traceback.tb_lineno, column)
            found.append(_Spot(place, code.co_name))
        traceback = traceback.tb_next
    return found


def _shown(spots: list[_Spot], source: str) -> str:
    """A traceback in Python's manner; the middle of a deep one is left out."""
    lines = lines_of(source)
    shown = [
        f"line {spot.place.line}, in {spot.function}\n    {lines[spot.place.line - 1].strip()}"
        for spot in (
            spots if len(spots) <= _FIRST_FRAMES + _LAST_FRAMES else spots[:_FIRST_FRAMES] + spots[-_LAST_FRAMES:]
        )
    ]
    if len(spots) > len(shown):
        shown.insert(_FIRST_FRAMES, f"… {len(spots) - len(shown)} more calls")
    return "\n".join(shown)
