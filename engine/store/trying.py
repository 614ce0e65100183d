"""How a trial begins and how it is taken back, decided before anything is written: the rules of all stores.

A trial begins within the transaction of its `apply`: :func:`begin` looks at the plan and notes what it changes. The store
keeps the old *records*, as text, beside the trial: the history may have been pruned by the time they are needed, and what
this version of Weir cannot read must come back all the same.

A :class:`Reversal` is a plan of its own, made in the transaction that ends the trial. So two daemons that take back the same
trial do it once, and a confirmation comes before it or after it, never in between. What somebody has changed since is
his: it is left as it is, and told of.

Two trials never share a spec or a name: taken back in the wrong order, one would undo the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from engine.errors import ConflictError, DiagnosticsError, InvalidError
from engine.spec.model import Spec
from engine.store.change import LogEntry
from engine.store.clock import microseconds, moment
from engine.store.plan import Draft, IdKey, NameKey, Plan
from engine.store.record import Record, unseal
from engine.store.trial import Former, Left, Step, Trial, Tried, check_length
from engine.store.write import Outcome, Put, resource_of, subject_of
from engine.uuid7 import uuid7


@dataclass(frozen=True, slots=True)
class Onset:
    """A trial that begins, and the records that it takes the place of."""

    trial: Trial
    before: tuple[Record, ...]


def begin(
    draft: Draft,
    plan: Plan,
    records: Iterable[Record],
    *,
    length: timedelta,
    running: Iterable[Trial],
    time: int,
    author: str | None = None,
    message: str | None = None,
    new_id: Callable[[], str] = uuid7,
) -> Onset | None:
    """The trial of a plan that was decided for this draft and these records; None if it changes no spec.

    `running` are the trials that there are, `time` is in microseconds since 1970. Raises InvalidError for a `length` out
    of bounds and for values, which keep no history; ConflictError for a spec or a name that is in trial already.
    """
    check_length(length)
    _refuse_values(draft)
    old = {(record.resource, record.id): record for record in records}
    revisions = {(entry.resource, entry.id): entry.revision for entry in plan.log}
    tried: list[Tried] = []
    before: list[Record] = []
    for key, written in plan.final.items():
        was = old.get(key)
        if key not in revisions or (written is None and was is None):
            continue  # only its place is new, or it has come and gone within the plan
        tried.append(_tried(written, was, revisions[key]))
        if was is not None:
            before.append(was)
    if not tried:
        return None
    _refuse_doubles(tried, plan, running)
    made = moment(time)
    trial = Trial(new_id(), author, message, made, moment(time + microseconds(length)), tuple(tried))
    return Onset(trial, tuple(before))


@dataclass(frozen=True, slots=True)
class Reversal:
    """The way back from a trial. `before` are the records that it took the place of."""

    trial: Trial
    before: Sequence[Record]

    def wants(self) -> tuple[list[IdKey], list[NameKey]]:
        """The ids and the names whose records :meth:`decide` must see."""
        names: dict[NameKey, None] = {
            ("spec", record.namespace, record.name): None for record in self.before if record.name is not None
        }
        return [("spec", tried.id) for tried in self.trial.specs], list(names)

    def decide(
        self, records: Iterable[Record], *, revision: int, time: int, reason: str, author: str | None = None
    ) -> tuple[Plan, list[Left]]:
        """What to write, and what is left as it is. `revision` is the last one given, `time` in microseconds since 1970.

        `reason` begins the message in the history, such as "not confirmed".
        """
        here = {record.id: record for record in records}
        former = {record.id: record for record in self.before}
        going, left = self._choose(here, former)
        batch = revision + 1
        plan = Plan(revision)
        message = f"{reason}: back to before {self.trial.title}"
        for tried in going:
            plan.revision += 1
            was = former.get(tried.id)
            now = replace(was, revision=plan.revision) if was is not None else None
            entry = (
                LogEntry.put(now, batch=batch, time=time, author=author, message=message)
                if now is not None
                else LogEntry.deletion(
                    here[tried.id], plan.revision, batch=batch, time=time, author=author, message=message
                )
            )
            plan.final["spec", tried.id] = now
            plan.log.append(entry)
            plan.outcomes.append(_outcome(here.get(tried.id), now, plan.revision))
        return plan, left

    def _choose(self, here: Mapping[str, Record], former: Mapping[str, Record]) -> tuple[list[Tried], list[Left]]:
        """The specs that can go back, and the others.

        One that is left keeps its name, which may be that of another before the trial; so this goes on until all fit.
        """
        left = {
            spec.id: Left(spec, reason) for spec in self.trial.specs if (reason := _changed(spec, here.get(spec.id)))
        }
        while True:
            going = [spec for spec in self.trial.specs if spec.id not in left]
            moving = {spec.id for spec in going}
            holders = {
                (record.namespace, record.name): record.id
                for record in here.values()
                if record.id not in moving and record.name is not None
            }
            blocked = {
                spec.id: Left(spec, f"its name {was.name!r} is held by {holder} by now")
                for spec in going
                if (was := former.get(spec.id)) is not None
                and was.name is not None
                and (holder := holders.get((was.namespace, was.name))) is not None
            }
            if not blocked:
                return going, list(left.values())
            left |= blocked


def _changed(spec: Tried, here: Record | None) -> str | None:
    """What somebody has done to it since the trial; None if it is as the trial has left it."""
    if spec.action == "deleted":
        return f"it is there again, at revision {here.revision}" if here is not None else None
    if here is None:
        return "it was deleted meanwhile"
    if here.revision != spec.revision:
        return f"it was changed meanwhile, and has revision {here.revision} by now"
    return None


def _tried(written: Record | None, was: Record | None, revision: int) -> Tried:
    """What a plan makes of one document."""
    known = written or was
    assert known is not None, "it is there or was there"
    action: Step = "deleted" if written is None else "created" if was is None else "configured"
    kind = str(json.loads(known.document).get("kind", "spec"))
    before = Former(was.revision, was.name) if was is not None else None
    return Tried(action, known.namespace, known.id, kind, known.name, revision, before)


def _refuse_values(draft: Draft) -> None:
    for write in draft.writes:
        if resource_of(write) == "value":
            place = subject_of(write).place if isinstance(write, Put) else None
            raise InvalidError(
                "values cannot be on trial: they keep no history",
                place=place,
                hint="write the values first, then the specs on trial",
            )


def _refuse_doubles(tried: Sequence[Tried], plan: Plan, running: Iterable[Trial]) -> None:
    taken = {handle: trial for trial in running for spec in trial.specs for handle in spec.handles()}
    for spec in tried:
        trial = next((taken[handle] for handle in sorted(spec.handles()) if handle in taken), None)
        if trial is None:
            continue
        written = next((each.spec for each in plan.outcomes if each.id == spec.id and each.spec is not None), None)
        raise ConflictError(
            f"{spec.label} is in {trial.title} already, until {trial.deadline.isoformat(timespec='seconds')}",
            place=written.place if written is not None else None,
            hint=f"end that first: `weir confirm {trial.id}`, or `weir confirm {trial.id} --revert`",
            details={"trial": trial.id},
        )


def _outcome(here: Record | None, now: Record | None, revision: int) -> Outcome:
    """What became of one spec that goes back: from `here` to `now`."""
    record = now or here
    assert record is not None, "it is there or was there"
    try:
        subject = unseal(record)
    except DiagnosticsError:
        subject = None  # of another version of Weir; its text goes back all the same
    return Outcome(
        "deleted" if now is None else "created" if here is None else "configured",
        "spec",
        record.namespace,
        record.id,
        record.name,
        revision,
        subject if isinstance(subject, Spec) else None,
    )
