"""What every running daemon worker tells about itself, so that `apply --wait` and `get instances` can ask.

A worker may run ten thousand specs, and it tells anew with every change. So it names only those that there is something
to say about; of all others it says how many there are, and that they run as the store has them at `revision`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Self, TypeAlias

from engine.errors import InvalidError

State: TypeAlias = Literal["pending", "active", "failed", "draining"]

LIFETIME: Final = timedelta(seconds=30)
"""An instance whose last heartbeat is older is not alive."""

LATE: Final = timedelta(seconds=20)
"""An instance whose last heartbeat is older has missed one: it may have lost the store, or hang, or be gone."""

FORGOTTEN: Final = timedelta(days=1)
"""After so long without a heartbeat its row is deleted."""


@dataclass(frozen=True, slots=True)
class SpecState:
    """What a worker made of one spec: the revision that it saw, the state, why, and what is wrong with it.

    `diagnostics` are in the form of :meth:`engine.errors.Diagnostic.to_json`. `serving` is the revision that runs, where
    it is another one than that of the state: the last good one, when the newest cannot run.
    """

    revision: int
    state: State
    reason: str | None = None
    diagnostics: tuple[Mapping[str, Any], ...] = ()
    serving: int | None = None

    @property
    def runs(self) -> int | None:
        """The revision that runs, None if none does."""
        if self.serving is not None:
            return self.serving
        return self.revision if self.state in ("active", "draining") else None

    def to_json(self) -> dict[str, Any]:
        """The public form. What there is nothing to say about is left out: a row tells of thousands."""
        form: dict[str, Any] = {"revision": self.revision, "state": self.state}
        if self.reason is not None:
            form["reason"] = self.reason
        if self.diagnostics:
            form["diagnostics"] = [dict(diagnostic) for diagnostic in self.diagnostics]
        if self.serving is not None:
            form["serving"] = self.serving
        return form


@dataclass(frozen=True, slots=True)
class Instance:
    """One worker. `revision` is that of the store whose plan it has published, `generation` the plan's own number.

    `started` and `heartbeat` are times of the store's clock, with a zone; so is `read`, at which the store has told of it:
    ages are counted up to there, since the clock of whoever looks may be another.

    `states` are by spec id. `active` counts the specs that are not among them, since they are active at the revision that
    the store has at `revision`; None in the row of a version that names them all.

    `view_age` tells for how many seconds the worker had not reached the store when it wrote this, and `lost` why; 0 and
    None while it reaches it. One that cannot even write its row is :attr:`late`.
    """

    id: str
    host: str
    pid: int
    namespace: str
    started: datetime
    heartbeat: datetime
    revision: int = 0
    generation: int = 0
    states: Mapping[str, SpecState] = field(default_factory=dict)
    active: int | None = None
    view_age: float = 0.0
    lost: str | None = None
    worker: int | None = None
    """Its number, where a daemon has several."""
    read: datetime | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for moment in (self.started, self.heartbeat):
            if moment.tzinfo is None:
                raise InvalidError(f"instance {self.id!r} has a time without a zone", hint="use datetime.now(UTC)")

    def alive(self, now: datetime) -> bool:
        """Whether its heartbeat is not older than :data:`LIFETIME`."""
        return now - self.heartbeat <= LIFETIME

    @property
    def silence(self) -> timedelta:
        """How long it had not been heard of when the row was read."""
        return timedelta(0) if self.read is None else max(timedelta(0), self.read - self.heartbeat)

    @property
    def late(self) -> bool:
        """Whether it has missed a heartbeat, so that nobody knows what it runs by now."""
        return self.silence > LATE

    @property
    def count(self) -> int:
        """How many specs are active, named or not."""
        return (self.active or 0) + sum(state.state == "active" for state in self.states.values())

    def state_of(self, id: str, revision: int) -> SpecState | None:
        """What it made of a spec that has this revision in the store; None if it has not taken that up yet."""
        state = self.states.get(id)
        if state is None and self.active is not None and revision <= self.revision:
            return SpecState(revision, "active")
        return state

    def to_json(self) -> dict[str, Any]:
        """The public form. `late` is there where it is known when the row was read."""
        form: dict[str, Any] = {
            "id": self.id,
            "host": self.host,
            "pid": self.pid,
            "namespace": self.namespace,
            "started": self.started.isoformat(),
            "heartbeat": self.heartbeat.isoformat(),
            "revision": self.revision,
            "generation": self.generation,
            "view_age": self.view_age,
            "lost": self.lost,
            "states": {spec: state.to_json() for spec, state in self.states.items()},
        }
        if self.active is not None:
            form["active"] = self.active
        if self.worker is not None:
            form["worker"] = self.worker
        if self.read is not None:
            form |= {"read": self.read.isoformat(), "late": self.late}
        return form

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> Self:
        """Read :meth:`to_json`'s form. Raises InvalidError for another."""
        try:
            return cls(
                id=form["id"],
                host=form["host"],
                pid=form["pid"],
                namespace=form["namespace"],
                started=datetime.fromisoformat(form["started"]),
                heartbeat=datetime.fromisoformat(form["heartbeat"]),
                revision=form["revision"],
                generation=form["generation"],
                active=form.get("active"),
                view_age=form.get("view_age", 0.0),
                lost=form.get("lost"),
                worker=form.get("worker"),
                read=datetime.fromisoformat(form["read"]) if form.get("read") is not None else None,
                states={
                    spec: SpecState(
                        state["revision"],
                        state["state"],
                        state.get("reason"),
                        tuple(state.get("diagnostics", ())),
                        state.get("serving"),
                    )
                    for spec, state in form["states"].items()
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidError(f"the form of an instance is wrong: {type(error).__name__} {error}") from error


def dump_body(instance: Instance) -> str:
    """The instance as text, without its heartbeat: the part that seldom changes."""
    form = instance.to_json()
    del form["heartbeat"]
    for key in ("read", "late"):
        form.pop(key, None)
    try:
        return json.dumps(form, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InvalidError(f"instance {instance.id!r} cannot be stored: {error}") from error


def load_body(text: str, heartbeat: datetime, *, read: datetime | None = None) -> Instance:
    """The instance of :func:`dump_body`."""
    form = {**json.loads(text), "heartbeat": heartbeat.isoformat()}
    if read is not None:
        form["read"] = read.isoformat()
    return Instance.from_json(form)
