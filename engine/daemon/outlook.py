"""What a dry run would have done to what runs, told from what it would have done to the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.graph.check import checking_compiler
from engine.graph.context import Languages
from engine.graph.forecast import Effect, forecast, imagine
from engine.graph.intake import Changes
from engine.graph.scheme import Scheme
from engine.spec.model import Spec, Value
from engine.store.protocol import Outcome, Query, Store


@dataclass(slots=True)
class _Lists:
    specs: list[Spec] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    deleted_values: list[str] = field(default_factory=list)


def changes_of(outcomes: Sequence[Outcome]) -> dict[str, Changes]:
    """What the daemons would hear of, by namespace."""
    found: dict[str, _Lists] = {}
    for outcome in outcomes:
        if outcome.action == "unchanged":
            continue
        lists = found.setdefault(outcome.namespace, _Lists())
        if outcome.action == "deleted":
            (lists.deleted if outcome.resource == "spec" else lists.deleted_values).append(outcome.id)
        elif outcome.spec is not None:
            lists.specs.append(outcome.spec)
        elif outcome.value is not None:
            lists.values.append(outcome.value)
    return {
        namespace: Changes(lists.specs, lists.deleted, lists.values, lists.deleted_values)
        for namespace, lists in found.items()
    }


async def imagined(
    store: Store, namespace: str, changes: Changes, *, scheme: Scheme, languages: Languages
) -> list[Effect]:
    """The effects in a namespace that no daemon can be asked about: told from what the store holds.

    Names from the environment of a daemon are not known here, so what needs them is told to wait for them.
    """
    everything = Query(namespaces=(namespace,))
    specs, values = await store.specs(everything), await store.values(everything)
    known = [*values, *values.broken]
    table = await imagine(namespace, checking_compiler(scheme, languages), specs, known)
    return await forecast(table, changes)
