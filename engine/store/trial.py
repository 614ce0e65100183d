"""A change on trial: written like any other, and taken back by itself unless somebody confirms it in time.

Who changes what he reaches the daemon through (the admin API is made of flows) may lock himself out. A change on trial
cannot: the store keeps, in the transaction that writes it, what was there before, and any daemon on the store puts that
back once the deadline is over. `commit confirmed` of network devices is the model.

Here is what everybody may know of a trial; :mod:`engine.store.trying` has the rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Self, TypeAlias

from engine.errors import InvalidError, NotFoundError
from engine.store.write import Outcome

SHORTEST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(hours=24)

NOT_CONFIRMED: Final = "not confirmed"
TAKEN_BACK: Final = "taken back"
"""Why a trial has gone back, as the history tells it: by itself, or because somebody has ended it so."""

Step: TypeAlias = Literal["created", "configured", "deleted"]


@dataclass(frozen=True, slots=True)
class Former:
    """What was there before: the revision, and the name that it had."""

    revision: int
    name: str | None


@dataclass(frozen=True, slots=True)
class Tried:
    """One spec in a trial. `revision` is what the trial wrote; `name` what it is called since (deleted: what it was).

    `before` is None for one that the trial created.
    """

    action: Step
    namespace: str
    id: str
    kind: str
    name: str | None
    revision: int
    before: Former | None

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"{self.kind}/{self.name or self.id}"

    def handles(self) -> set[tuple[str, ...]]:
        """All by which it is known, or was before: its id, and names with their namespace."""
        names = {self.name, self.before.name if self.before is not None else None}
        return {(self.id,), *((self.namespace, name) for name in names if name is not None)}


@dataclass(frozen=True, slots=True)
class Trial:
    """One `apply` that waits to be confirmed. `made` and `deadline` are times of the store's clock, with a zone."""

    id: str
    author: str | None
    message: str | None
    made: datetime
    deadline: datetime
    specs: tuple[Tried, ...]

    @property
    def title(self) -> str:
        """How messages call it."""
        return f"trial {self.id}" + (f" ({self.message})" if self.message else "")

    @property
    def namespaces(self) -> frozenset[str]:
        """Where its specs are."""
        return frozenset(spec.namespace for spec in self.specs)

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "id": self.id,
            "author": self.author,
            "message": self.message,
            "made": self.made.isoformat(),
            "deadline": self.deadline.isoformat(),
            "specs": [_spec_form(spec) for spec in self.specs],
        }

    @classmethod
    def from_json(cls, form: Any) -> Self:
        """Read :meth:`to_json`'s form. Raises InvalidError for another."""
        try:
            return cls(
                id=form["id"],
                author=form["author"],
                message=form["message"],
                made=datetime.fromisoformat(form["made"]),
                deadline=datetime.fromisoformat(form["deadline"]),
                specs=tuple(_read_spec(each) for each in form["specs"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidError(f"the form of a trial is wrong: {type(error).__name__} {error}") from error


class Applied(list[Outcome]):
    """What became of each write of an `apply`, and the trial that it began: None if it was none, or changed no spec."""

    __slots__ = ("trial",)

    def __init__(self, outcomes: Sequence[Outcome] = (), *, trial: Trial | None = None) -> None:
        super().__init__(outcomes)
        self.trial = trial


@dataclass(frozen=True, slots=True)
class Left:
    """A spec that was not taken back, since somebody has changed it after the trial; `reason` continues its label."""

    spec: Tried
    reason: str

    def to_json(self) -> dict[str, Any]:
        """The public form: that of the spec, and the reason."""
        return {**_spec_form(self.spec), "reason": self.reason}

    @classmethod
    def from_json(cls, form: Any) -> Self:
        """Read :meth:`to_json`'s form. Raises InvalidError for another."""
        try:
            return cls(_read_spec(form), form["reason"])
        except (KeyError, TypeError) as error:
            raise InvalidError(f"the form of a spec in a trial is wrong: {type(error).__name__} {error}") from error


@dataclass(frozen=True, slots=True)
class Reverted:
    """A trial that was taken back: what was written for it, and what was left as it is."""

    trial: Trial
    outcomes: Sequence[Outcome]
    left: Sequence[Left]


def check_length(length: timedelta) -> None:
    """Raise InvalidError for a trial that would be too short to confirm, or so long that it would be forgotten."""
    if not SHORTEST <= length <= LONGEST:
        raise InvalidError(
            f"a trial takes from 1s to 24h, not {length.total_seconds():g}s", hint="write 60s, 10m or 1h30m"
        )


def no_trial(id: str) -> NotFoundError:
    """The error for a trial that is not there, or not there any more."""
    return NotFoundError(
        f"there is no trial {id}", hint="it was confirmed or taken back already; `weir get trials -A` lists what runs"
    )


def _spec_form(spec: Tried) -> dict[str, Any]:
    before = spec.before
    return {
        "action": spec.action,
        "namespace": spec.namespace,
        "id": spec.id,
        "kind": spec.kind,
        "name": spec.name,
        "revision": spec.revision,
        "before": {"revision": before.revision, "name": before.name} if before is not None else None,
    }


def _read_spec(form: Mapping[str, Any]) -> Tried:
    before = form["before"]
    return Tried(
        form["action"],
        form["namespace"],
        form["id"],
        form["kind"],
        form["name"],
        form["revision"],
        Former(before["revision"], before["name"]) if before is not None else None,
    )
