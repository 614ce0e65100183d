r"""How payloads cross: as lines of JSON, with tags for what JSON cannot say.

Almost every payload is plain JSON, and that is what has to be fast: the C encoder of `json` does it in one go, and
nothing else looks at the values. A payload with anything more (bytes, dates, error values, NaN, integers beyond 2**53)
takes the second way, a walk that puts tags in. `prelude.js` holds the other end and the list of tags.

| Python | JavaScript |
| --- | --- |
| `None` | `null`; `undefined` comes back as `None` in lists and alone, and is left out of maps, as in JSON |
| `int` | number, beyond ±(2**53 - 1) BigInt; both come back as `int` |
| `float` | number; one without a fraction comes back as `int` |
| `bytes` | `Uint8Array`; so come `ArrayBuffer` and `DataView` |
| `datetime` | `Date`, to the millisecond, in UTC (a naive one counts as UTC); comes back aware |
| `timedelta` | number of milliseconds |
| `dict` | object, its keys as text; `Map` comes back as one |
| `list`, `tuple` | array; `Set` and typed arrays come back as lists |
| `ErrorValue` | object with `error()`, `message`, `code`, `causes`; comes back as the very same one |
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from engine.errors import Code, ErrorValue, ExpressionError
from engine.language.javascript.reads import Reads, project

_TAG = "\0"
_SAFE = 2**53 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

# Sixteen digits in a row are what a number beyond 2**53 cannot do without. Looking for them in text is far cheaper than
# looking at every value; text that has them for another reason (a long fraction, a card number) costs a walk.
_DIGITS = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else ord(" ") for byte in range(256))
_SIXTEEN = b"0" * 16

_TOO_DEEP = "is nested too deeply"


@dataclass(frozen=True, slots=True)
class Argument:
    """A payload, ready to cross. `errors` are the error values in it, by the index that stands for them."""

    line: str
    errors: tuple[ErrorValue, ...] = ()


class _NotPlainError(Exception):
    """JSON alone cannot hold this."""


def _not_plain(_value: object) -> NoReturn:
    raise _NotPlainError


# Without a look-out for values that contain themselves, which costs a third: those end as too deep, and the walk tells.
_plain = json.JSONEncoder(allow_nan=False, check_circular=False, separators=(",", ":"), default=_not_plain).encode
_plain_at = json.JSONDecoder().raw_decode


def encode(payload: Any, reads: Reads | None = None) -> Argument:
    """The line that carries `payload`, or of its maps only the fields that are read.

    Raises :class:`ExpressionError` for what is no payload: an object of another type, a map key that is not text or a
    number, a value that contains itself or is nested deeper than the interpreter's stack.
    """
    if reads is not None:
        payload = project(payload, reads)
    try:
        text = _plain(payload)
        if not _may_hold_large_number(text) or not _has_unsafe_integer(payload):
            return Argument("P" + text)
    except (_NotPlainError, ValueError, TypeError, RecursionError):
        pass  # not plain, NaN, a cycle, too deep, or a key that is no text: the walk finds out which
    errors: list[ErrorValue] = []
    try:
        text = json.dumps(_Walk(errors).tree(payload), allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise ExpressionError(f"the argument {_TOO_DEEP}") from None
    return Argument("T" + text, tuple(errors))


def _may_hold_large_number(text: str) -> bool:
    return len(text) >= len(_SIXTEEN) and _SIXTEEN in text.encode("utf-8", "surrogatepass").translate(_DIGITS)


def _has_unsafe_integer(value: Any) -> bool:
    if isinstance(value, int):
        return not -_SAFE <= value <= _SAFE
    if isinstance(value, dict):
        return any(map(_has_unsafe_integer, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_has_unsafe_integer, value))
    return False


class _Walk:
    def __init__(self, errors: list[ErrorValue]) -> None:
        self._errors = errors
        self._above: set[int] = set()

    def tree(self, value: Any) -> Any:
        match value:
            case None | bool() | str():
                return value
            case int():
                return value if -_SAFE <= value <= _SAFE else {_TAG: ["i", int.__repr__(value)]}
            case float():
                return value if value - value == 0 else {_TAG: ["n", _name_of(value)]}
            case bytes() | bytearray() | memoryview():
                return {_TAG: ["b", b64encode(value).decode("ascii")]}
            case datetime():
                aware = value if value.tzinfo else value.replace(tzinfo=UTC)
                return {_TAG: ["d", (aware - _EPOCH) // _MILLISECOND]}
            case timedelta():
                return self.tree(_whole(value / _MILLISECOND))
            case ErrorValue():
                return {_TAG: ["e", self._error(value)]}
            case dict() | list() | tuple():
                return self._container(value)
            case _:
                raise ExpressionError(f"a value of type {type(value).__name__} cannot be an argument")

    def _container(self, value: Any) -> Any:
        if id(value) in self._above:
            raise ExpressionError("the argument contains itself")
        self._above.add(id(value))
        try:
            if not isinstance(value, dict):
                return [self.tree(item) for item in value]
            fields = {_key(key): self.tree(item) for key, item in value.items()}
            return {_TAG: ["m", fields]} if _TAG in fields else fields
        finally:
            self._above.discard(id(value))

    def _error(self, error: ErrorValue) -> dict[str, Any]:
        index = len(self._errors)
        self._errors.append(error)
        return {
            "index": index,
            "text": error.text,
            "message": error.message,
            "code": error.code.label,
            "causes": [self._error(cause) for cause in error.causes],
        }


def _name_of(value: float) -> str:
    if value != value:  # noqa: PLR0124  (what makes NaN)
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _whole(value: float) -> int | float:
    return int(value) if value.is_integer() else value


def _key(key: Any) -> str:
    match key:
        case str():
            return key
        case None | bool():
            return json.dumps(key)
        case int() | float():
            return str(key)
        case _:
            raise ExpressionError(f"a map key of type {type(key).__name__} cannot be an argument")


def decode(line: str, errors: tuple[ErrorValue, ...] = ()) -> Any:
    """The payload that a result line carries; `errors` are those of the call's :class:`Argument`.

    Raises :class:`ExpressionError` if it is nested deeper than the interpreter's stack, or holds a date before the year
    1 or after 9999.
    """
    try:
        if line[0] == "P" and not _may_hold_large_number(line):
            return _plain_at(line, 1)[0]
        value = json.loads(line[1:], parse_int=_number)
        return value if line[0] == "P" else _untag(value, errors)
    except RecursionError:
        raise ExpressionError(f"the result {_TOO_DEEP}") from None
    except (ValueError, TypeError, LookupError):  # only a snippet that meddles with the language itself gets this far
        raise ExpressionError("the result cannot be read") from None


def decode_error(tag: list[Any], errors: tuple[ErrorValue, ...]) -> ErrorValue:
    """The error value of an `e` tag: the one that went in, or a new one with the same words."""
    _, index, *content = tag
    if index is not None:
        original: ErrorValue = errors[index]
        return original
    message, code, causes = content
    return ErrorValue(message, Code.of(code), tuple(decode_error(cause, errors) for cause in causes))


def _untag(value: Any, errors: tuple[ErrorValue, ...]) -> Any:
    if isinstance(value, list):
        return [_untag(item, errors) for item in value]
    if not isinstance(value, dict):
        return value
    if _TAG not in value:
        return {key: _untag(item, errors) for key, item in value.items()}
    match value[_TAG]:
        case ["i", str(digits)]:
            return _integer(digits)
        case ["n", str(name)]:
            return float(name)
        case ["b", str(content)]:
            return b64decode(content, validate=True)
        case ["d", int() | float() as milliseconds]:
            return _date(milliseconds)
        case ["m", dict(fields)]:
            return {key: _untag(item, errors) for key, item in fields.items()}
        case tag:
            return decode_error(tag, errors)


def _number(digits: str) -> int:
    """A JavaScript number without a fraction. Beyond 2**53 its text is rounded: what it stands for is the double."""
    return int(digits) if len(digits) < 16 else int(float(digits))


def _integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # CPython reads 4,300 digits at most, on purpose
        raise ExpressionError(f"the result holds an integer of {len(digits)} digits") from None


def _date(milliseconds: float) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise ExpressionError("the result holds a date that is not between the years 1 and 9999") from None
