"""Taking changes in: what is new is noted in the table and compiled, which disturbs nobody.

What a change can decide is noted with it (:attr:`Table.unsettled`), and stays noted until it has been settled: should a
reconcile break off, the next one takes up what it left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.errors import DiagnosticsError, ErrorValue, WeirError
from engine.graph.obstacle import Obstacle
from engine.graph.symbol import Symbol
from engine.graph.table import Entry, Table
from engine.graph.turns import Turns
from engine.spec.binding import ValueKey, bind
from engine.spec.model import Spec, Value
from engine.spec.secrets import NO_SECRETS


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed: specs and values that are new or have a new revision, and ids of those that are gone."""

    specs: Sequence[Spec] = ()
    deleted: Sequence[str] = ()
    values: Sequence[Value] = ()
    deleted_values: Sequence[str] = ()


async def take_in(table: Table, changes: Changes) -> None:
    """Note the changes and compile what is new."""
    stale = _take_in_values(table, changes)
    recompile = {id: entry.spec for id, entry in table.entries.items() if entry.used_values & stale} if stale else {}
    coming = {spec.id: spec for spec in changes.specs}
    leaving = [entry for id in changes.deleted if id not in coming and (entry := table.entries.get(id)) is not None]
    heirs = {spec.name: spec for spec in changes.specs if spec.name is not None and spec.id not in table.entries}
    recompile |= {id: table.entries[id].spec for id in table.flawed}
    for entry in leaving:
        recompile.pop(entry.spec.id, None)
        heir = heirs.pop(entry.spec.name, None) if entry.spec.name is not None else None
        if heir is not None:
            _hand_over(table, entry, heir)
            continue
        # It stays in the table until a generation without it is published, but nothing leads to it any more.
        entry.deleted = True
        table.unsettled.touch(entry)
    recompile.update(coming)

    turns = Turns()
    for id, spec in recompile.items():
        await table.compiler.warm_up(spec)
        entry = table.entries.get(id)
        before: set[str] = set()
        if entry is None:
            entry = table.entries[id] = Entry(spec)
        else:
            before = entry.handles()
            table.unindex(entry)
        entry.spec, entry.deleted = spec, False
        compile_entry(table, entry)
        table.index(entry)
        if _looks_the_same(entry):
            table.unsettled.ids.add(id)
        else:
            table.unsettled.keys |= before
            table.unsettled.touch(entry)
        if turns.due:
            await turns.give()


def compile_entry(table: Table, entry: Entry) -> None:
    """Compile the newest revision of a spec; what runs of an older one lends its nodes."""
    entry.candidate, entry.obstacle, entry.spent = None, None, False
    table.unloadable.discard(entry.spec.id)
    table.flawed.discard(entry.spec.id)
    secrets = NO_SECRETS
    try:
        bound = bind(entry.spec, table.value, table.environment)
        entry.used_values, secrets = bound.used_values, bound.secrets
        if bound.ready:
            entry.candidate = table.compiler.compile(bound.spec, bound, previous=entry.running)
        else:
            entry.obstacle = Obstacle("pending", bound.reason)
    except DiagnosticsError as error:
        entry.obstacle = Obstacle.of(DiagnosticsError([secrets.cover(found) for found in error.diagnostics]))
    except WeirError as error:
        entry.obstacle = Obstacle.of_load(secrets.hide_in(error.value))
    except Exception as error:  # a bug in a kind must not stop the others
        value = secrets.hide_in(ErrorValue.of(error))
        # A traceback ends with the words of the error, which may quote what a value has filled in.
        trace = {} if secrets else {"exc_info": error}
        table.log.error("spec.compile_broke", node=entry.spec.label, error=value.text, **trace)
        entry.obstacle = Obstacle.of_load(value)


def reach(table: Table) -> set[str]:
    """The ids of the specs whose fate the unsettled changes can decide: those that changed, and all that lead to them.

    Who leads to a spec that changed only inside (its annotations, its links) sees the same node as before, and is left
    alone.
    """
    for id in table.needed:
        table.unsettled.touch(table.entries[id])
    region = {id for id in table.unsettled.ids if id in table.entries}
    todo = table.referrers(table.unsettled.keys)
    seen: set[str] = set()
    while todo:
        id = todo.pop()
        seen.add(id)
        todo |= table.referrers(table.entries[id].handles()) - seen
    return region | seen


def refresh(table: Table, region: Iterable[str]) -> None:
    """Compile again what had run, was stopped because of others, and may run now: its nodes have been unloaded."""
    for id in region:
        entry = table.entries[id]
        if entry.spent and entry.running is None:
            table.unindex(entry)
            compile_entry(table, entry)
            table.index(entry)


def renew(table: Table, parts: Iterable[Symbol], region: Iterable[str]) -> None:
    """Compile again what had been loaded and was unloaded before it could run: a node is loaded only once."""
    nodes = {part.node for part in parts}
    for id in region:
        entry = table.entries[id]
        if entry.candidate is not None and not nodes.isdisjoint(entry.candidate.nodes()):
            table.unindex(entry)
            compile_entry(table, entry)
            table.index(entry)


def _hand_over(table: Table, entry: Entry, heir: Spec) -> None:
    """A spec goes and another one of its name comes: what runs of the first is the last good revision of the second."""
    table.unsettled.touch(entry)
    table.forget(entry)
    successor = table.entries[heir.id] = Entry(heir)
    successor.running = entry.running
    table.index(successor)


def _looks_the_same(entry: Entry) -> bool:
    """Whether the newest revision shows those that lead to it the same ports under the same name."""
    old, new = entry.running, entry.candidate
    if old is None or new is None or old.composite is not None or new.composite is not None:
        return False
    return old.node is new.node and old.name == new.name and old.id == new.id


def _take_in_values(table: Table, changes: Changes) -> set[ValueKey]:
    """Note the new values. Gives every key by which some spec may have asked for one of them."""
    coming = {value.id: value for value in changes.values}
    ids = (*changes.deleted_values, *coming)
    concerned = [value for id in ids for value in (table.values.get(id), coming.get(id)) if value is not None]
    for id in ids:
        table.remove_value(id)
    for value in changes.values:
        table.set_value(value)
    return {
        (value.namespace, name, id) for value in concerned for name in (value.name, None) for id in (value.id, None)
    }
