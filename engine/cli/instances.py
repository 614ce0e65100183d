"""The daemons, as people are told of them: a table, and what changes in it while one looks.

Nobody tells of a change of the rows, so a watch looks every second, and tells what is shown differently. Heartbeats and
ages go on all the time; they are no news.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

from engine.cli import table
from engine.errors import UnavailableError
from engine.store.instance import Instance

INTERVAL: Final = 1.0
"""Seconds between two looks."""

ROOM: Final = {"EVENT": "STARTED", "REVISION": "1000000", "VIEW": "late 20s", "AGE": "10h30m", "HEARTBEAT": "20s"}
"""Cells that later rows of a watch may have."""

Word: TypeAlias = Literal["listed", "started", "changed", "ended", "lost"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a watch has seen of a daemon: it is as told, or it was so until it `ended`, or until nobody heard of it (`lost`)."""

    word: Word
    instance: Instance


def header(*, wide: bool = False) -> list[str]:
    """The titles of the table."""
    titles = ["NAMESPACE", "HOST", "PID", "REVISION", "GENERATION", "ACTIVE", "PENDING", "FAILED", "VIEW", "AGE"]
    return [*titles, "ID", "WORKER", "HEARTBEAT", "REASON"] if wide else titles


def row(instance: Instance, *, wide: bool = False) -> list[str]:
    """The cells of one daemon. Its ages are those at the moment in which the store told of it."""
    now = instance.read or datetime.now(UTC)
    states = [state.state for state in instance.states.values()]
    cells = [instance.namespace, instance.host, str(instance.pid), str(instance.revision), str(instance.generation)]
    cells += [str(instance.count), str(states.count("pending")), str(states.count("failed"))]
    cells += [view(instance), table.age(now - instance.started)]
    if not wide:
        return cells
    worker = str(instance.worker) if instance.worker is not None else "-"
    return [*cells, instance.id, worker, table.age(now - instance.heartbeat), instance.lost or ""]


def view(instance: Instance) -> str:
    """How old what it knows of the store is: `fresh`; `35s old`; or `late 22s`, if it could not even tell that."""
    if instance.late:
        return f"late {table.age(instance.silence)}"
    return "fresh" if instance.lost is None else f"{table.age(timedelta(seconds=instance.view_age))} old"


def render(instances: Sequence[Instance], *, wide: bool = False) -> list[str]:
    """The lines of the table."""
    return table.render(header(wide=wide), [row(each, wide=wide) for each in instances])


async def watch(
    look: Callable[[], Awaitable[Sequence[Instance]]], *, tell: Callable[[UnavailableError | None], None], whole: bool
) -> AsyncGenerator[list[Sighting], None]:
    """The daemons that there are, and then what changes, without an end.

    `whole` takes all that a row says for news, not only what the table shows. `tell` hears why the store cannot be asked,
    once, and None when it can again; at the first look that is raised.
    """
    known = {each.id: each for each in await look()}
    yield [Sighting("listed", each) for each in known.values()]
    away = False
    while True:
        await asyncio.sleep(INTERVAL)
        try:
            now = {each.id: each for each in await look()}
        except UnavailableError as error:
            if not away:
                tell(error)
            away = True
            continue
        if away:
            tell(None)
        away = False
        if sightings := compare(known, now, whole=whole):
            yield sightings
        known = now


def compare(before: Mapping[str, Instance], now: Mapping[str, Instance], *, whole: bool = False) -> list[Sighting]:
    """What has happened between two looks; those that are gone first."""
    gone = [each for id, each in before.items() if id not in now]
    seen = [Sighting("lost" if each.late else "ended", each) for each in gone]
    for id, each in now.items():
        known = before.get(id)
        if known is None:
            seen.append(Sighting("started", each))
        elif _shown(known) != _shown(each) or (whole and known.states != each.states):
            seen.append(Sighting("changed", each))
    return seen


def _shown(instance: Instance) -> tuple[object, ...]:
    """What of a row is news when it changes: all but its ages, which grow by themselves."""
    return (*row(instance)[: header().index("VIEW")], instance.late, instance.lost)
