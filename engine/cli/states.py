"""What the daemons, taken together, say about a spec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.spec.model import Spec
from engine.store.instance import Instance

_WORST_FIRST: Final = ("failed", "pending", "-", "draining", "active")
"""A daemon that has not heard of a spec yet stands between those that cannot run it and those that do."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The worst state that a daemon has it in, the revision seen there, and why; dashes if no daemon knows it.

    `running` tells how many of the daemons run the revision that is stored: `2/3`.
    """

    state: str = "-"
    observed: str = "-"
    running: str = "-"
    reason: str = ""


def standing(spec: Spec, instances: Sequence[Instance]) -> Standing:
    """How a spec stands with the live daemons of its namespace; the one that is worst off speaks for all."""
    mine = [instance for instance in instances if instance.namespace == spec.namespace]
    if not mine:
        return Standing()
    running = sum(served(spec.id, instance) == spec.revision for instance in mine)
    worst = min((_of_one(spec, instance) for instance in mine), key=_rank)
    return Standing(worst.state, worst.observed, f"{running}/{len(mine)}", worst.reason)


def served(id: str, instance: Instance) -> int | None:
    """The revision of a spec that a daemon runs, None if it runs none."""
    state = instance.states.get(id)
    return state.runs if state is not None else None


def _of_one(spec: Spec, instance: Instance) -> Standing:
    state = instance.states.get(spec.id)
    if state is None:
        return Standing(reason=f"daemon {instance.host}:{instance.pid} has not taken it up")
    reason = state.reason or ""
    if state.state != "active" and state.runs is not None:
        reason = f"{reason} (revision {state.runs} runs on)".lstrip()
    return Standing(state.state, str(state.revision), reason=reason)


def _rank(standing: Standing) -> tuple[int, int]:
    return _WORST_FIRST.index(standing.state), 0 if standing.observed == "-" else int(standing.observed)
