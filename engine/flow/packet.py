"""What travels between ports.

A payload is plain Python data: `None, bool, int, float, str, bytes, list, dict, datetime, timedelta`, an
:class:`~engine.errors.ErrorValue` (an *error packet* is a packet with such a payload), or an async iterator of bytes.
Payloads are immutable by convention: a node that changes one makes a new one.

On its way a packet is nothing but its payload, so a hop allocates nothing. A :class:`Packet` is made where one must
wait in a reader, or where somebody looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from engine.errors import ErrorValue, join_errors

Payload = Any


@final
class _Nothing:
    """The type of :data:`NONE`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "none"

    def __bool__(self) -> bool:
        return False

    def __copy__(self) -> _Nothing:
        return self

    def __deepcopy__(self, memo: object) -> _Nothing:
        return self

    def __reduce__(self) -> str:
        return "NONE"


NONE: Final = _Nothing()
"""The answer "accepted, nothing to say". It is not null: null is the payload `None`."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A payload that waits for its turn, and the port at which it waits."""

    payload: Payload
    port: str

    @property
    def is_error(self) -> bool:
        return isinstance(self.payload, ErrorValue)


def join(answers: Sequence[Payload]) -> Payload:
    """The one answer of several targets.

    *none* if all are none; otherwise errors win and become one error; otherwise the one that is not none, or the
    list of those, in order.
    """
    answers = [answer for answer in answers if answer is not NONE]
    if not answers:
        return NONE
    errors = [answer for answer in answers if isinstance(answer, ErrorValue)]
    if errors:
        return join_errors(errors)
    if len(answers) == 1:
        return answers[0]
    return answers
