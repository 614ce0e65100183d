"""`apply --wait=all-or-revert`: every live daemon runs the whole set, or nobody does.

The set is written on trial (:mod:`engine.store.trial`). If all daemons run it, the trial is confirmed; if one refuses it, or
the time is up, it is taken back, in one transaction. A command that is killed meanwhile has not confirmed, so a daemon takes
the set back by itself when the trial is over.

Whoever changes one of the specs meanwhile takes it out of the trial: what he wrote stays, and is told of. A second
`all-or-revert` about one of them is refused as long as the first one runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from engine.cli.target import Target
from engine.cli.trials import moment
from engine.cli.waiting import wait
from engine.errors import ConflictError, NotFoundError, WeirError
from engine.store.trial import Applied, Left, Reverted, Trial

BACK: Final = 10.0
"""Seconds for which daemons are waited for that go back."""


async def wait_or_revert(target: Target, applied: Applied, *, timeout: float, note: Callable[[str], None]) -> list[str]:
    """Wait as :func:`~engine.cli.waiting.wait` does, and keep what was applied, or take it back.

    Gives the sentences of the wait. Raises WeirError, with the findings, when it was taken back; the text says which revisions
    are there again. ConflictError if somebody else has ended the trial. Cancelled, it takes it back first, and says so by `note`.
    """
    trial = applied.trial
    if trial is None:
        return await wait(target, applied, timeout=timeout, bear_with_lost=True)
    try:
        said = await wait(target, applied, timeout=timeout, bear_with_lost=True)
    except asyncio.CancelledError:
        note(await _take_back(target, trial, follow=False))
        raise
    except WeirError as error:
        told = await _take_back(target, trial, follow=True)
        raise WeirError(
            f"{error.value.message}\n{told}",
            code=error.code,
            hint="mend it and apply it again; `weir history NAME` has what was refused",
            details=error.value.details,
        ) from error
    await _confirm(target, trial)
    return said


async def _confirm(target: Target, trial: Trial) -> None:
    try:
        await target.confirm(trial.id)
    except NotFoundError:
        if datetime.now(UTC) < trial.deadline:
            why = "somebody has confirmed it or taken it back"
        else:
            why = "it was over before this command could confirm it, so it has gone back"
        raise ConflictError(
            f"all daemons ran it, but {trial.title} has ended meanwhile: {why}",
            hint="`weir history NAME` tells what is there now",
        ) from None
    except WeirError as error:
        raise WeirError(
            f"all daemons run it, but it could not be confirmed: {error.value.message}",
            code=error.code,
            hint=f"it goes back at {moment(trial)} unless confirmed: weir confirm {trial.id}",
        ) from error


async def _take_back(target: Target, trial: Trial, *, follow: bool) -> str:
    """Take it back, wait until the daemons have (with `follow`), and say what is there now."""
    try:
        reverted = await target.revert(trial.id)
    except NotFoundError:
        return f"{trial.title} was ended by somebody else meanwhile: `weir history NAME` tells what is there now"
    except WeirError as error:
        return f"it could not be taken back ({error.value.message}); it goes back by itself at {moment(trial)}"
    lines = [*_back(reverted), *map(_stays, reverted.left)]
    if reverted.outcomes and follow:
        lines += await _again(target, reverted)
    head = (
        "it was taken back:" if not reverted.left else "it was taken back, but for what others have changed meanwhile:"
    )
    return "\n".join([head, *(f"  {line}" for line in lines)])


def _back(reverted: Reverted) -> list[str]:
    tried = {spec.id: spec for spec in reverted.trial.specs}
    lines = []
    for outcome in reverted.outcomes:
        spec = tried[outcome.id]
        if spec.before is None:
            lines.append(f"{spec.label} is gone again")
        else:
            now = f" (now {outcome.revision})" if outcome.revision else ""
            lines.append(f"{spec.label} is back to revision {spec.before.revision}{now}")
    return lines


def _stays(left: Left) -> str:
    return f"{left.spec.label} stays as it is: {left.reason}"


async def _again(target: Target, reverted: Reverted) -> Sequence[str]:
    """What the daemons make of what was there before."""
    try:
        return await wait(target, reverted.outcomes, timeout=BACK, bear_with_lost=True)
    except WeirError as error:
        return [line.strip() for line in error.value.message.splitlines()]
