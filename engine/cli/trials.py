"""Changes on trial, as people are told of them: when they go back, and what to do so that they stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from engine.cli import table
from engine.store.trial import Trial
from engine.store.write import Outcome


def begun(trial: Trial | None) -> str:
    """What `apply --confirm` has begun."""
    if trial is None:
        return "nothing was changed, so nothing is on trial"
    return f"trial {trial.id}: goes back at {moment(trial)} unless confirmed: weir confirm {trial.id}"


def at_stake(trial: Trial) -> str:
    """What `apply --wait=all-or-revert` has begun."""
    return f"trial {trial.id}: goes back when a daemon refuses it, and at {moment(trial)} if nobody can tell by then"


def still_tried(outcomes: Sequence[Outcome], trials: Sequence[Trial]) -> list[tuple[str, str]]:
    """A message and a hint for each trial that has written what an apply has found unchanged: it goes back all the same."""
    same = {(each.id, each.revision) for each in outcomes if each.action == "unchanged"}
    told: list[tuple[str, str]] = []
    for trial in trials:
        specs = [spec.label for spec in trial.specs if (spec.id, spec.revision) in same]
        if specs:
            message = f"{', '.join(specs)}: on trial, and goes back at {moment(trial)} unless confirmed"
            told.append((message, f"weir confirm {trial.id}"))
    return told


def render(trials: Sequence[Trial], *, wide: bool = False) -> list[str]:
    """The lines of a table."""
    header = ["ID", "AGE", "GOES BACK", "AUTHOR", "SPECS", "MESSAGE"]
    now = datetime.now(UTC)
    rows = [
        [
            trial.id,
            table.age(now - trial.made),
            trial.deadline.isoformat(timespec="seconds") if wide else moment(trial),
            trial.author or "-",
            ", ".join(f"{spec.label} {spec.action}" if wide else spec.label for spec in trial.specs),
            trial.message or "",
        ]
        for trial in trials
    ]
    return table.render(header, rows)


def moment(trial: Trial) -> str:
    """Its deadline as the clock on the wall shows it, with the date if it is another day."""
    deadline = trial.deadline.astimezone()
    today = datetime.now(UTC).astimezone().date()
    return deadline.strftime("%H:%M:%S" if deadline.date() == today else "%Y-%m-%d %H:%M:%S")
