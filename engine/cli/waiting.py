"""`apply --wait`: until every live daemon of a namespace runs what was applied, or one says why it does not.

Each look asks all daemons anew, so one that has just started has a say, and one that ends has none any more. One that has
missed a heartbeat cannot be waited for: it may have lost the store, or be gone. It serves what it last knew, and takes the
change up when it is back; so it refuses nothing, and is named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from engine.cli.findings import finding
from engine.cli.target import Target
from engine.errors import Code, Diagnostic, UnavailableError, WeirError
from engine.spec.model import Spec, Value
from engine.store.instance import Instance, SpecState
from engine.store.write import Outcome

INTERVAL: Final = 0.1
"""Seconds between two looks."""

GRACE: Final = 2.0
"""Seconds that a spec may stay pending in a published plan before it counts as waiting for something that will not come."""

AGAIN: Final = 0.5
"""Seconds after which a store or daemon that did not answer is asked again."""


@dataclass(slots=True)
class Verdict:
    """How far the daemons are: who is `ready`, and a sentence for each spec that a daemon does not run.

    `lost` are those that tell their heartbeats and have not heard of the change, since what they hear of the store is cut
    off; `late` those that nobody hears of, and that are not waited for. `findings` tell where in those specs it is wrong, each once, however many daemons find it.
    """

    ready: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    findings: list[Diagnostic] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return not (self.missing or self.pending or self.failed or self.lost)

    @property
    def refusals(self) -> list[str]:
        """What is not as it should be, and cannot be laid to a daemon's way to the store; the worst first."""
        return [*self.failed, *self.pending, *self.missing]


def judge(outcomes: Sequence[Outcome], instances: Sequence[Instance]) -> Verdict:
    """What the instances say about these outcomes of one namespace. Values need a plan that has seen them, and
    no spec that waits for what they lack.
    """
    verdict = Verdict()
    revision = max(outcome.revision for outcome in outcomes)
    for instance in instances:
        who = f"daemon {instance.host}:{instance.pid}"
        if instance.late:
            verdict.late.append(f"{who} is not counted: nobody has heard of it for {_seconds(instance.silence)}")
            continue
        if instance.revision < revision and instance.lost is not None:
            verdict.lost.append(f"{who} has lost the store, and is at revision {instance.revision}: {instance.lost}")
            continue
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
            state = instance.state_of(outcome.id, outcome.revision)
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


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.0f}s"


async def wait(
    target: Target, outcomes: Sequence[Outcome], *, timeout: float, bear_with_lost: bool = False
) -> list[str]:
    """Wait until the daemons run it; a sentence about each namespace, and about each daemon that was not counted.

    Raises WeirError when a spec fails, when it stays pending, and after `timeout` seconds, with all that is not as it
    should be; its `details` are the findings of the daemons about the specs. With `bear_with_lost`, daemons that are cut
    off from the store are waited for as long, and are no error. UnavailableError if nobody could be asked at the end.
    """
    by_namespace = {
        namespace: [outcome for outcome in outcomes if outcome.namespace == namespace]
        for namespace in sorted({outcome.namespace for outcome in outcomes})
    }
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout
    pending_since: float | None = None
    while True:
        try:
            verdicts = await _look(target, by_namespace)
        except UnavailableError:
            if clock() >= deadline:
                raise
            await asyncio.sleep(min(AGAIN, max(deadline - clock(), 0.001)))
            continue
        open_verdicts = [verdict for verdict in verdicts.values() if not verdict.done]
        now = clock()
        late = now >= deadline
        if not open_verdicts or (late and bear_with_lost and not any(each.refusals for each in open_verdicts)):
            return [line for namespace, verdict in verdicts.items() for line in _said(namespace, verdict)]
        settled = not any(each.missing for each in open_verdicts) and any(each.pending for each in open_verdicts)
        pending_since = (pending_since or now) if settled else None
        stuck = pending_since is not None and now - pending_since >= GRACE
        failed = any(each.failed for each in open_verdicts)
        if failed or stuck or late:
            raise _refused(open_verdicts, after=f" after {timeout:g}s" if late and not failed else "")
        await asyncio.sleep(min(INTERVAL, max(deadline - now, 0.001)))


async def _look(target: Target, by_namespace: Mapping[str, Sequence[Outcome]]) -> dict[str, Verdict]:
    return {
        namespace: judge(outcomes, await target.instances(namespace)) for namespace, outcomes in by_namespace.items()
    }


def _said(namespace: str, verdict: Verdict) -> list[str]:
    """What has become of a namespace where nobody refuses anything."""
    beside = [*verdict.lost, *verdict.late]
    count = len(verdict.ready)
    if count:
        run = "run" if count != 1 else "runs"
        return [f"{count} daemon{'s' if count != 1 else ''} of the namespace {namespace!r} {run} it", *beside]
    if beside:
        return [f"no daemon of the namespace {namespace!r} could take it up", *beside]
    return [f"no daemon runs the namespace {namespace!r}, so there is nothing to wait for"]


def _refused(verdicts: Sequence[Verdict], *, after: str) -> WeirError:
    said = [line for verdict in verdicts for line in (*verdict.refusals, *verdict.lost, *verdict.late)]
    lines = "\n".join(f"  {line}" for line in said)
    findings = dict.fromkeys(finding for verdict in verdicts for finding in verdict.findings)
    refused = any(verdict.failed or verdict.pending for verdict in verdicts)
    return WeirError(
        f"what was applied does not run everywhere{after}:\n{lines}",
        code=Code.INVALID if refused else Code.DEADLINE,
        hint="it is written; `weir get specs -o wide` shows the states",
        details=tuple(findings),
    )
