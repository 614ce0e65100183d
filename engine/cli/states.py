"""What the daemons, taken together, say about a spec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.spec.model import Spec
from engine.store.instance import Instance

_WORST_FIRST: Final = ("failed", "pending", "draining", "active")


@dataclass(frozen=True, slots=True)
class Standing:
    """The worst state that a daemon has it in, the revision seen there, and why; dashes if no daemon knows it."""

    state: str = "-"
    observed: str = "-"
    reason: str = ""


def standing(spec: Spec, instances: Sequence[Instance]) -> Standing:
    """How a spec stands with the live daemons of its namespace; the one that is worst off speaks for all."""
    states = [
        instance.states[spec.id]
        for instance in instances
        if instance.namespace == spec.namespace and spec.id in instance.states
    ]
    if not states:
        return Standing()
    worst = min(states, key=lambda state: (_WORST_FIRST.index(state.state), state.revision))
    return Standing(worst.state, str(worst.revision), worst.reason or "")
