"""What every running daemon worker tells about itself, so that `apply --wait` and `get instances` can ask."""

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

    `started` and `heartbeat` have a time zone. `states` are by spec id.
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

    def __post_init__(self) -> None:
        for moment in (self.started, self.heartbeat):
            if moment.tzinfo is None:
                raise InvalidError(f"instance {self.id!r} has a time without a zone", hint="use datetime.now(UTC)")

    def alive(self, now: datetime) -> bool:
        """Whether its heartbeat is not older than :data:`LIFETIME`."""
        return now - self.heartbeat <= LIFETIME

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "id": self.id,
            "host": self.host,
            "pid": self.pid,
            "namespace": self.namespace,
            "started": self.started.isoformat(),
            "heartbeat": self.heartbeat.isoformat(),
            "revision": self.revision,
            "generation": self.generation,
            "states": {spec: state.to_json() for spec, state in self.states.items()},
        }

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
    try:
        return json.dumps(form, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InvalidError(f"instance {instance.id!r} cannot be stored: {error}") from error


def load_body(text: str, heartbeat: datetime) -> Instance:
    """The instance of :func:`dump_body`."""
    return Instance.from_json({**json.loads(text), "heartbeat": heartbeat.isoformat()})
