"""What a supervisor and a worker say to each other.

Each message is a frozen dataclass whose fields are plain JSON data. Some are told, some are asked (:mod:`.channel`); what an
answer looks like stands with its question. A supervisor lives on while its workers are replaced by those of a newer
version, so what is said here is a contract between versions: :data:`PROTOCOL` counts them, and a worker that speaks
another one says so at its start, while the old one serves on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeAlias

from engine.errors import Code, ErrorValue, UnavailableError, WeirError

PROTOCOL: Final = 1
"""Grows with every change of this module that an older process would not understand."""


# --- the supervisor to a worker


@dataclass(frozen=True, slots=True)
class Begin:
    """Told first: who the worker is, and where it finds its config."""

    protocol: int
    slot: int
    workers: int
    config_file: str | None
    overrides: dict[str, Any]
    development: bool
    stale: list[str] = field(default_factory=list)
    """Rows of instances that its predecessor has left, since it could not take them away."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Told now and then; a worker whose loop turns tells :class:`Pong`."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Told: end in good order. With `linger`, first leave new connections to the siblings, and give those of clients who
    have just connected, or may ask again, time to end by themselves.
    """

    linger: bool = False


@dataclass(frozen=True, slots=True)
class EndNow:
    """Told: end at once."""


@dataclass(frozen=True, slots=True)
class Reload:
    """Told: read the config again."""


@dataclass(frozen=True, slots=True)
class Report:
    """Asked: `processes` (a list of their statistics), or `cancel` with the id of a process (its statistics, or null)."""

    what: str
    argument: str | None = None


# --- a worker to the supervisor


@dataclass(frozen=True, slots=True)
class Pong:
    """Told: the loop turns."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Told: every runtime has published its first generation. `instances` are the ids of its rows in the store."""

    instances: list[str]


@dataclass(frozen=True, slots=True)
class Failed:
    """Told: it cannot start."""

    error: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listen:
    """Asked: the listening sockets of an address, as descriptors. The answer is null, or why not: :func:`refusal`."""

    owner: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Release:
    """Told: the address of a :class:`Listen` is not needed any more."""

    owner: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Siblings:
    """Asked: how all workers are, as a list of `{"number", "pid", "state"}`."""


@dataclass(frozen=True, slots=True)
class Gather:
    """Asked: the answer of every other worker to a :class:`Report`: a list of `{"worker", "pid", "answer"}`, where
    `answer` is missing if none came in time.
    """

    what: str
    argument: str | None = None


Message: TypeAlias = (
    Begin | Ping | Drain | EndNow | Reload | Report | Pong | Ready | Failed | Listen | Release | Siblings | Gather
)

_KINDS: Final[Mapping[str, type[Message]]] = {
    kind.__name__.lower(): kind
    for kind in (
        Begin, Ping, Drain, EndNow, Reload, Report, Pong, Ready, Failed, Listen, Release, Siblings, Gather,
    )
}  # fmt: skip


def to_json(message: Message) -> dict[str, Any]:
    """The message as JSON data: its fields, and `kind`."""
    return {"kind": type(message).__name__.lower(), **asdict(message)}


def from_json(form: Any) -> Message:
    """The message of :func:`to_json`. Raises UnavailableError for what no message of this version looks like."""
    try:
        fields = dict(form)
        return _KINDS[fields.pop("kind")](**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise UnavailableError(
            f"a message is not understood: {type(error).__name__} {error}",
            hint="supervisor and worker are of different versions: start the daemon anew",
        ) from error


def error_to_json(error: BaseException) -> dict[str, Any]:
    """An error as JSON data: its text, code and hint."""
    value = ErrorValue.of(error)
    return {"message": value.text, "code": value.code.label, "hint": value.hint}


def error_from_json(form: Mapping[str, Any]) -> WeirError:
    """The error of :func:`error_to_json`, to raise. Its text is the same; its causes are part of that."""
    value = ErrorValue(str(form["message"]), Code.of(str(form["code"])), hint=form.get("hint"))
    return WeirError.from_value(value)


def refusal(error: OSError) -> dict[str, Any]:
    """Why an address could not be bound, as JSON data."""
    return {"resolving": type(error).__name__ == "gaierror", "errno": error.errno, "text": error.strerror or str(error)}
