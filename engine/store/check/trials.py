"""The rules of changes on trial: what a daemon needs to take them back is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from engine.errors import InvalidError
from engine.store.check.finding import RESTORE, Finding, called
from engine.store.check.history import History
from engine.store.check.protocol import Glance, Row
from engine.store.check.reading import read
from engine.store.clock import microseconds, moment
from engine.store.trial import Trial
from engine.store.vault import Vault

OVERDUE: Final = timedelta(minutes=1)
"""A trial that is over for so long should have been taken back by a daemon."""

_END: Final = "end it: `weir confirm {id}`, or `weir confirm {id} --revert`"


@dataclass(slots=True)
class Trials:
    """Takes the rows of `trials`, and then those of `trial_documents`. `history` is None if it could not be read whole."""

    glance: Glance
    vault: Vault
    history: History | None
    _trials: dict[str, Trial] = field(default_factory=dict)
    _missing: dict[tuple[str, str], int] = field(
        default_factory=dict
    )  # revisions of what was there before, by trial and id
    _broken: set[str] = field(default_factory=set)

    @property
    def count(self) -> int:
        return len(self._trials) + len(self._broken)

    def look(self, row: Row) -> Iterator[Finding]:
        """What is wrong with a trial."""
        id, hint = row["id"], _END.format(id=row["id"])
        try:
            trial = Trial.from_json(json.loads(row["body"]))
        except (ValueError, TypeError, RecursionError, InvalidError) as error:
            self._broken.add(id)
            yield Finding("unreadable-trial", f"trial {id}", f"it cannot be read: {error}", RESTORE)
            return
        self._trials[id] = trial
        if trial.id != id or microseconds(trial.deadline) != row["deadline"]:
            told = f"it says of itself that it is {trial.id} and ends at {trial.deadline.isoformat()}"
            yield Finding("wrong-trial", trial.title, told, hint)
        over = moment(self.glance.now) - trial.deadline
        if over > OVERDUE:
            told = f"it is over since {trial.deadline.isoformat(timespec='seconds')}, and nobody has taken it back"
            yield Finding("overdue-trial", trial.title, told, f"start a daemon, or {hint}", "warning")
        for spec in trial.specs:
            if spec.before is not None:
                self._missing[id, spec.id] = spec.before.revision
            if spec.revision > self.glance.revision:
                told = f"it has written revision {spec.revision} of {spec.label}, and the store has come to {self.glance.revision}"
                yield Finding("wrong-trial", trial.title, told, hint)
            if self.history is not None and spec.id not in self.history.newest:
                told = f"it is about {spec.label}, of which the store knows nothing"
                yield Finding("wrong-trial", trial.title, told, hint)

    def look_before(self, row: Row) -> Iterator[Finding]:
        """What is wrong with a document that was there before a trial."""
        trial = row["trial"]
        if trial in self._broken:
            return
        revision = self._missing.pop((trial, row["id"]), None)
        if revision is None:
            told = f"it is kept for the trial {trial}, which is not there or not about it"
            yield Finding("orphaned-row", called(row), told, "nothing; it is in nobody's way", "warning")
            return
        if revision != row["revision"]:
            told = (
                f"before trial {trial} it had revision {revision}, and revision {row['revision']} is kept to go back to"
            )
            yield Finding("wrong-trial", called(row), told, f"confirm it: `weir confirm {trial}`")
        yield from read(row, self.vault).findings

    def end(self) -> Iterator[Finding]:
        """What trials cannot go back to."""
        for (id, spec), revision in self._missing.items():
            told = f"revision {revision} of the spec {spec}, to which it should go back, is not kept"
            yield Finding(
                "wrong-trial", self._trials[id].title, told, f"confirm it, and roll that back: `weir confirm {id}`"
            )
