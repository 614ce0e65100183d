"""`If-Match` and `If-None-Match` (RFC 9110): a write happens only if the document is as its writer believes.

The entity tag of a document is its revision in quotes. A precondition that does not hold is answered with 412; a stale
`revision` in a body, which says the same in another place, with 409.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Self

from engine.errors import Code, InvalidError, WeirError

_TAG: Final = re.compile(r'(?:W/)?"?([0-9]{1,18})"?')


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold: nothing, a revision, or that the document is there (True) or is not (False)."""

    revision: int | None = None
    exists: bool | None = None

    @classmethod
    def of(cls, if_match: Any, if_none_match: Any = None) -> Self:
        """Read the two headers, each text, a list of one, or None. Raises InvalidError for what means nothing."""
        match, none_match = _one(if_match, "If-Match"), _one(if_none_match, "If-None-Match")
        if none_match is not None:
            if match is not None:
                raise InvalidError("If-Match and If-None-Match exclude each other")
            if none_match != "*":
                raise InvalidError(f"If-None-Match must be *, not {none_match!r}", hint="it makes only what is new")
            return cls(exists=False)
        if match is None:
            return cls()
        if match == "*":
            return cls(exists=True)
        tag = _TAG.fullmatch(match)
        if tag is None:
            raise InvalidError(
                f"If-Match must be a revision in quotes, not {match!r}", hint="send the ETag that a GET has given, or *"
            )
        return cls(revision=int(tag[1]))

    @property
    def given(self) -> bool:
        """Whether there is anything to check."""
        return self.revision is not None or self.exists is not None

    def check(self, label: str, current: int | None) -> None:
        """Raise an error with the code `precondition` unless it holds for `current`, the revision that is there."""
        there = f"{label} is at revision {current}" if current is not None else f"{label} is not there"
        if self.revision is not None and self.revision != current:
            raise _failed(f"If-Match names revision {self.revision}, but {there}")
        if self.exists is True and current is None:
            raise _failed(f"If-Match asks for something that is there, but {there}")
        if self.exists is False and current is not None:
            raise _failed(f"If-None-Match asks for something new, but {there}")


NO_CONDITION: Final = Precondition()
"""Holds always."""


def _failed(message: str) -> WeirError:
    return WeirError(message, code=Code.PRECONDITION, hint="read it again and repeat the change")


def _one(value: Any, name: str) -> str | None:
    """The text of a header that stands once."""
    if isinstance(value, (list, tuple)):
        if len(value) > 1:
            raise InvalidError(f"{name} must name one revision, not {len(value)}")
        value = value[0] if value else None
    if value is None:
        return None
    return str(value).strip()
