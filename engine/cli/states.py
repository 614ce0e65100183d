"""What the daemons, taken together, say about a spec."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    running = sum(served(spec.id, [spec.revision], instance) == spec.revision for instance in mine)
    worst = min((_of_one(spec, instance) for instance in mine), key=_rank)
    return Standing(worst.state, worst.observed, f"{running}/{len(mine)}", worst.reason)


def served(id: str, revisions: Iterable[int], instance: Instance) -> int | None:
    """The revision of a spec that a daemon runs; None if it runs none, or none of these, as far as it tells.

    `revisions` are those that the spec has had. A daemon that has nothing to say about it runs the last one that the
    store had when the daemon read it.
    """
    read = max((revision for revision in revisions if revision <= instance.revision), default=None)
    state = instance.states.get(id) if read is None else instance.state_of(id, read)
    return state.runs if state is not None else None


def _of_one(spec: Spec, instance: Instance) -> Standing:
    state = instance.state_of(spec.id, spec.revision)
    if state is None:
        return Standing(reason=f"daemon {instance.host}:{instance.pid} has not taken it up")
    reason = state.reason or ""
    if state.state != "active" and state.runs is not None:
        reason = f"{reason} (revision {state.runs} runs on)".lstrip()
    return Standing(state.state, str(state.revision), reason=reason)


def _rank(standing: Standing) -> tuple[int, int]:
    return _WORST_FIRST.index(standing.state), 0 if standing.observed == "-" else int(standing.observed)
