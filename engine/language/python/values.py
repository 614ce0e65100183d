"""How payloads cross: by value, as copies that share nothing that can be changed.

One walk copies and checks. (`marshal` is hardly faster for a request, and keeps two names for one list what they are;
`copy.deepcopy` is four times slower, and `pickle` loses which error value is which.)

| Python | in the snippet | comes back as |
| --- | --- | --- |
| `None`, `bool`, `int`, `float`, `str`, `bytes`, `timedelta` | the same | the same; a subclass (an enum, NumPy's `float64`) as its base |
| `bytearray`, `memoryview` | `bytes` | `bytes` |
| `datetime` | the same, aware; a naive one counts as UTC | the same; a naive one is refused, for nobody knows what it means |
| `list`, `tuple` | `list` | `list` |
| `dict`, its keys text, integers or booleans | `dict` | `dict` |
| `ErrorValue` | the very same | the very same |

Anything else is refused, with its place in the value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn

from engine.errors import ErrorValue, ExpressionError
from engine.language.protocol import Payload

_UNCHANGEABLE = frozenset({str, int, float, bool, type(None), bytes, timedelta, ErrorValue})


_Naive = Callable[[datetime], datetime]
"""What to make of a time without a zone."""


class _RefusedError(Exception):
    """This object is no payload. Where it stands is looked up only now that it matters."""

    def __init__(self, value: Any, message: str, hint: str | None) -> None:
        super().__init__(message)
        self.value = value
        self.message = message
        self.hint = hint


def copy_in(payload: Payload) -> Payload:
    """A copy of an argument, free to be changed. Raises :class:`ExpressionError` for what is no payload."""
    return _copied(payload, "the argument", _utc)


def copy_out(value: Any) -> Payload:
    """A result as plain data that nobody else holds.

    Raises :class:`ExpressionError` for a value that is none, with where it stands and what to write instead, for one
    that contains itself, and for one that is nested deeper than the interpreter's stack.
    """
    return _copied(value, "the result", _refuse_naive)


def _copied(value: Any, role: str, naive: _Naive) -> Any:
    try:
        return _Copier(naive).copy(value)
    except _RefusedError as refused:
        path = _path(value, refused.value)
        where = f", at {path}" if path else ""
        raise ExpressionError(f"{refused.message} cannot be in {role}{where}", hint=refused.hint) from None
    except RecursionError:
        reason = "contains itself" if _contains_itself(value) else "is nested too deeply"
        raise ExpressionError(f"{role} {reason}") from None


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


def _refuse_naive(value: datetime) -> NoReturn:
    raise _RefusedError(value, "a datetime without a time zone", "give it one: `datetime.now(UTC)`")


class _Copier:
    __slots__ = ("_naive",)

    def __init__(self, naive: _Naive) -> None:
        self._naive = naive

    def copy(self, value: Any) -> Any:
        kind = value.__class__
        if kind in _UNCHANGEABLE:
            return value
        if kind is dict:
            return self._map(value)
        if kind is list or kind is tuple:
            return [item if item.__class__ in _UNCHANGEABLE else self.copy(item) for item in value]
        return self._other(value)

    def _map(self, entries: dict[Any, Any]) -> dict[Any, Any]:
        made = {}
        for key, value in entries.items():
            name = key if key.__class__ is str else _key(key)
            made[name] = value if value.__class__ in _UNCHANGEABLE else self.copy(value)
        return made

    def _other(self, value: Any) -> Any:
        match value:
            case str():
                return str.__str__(value)  # what an enum of text holds, and not what it shows
            case int():
                return int(value)
            case float():
                return float(value)
            case bytes() | bytearray() | memoryview():
                return bytes(value)
            case datetime():
                aware = value if value.tzinfo is not None else self._naive(value)
                return datetime.combine(aware.date(), aware.timetz())
            case timedelta():
                return timedelta(value.days, value.seconds, value.microseconds)
            case dict():
                return self._map(value)
            case list() | tuple():
                return [self.copy(item) for item in value]
            case _:
                raise _RefusedError(value, f"a value of type {type(value).__name__}", _instead(value))


def _key(key: Any) -> Any:
    match key:
        case bool():
            return key
        case str():
            return str.__str__(key)
        case int():
            return int(key)
        case _:
            raise _RefusedError(key, f"a map key of type {type(key).__name__}", "make it text: `str(key)`")


def _instead(value: Any) -> str | None:
    """What to write instead of a value that is no payload."""
    match value:
        case set() | frozenset():
            return "make it a list: `sorted(…)`"
        case Awaitable():
            return "await it, in `async def main(payload)`"
        case BaseException():
            return "raise it"
        case Decimal() | Fraction():
            return "make it a number or text: `float(…)`, `str(…)`"
        case type():
            return None
        case _ if dataclasses.is_dataclass(value):
            return "make it a dict: `dataclasses.asdict(…)`"
        case Iterator() | range():
            return "make it a list: `list(…)`"
        case _ if callable(value):
            return "call it"
        case Iterable():
            return "make it a list or a dict"
        case _:
            return "make it plain data: `str(…)`, a list, a dict"


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        return iter(value.items())
    return iter(enumerate(value)) if isinstance(value, list | tuple) else iter(())


def _path(root: Any, wanted: Any) -> str:
    """Where an object stands in a value, as Python would ask for it: `['items'][3]`. Empty for the value itself."""
    seen: set[int] = set()
    waiting: list[tuple[Any, str]] = [(root, "")]
    while waiting:
        value, path = waiting.pop()
        if value is wanted:
            return path
        if id(value) in seen:
            continue
        seen.add(id(value))
        for key, item in _parts(value):
            if key is wanted:
                return path
            waiting.append((item, f"{path}[{key!r}]"))
    return ""


def _contains_itself(root: Any) -> bool:
    above: set[int] = set()
    waiting: list[tuple[Any, Iterator[tuple[Any, Any]]]] = [(root, _parts(root))]
    above.add(id(root))
    while waiting:
        value, parts = waiting[-1]
        following = next(parts, None)
        if following is None:
            waiting.pop()
            above.discard(id(value))
        elif id(following[1]) in above:
            return True
        elif isinstance(following[1], dict | list | tuple):
            above.add(id(following[1]))
            waiting.append((following[1], _parts(following[1])))
    return False
