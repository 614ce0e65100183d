"""Every error that Weir speaks of: one table of codes, one exception root, one error value.

Three shapes, for three places:

* :class:`WeirError` is *raised*: by the loader, a store, a compiler, a node.
* :class:`ErrorValue` *travels*: it is the payload of an error packet, plain and immutable, without a traceback.
* :class:`Diagnostic` is *shown*: one finding about a spec, with the place where it was written.

Nothing else in the engine maps an error to an HTTP status or an exit code: :class:`Code` does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal, Self


class Code(Enum):
    """The stable name of a kind of error, with its HTTP status and its exit code.

    The names are a promise: they stand in logs, in problem JSON and in `weir run --stdin`.
    """

    INVALID = ("invalid", 400, 1, "invalid argument")
    EXPRESSION = ("expression", 500, 1, "expression failed")
    UNAUTHENTICATED = ("unauthenticated", 401, 1, "unauthenticated")
    FORBIDDEN = ("forbidden", 403, 1, "forbidden")
    NOT_FOUND = ("not_found", 404, 1, "not found")
    CONFLICT = ("conflict", 409, 1, "conflict")
    PRECONDITION = ("precondition", 412, 1, "precondition failed")
    TOO_LARGE = ("too_large", 413, 1, "too large")
    UNSUPPORTED_MEDIA = ("unsupported_media", 415, 1, "unsupported media type")
    LIMIT = ("limit", 429, 1, "limit reached")
    UNAVAILABLE = ("unavailable", 503, 1, "unavailable")
    DEADLINE = ("deadline", 504, 1, "deadline exceeded")
    CANCELLED = ("cancelled", 499, 1, "cancelled")
    DROPPED = ("dropped", 500, 1, "dropped packet")
    INTERNAL = ("internal", 500, 70, "internal error")

    def __init__(self, label: str, http: int, exit_code: int, title: str) -> None:
        self.label = label
        self.http = http
        self.exit_code = exit_code
        self.title = title

    def __str__(self) -> str:
        return self.label

    @classmethod
    def of(cls, label: str) -> Code:
        """The code with this label; a label that nobody knows is `internal`."""
        return _BY_LABEL.get(label, cls.INTERNAL)


_BY_LABEL = {code.label: code for code in Code}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written. `line` and `column` count from 1; 0 is "not known"."""

    file: str | None = None
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [self.file or "<input>"]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)


@dataclass(frozen=True, slots=True, eq=False)
class ErrorValue:
    """An error as data: the payload of an error packet.

    `message` is the error's own words; `causes` are the errors that it wraps or joins, outermost first.
    It is compared by identity. Languages read it through `error()` (the whole text) and by comparison with text
    (:meth:`says`).
    """

    message: str
    code: Code = Code.INTERNAL
    causes: tuple[ErrorValue, ...] = ()
    place: Place | None = None
    hint: str | None = None
    details: Any = None
    node: str | None = None
    """The node that raised it, as `kind/name`."""

    @property
    def text(self) -> str:
        """The message and those of the causes, joined by `: `.

        The causes of a joined error (:func:`join_errors`) stand side by side, one a line.
        """
        if isinstance(self.details, Joined):
            return "\n".join(cause.text for cause in self.causes)
        return ": ".join([self.message, *(cause.text for cause in self.causes)])

    def error(self) -> str:
        """The whole text, under the name that expressions and snippets call it by."""
        return self.text

    def says(self, text: str) -> bool:
        """Whether `text` is the whole text, or the own message of this error or of any cause; never a part of one."""
        if text in (self.message, self.text):
            return True
        return any(cause.says(text) for cause in self.causes)

    def at(self, place: Place) -> ErrorValue:
        """The same error with a place, unless it has one already."""
        return self if self.place is not None else replace(self, place=place)

    def to_json(self) -> dict[str, Any]:
        """The public form: `message` (whole text) and `code`, then whatever else is known."""
        form: dict[str, Any] = {"message": self.text, "code": self.code.label}
        if self.hint:
            form["hint"] = self.hint
        if self.place is not None:
            form["place"] = str(self.place)
        return form

    @classmethod
    def of(cls, error: BaseException) -> ErrorValue:
        """The error value of an exception. One without text is called by its type's name."""
        if isinstance(error, WeirError):
            return error.value
        return cls(str(error) or type(error).__name__)

    def __str__(self) -> str:
        return self.text


class Joined:
    """Marks (in `details`) an error value that only holds several others side by side."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<joined>"


JOINED = Joined()


def join_errors(errors: list[ErrorValue]) -> ErrorValue:
    """One error that tells all of them; a single one stays as it is. The first one's code is the code of the whole."""
    if len(errors) == 1:
        return errors[0]
    return ErrorValue("several errors", errors[0].code, tuple(errors), details=JOINED)


class WeirError(Exception):
    """The root of what Weir raises: a code, a message, and whatever helps to mend it.

    `message` is one sentence without a full stop. `hint` says what to do. `causes` are error values or exceptions.
    """

    code: Code = Code.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        code: Code | None = None,
        causes: tuple[ErrorValue | BaseException, ...] = (),
        place: Place | None = None,
        hint: str | None = None,
        details: Any = None,
    ) -> None:
        wrapped = tuple(c if isinstance(c, ErrorValue) else ErrorValue.of(c) for c in causes)
        self.value = ErrorValue(message, code or self.code, wrapped, place, hint, details)
        self.code = self.value.code
        super().__init__(message)

    @classmethod
    def from_value(cls, value: ErrorValue) -> Self:
        """An exception that carries `value` unchanged."""
        error = cls.__new__(cls)
        Exception.__init__(error, value.message)
        error.value = value
        error.code = value.code
        return error

    @property
    def place(self) -> Place | None:
        return self.value.place

    @property
    def hint(self) -> str | None:
        return self.value.hint

    def __str__(self) -> str:
        return self.value.text


class InvalidError(WeirError):
    """Something that somebody wrote or sent is wrong: a body, a spec, an argument.

    Its text begins with `invalid argument`, and its own message *is* `invalid argument`, so that a flow may ask
    `self == "invalid argument"` (seed 003); what exactly is wrong is the cause.
    """

    code = Code.INVALID

    def __init__(
        self, reason: str, *, place: Place | None = None, hint: str | None = None, details: Any = None
    ) -> None:
        cause = ErrorValue(reason, Code.INVALID)
        super().__init__(Code.INVALID.title, causes=(cause,), place=place, hint=hint, details=details)

    @property
    def reason(self) -> str:
        """What exactly is wrong, without the words `invalid argument` before it."""
        return ": ".join(cause.text for cause in self.value.causes) or self.value.message


class ExpressionError(WeirError):
    """A snippet or condition that does not compile, or that failed while it ran.

    `place` counts lines and columns from 1 within the source; who knows where the source stands in a file shifts it.
    """

    code = Code.EXPRESSION


class NotFoundError(WeirError):
    """No such thing."""

    code = Code.NOT_FOUND


class ConflictError(WeirError):
    """Somebody else wrote meanwhile; the message names both revisions."""

    code = Code.CONFLICT


class UnavailableError(WeirError):
    """The store cannot be reached, is full, read-only or broken, or the daemon is draining."""

    code = Code.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about something written: `file:line:col code message`, and a hint.

    `rule` is a stable short name of the check (`unknown-field`, `duplicate-key`, `unresolved-link`, …).
    `path` leads to the value inside its document: keys and list indices.
    """

    rule: str
    message: str
    place: Place = Place()
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"
    code: Code = Code.INVALID
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        return f"{self.place} {self.rule} {self.message}"

    def to_json(self) -> dict[str, Any]:
        """The form of problem JSON's `errors` list and of `-o json`; what is not known of the place is null."""
        return {
            "code": self.rule,
            "severity": self.severity,
            "path": list(self.path),
            "file": self.place.file,
            "line": self.place.line or None,
            "column": self.place.column or None,
            "message": self.message,
            "hint": self.hint,
        }


class DiagnosticsError(InvalidError):
    """All that is wrong with a text or a set of specs, at once. `diagnostics` is never empty."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        first = diagnostics[0]
        more = f" (and {len(diagnostics) - 1} more)" if len(diagnostics) > 1 else ""
        self.diagnostics = tuple(diagnostics)
        super().__init__(f"{first.message}{more}", place=first.place, hint=first.hint, details=self.diagnostics)
