"""`apply --wait`: until every live daemon of a namespace runs what was applied, or one says why it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from engine.cli.findings import finding
from engine.cli.target import Target
from engine.errors import Code, Diagnostic, WeirError
from engine.spec.model import Spec, Value
from engine.store.instance import Instance, SpecState
from engine.store.write import Outcome

INTERVAL: Final = 0.1
"""Seconds between two looks."""

GRACE: Final = 2.0
"""Seconds that a spec may stay pending in a published plan before it counts as waiting for something that will not come."""


@dataclass(slots=True)
class Verdict:
    """How far the daemons are: who is `ready`, and a sentence for each spec that a daemon does not run.

    `findings` tell where in those specs it is wrong, each once, however many daemons find it.
    """

    ready: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    findings: list[Diagnostic] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return not (self.missing or self.pending or self.failed)


def judge(outcomes: Sequence[Outcome], instances: Sequence[Instance]) -> Verdict:
    """What the instances say about these outcomes of one namespace. Values need a plan that has seen them, and
    no spec that waits for what they lack.
    """
    verdict = Verdict()
    revision = max(outcome.revision for outcome in outcomes)
    for instance in instances:
        who = f"daemon {instance.host}:{instance.pid}"
        if instance.revision < revision:
            verdict.missing.append(f"{who} is at revision {instance.revision}, not yet at {revision}")
            continue
        fine = True
        for outcome in outcomes:
            if outcome.value is not None and outcome.action != "deleted":
                waiting = [each for each in instance.states.values() if _misses(each, outcome.value)]
                verdict.pending += [f"{who}: a spec is pending: {each.reason}" for each in waiting]
                fine = fine and not waiting
            if outcome.spec is None or outcome.action == "deleted":
                continue
            state = instance.states.get(outcome.id)
            if state is None or state.revision < outcome.revision:
                verdict.missing.append(f"{who} has not taken up {outcome.spec.label}")
                fine = False
            elif state.state != "active":
                said = f"{who}: {outcome.spec.label} is {state.state}: {state.reason or 'no reason given'}"
                (verdict.failed if state.state == "failed" else verdict.pending).append(said)
                found = _findings(outcome.spec, state)
                verdict.findings += [each for each in found if each not in verdict.findings]
                fine = False
        if fine:
            verdict.ready.append(who)
    return verdict


def _findings(spec: Spec, state: SpecState) -> list[Diagnostic]:
    """What is wrong with a spec, or at least where it stands; nothing if that is not known."""
    if state.diagnostics:
        return [_placed(finding(form), spec) for form in state.diagnostics]
    place = spec.place
    message = f"{spec.label}: {state.reason or 'no reason given'}"
    return [Diagnostic(state.state, message, place)] if place.line else []


def _placed(found: Diagnostic, spec: Spec) -> Diagnostic:
    """A finding without a place, for what came through the admin API has none, where its path leads in the file."""
    if found.place.line or spec.origin is None:
        return found
    return replace(found, place=spec.origin.place(found.path))


def _misses(state: SpecState, value: Value) -> bool:
    """Whether a spec waits for something that this value does not have."""
    return state.state == "pending" and f"value {value.name or value.id!r}" in (state.reason or "")


async def wait(target: Target, outcomes: Sequence[Outcome], *, timeout: float) -> list[str]:
    """Wait until the daemons run it; one sentence about each namespace.

    Raises WeirError when a spec fails, when it stays pending, and after `timeout` seconds, with all that is not as it
    should be; its `details` are the findings of the daemons about the specs.
    """
    said = []
    deadline = asyncio.get_running_loop().time() + timeout
    for namespace in sorted({outcome.namespace for outcome in outcomes}):
        mine = [outcome for outcome in outcomes if outcome.namespace == namespace]
        said.append(await _namespace(target, namespace, mine, deadline=deadline, timeout=timeout))
    return said


async def _namespace(
    target: Target, namespace: str, outcomes: Sequence[Outcome], *, deadline: float, timeout: float
) -> str:
    clock = asyncio.get_running_loop().time
    pending_since: float | None = None
    while True:
        instances = await target.instances(namespace)
        if not instances:
            return f"no daemon runs the namespace {namespace!r}, so there is nothing to wait for"
        verdict = judge(outcomes, instances)
        if verdict.done:
            count = len(instances)
            return (
                f"{count} daemon{'s' if count != 1 else ''} of the namespace {namespace!r} run{'s' * (count == 1)} it"
            )
        now = clock()
        settled = bool(verdict.pending) and not verdict.missing
        pending_since = (pending_since or now) if settled else None
        stuck = pending_since is not None and now - pending_since >= GRACE
        late = now >= deadline
        if verdict.failed or stuck or late:
            lines = "\n".join(f"  {line}" for line in (*verdict.failed, *verdict.pending, *verdict.missing))
            after = f" after {timeout:g}s" if late and not verdict.failed else ""
            raise WeirError(
                f"what was applied does not run everywhere{after}:\n{lines}",
                code=_code(verdict),
                hint="it is written; `weir get specs -o wide` shows the states",
                details=tuple(verdict.findings),
            )
        await asyncio.sleep(min(INTERVAL, max(deadline - now, 0.001)))


def _code(verdict: Verdict) -> Code:
    return Code.INVALID if verdict.failed or verdict.pending else Code.DEADLINE
