"""A thousand changes on three daemons, and the verdict.

Changes come in three ways: one spec, or ten in one transaction, both with a pause before the next one; and bursts of ten
applies at once from three writers, as three pipelines that deploy at the same moment. A change counts from the moment in which
the store has answered that it is written, to the log line of the daemon whose generation shows it. All run on one machine,
so there is one clock. A generation may show several changes at once; what counts is the first one that shows this change.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic, time
from typing import Literal

from benchmarks.daemons.fleet import PATIENCE, Fleet, Member
from benchmarks.daemons.flow import part
from engine.store.protocol import PutSpec, Store
from engine.store.url import open_store

Way = Literal["one", "many", "burst"]

WAYS: dict[Way, str] = {
    "one": "one spec",
    "many": "ten specs in one transaction",
    "burst": "ten applies at once, from three writers",
}
TOGETHER = 10
WRITERS = 3


@dataclass(frozen=True, slots=True)
class Options:
    """What is tried. `pause` is the longest that comes before a change, in seconds."""

    applies: int = 1_000
    daemons: int = 3
    pause: float = 0.05
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Done:
    """An apply: how, when it began and was written (seconds since 1970), and its first and last revision."""

    way: Way
    began: float
    written: float
    first: int
    last: int


@dataclass(slots=True)
class Outcome:
    """What a trial has shown. `latencies` are in seconds: for each way and each daemon, of every apply.

    `writes` are the seconds from the beginning of an apply to its answer. `generations` tells for each daemon how many were
    published.
    """

    options: Options
    seconds: float = 0.0
    revisions: int = 0
    latencies: dict[Way, list[list[float]]] = field(default_factory=dict)
    writes: dict[Way, list[float]] = field(default_factory=dict)
    generations: list[int] = field(default_factory=list)
    answers: int = 0
    problems: list[str] = field(default_factory=list)


class Trial:
    """The changes of one trial. Every apply has a number; it is what its specs say."""

    def __init__(self, options: Options, fleet: Fleet, writers: Sequence[Store]) -> None:
        self._options = options
        self._fleet = fleet
        self._writers = writers
        self._random = Random(options.seed)
        self._done: list[Done] = []

    async def run(self) -> Outcome:
        """Make all changes, and see what has become of them."""
        fleet, outcome = self._fleet, Outcome(self._options)
        before = await self._settle()
        began = monotonic()
        await self._change()
        last = await self._settle()
        outcome.seconds = monotonic() - began
        outcome.revisions = last - before
        for number, member in enumerate(fleet.members):
            outcome.problems += [f"daemon {number}: {each}" for each in _missing(member, before, last)]
            outcome.generations.append(sum(each.revision > before for each in member.journal.published))
            outcome.answers += member.asker.answered
        outcome.problems += fleet.failures()
        self._weigh(outcome)
        return outcome

    async def _settle(self) -> int:
        """The revision of one more change, when it is live everywhere and the logs have told so."""
        revision = await self._fleet.put()
        await self._fleet.until_live()
        await asyncio.gather(*(each.journal.until_live(revision, within=PATIENCE) for each in self._fleet.members))
        return revision

    async def _change(self) -> None:
        left = self._options.applies
        while left:
            way: Way = self._random.choices(("one", "many", "burst"), (70, 20, 1))[0]
            if way != "burst" or left < TOGETHER:
                way = "one" if way == "burst" else way
                await asyncio.sleep(self._random.uniform(0, self._options.pause))
                await self._apply(self._writers[0], way, left)
                left -= 1
                continue
            async with asyncio.TaskGroup() as group:
                for index in range(TOGETHER):
                    group.create_task(self._apply(self._writers[index % WRITERS], way, left - index))
            left -= TOGETHER

    async def _apply(self, store: Store, way: Way, number: int) -> None:
        specs = [part(index, number) for index in range(TOGETHER)] if way == "many" else [part(number % 100, number)]
        began = time()
        outcomes = await store.apply([PutSpec(spec) for spec in specs])
        revisions = [outcome.revision for outcome in outcomes]
        self._done.append(Done(way, began, time(), revisions[0], revisions[-1]))

    def _weigh(self, outcome: Outcome) -> None:
        for done in self._done:
            outcome.writes.setdefault(done.way, []).append(done.written - done.began)
            for number, member in enumerate(self._fleet.members):
                found = next((each.time for each in member.journal.published if each.revision >= done.last), None)
                if found is None:
                    outcome.problems.append(f"daemon {number} has never published revision {done.last}")
                    continue
                by_daemon = outcome.latencies.setdefault(done.way, [[] for _ in self._fleet.members])
                by_daemon[number].append(max(0.0, found - done.written))


def _missing(member: Member, before: int, last: int) -> list[str]:
    """What is wrong with what a daemon has heard of after one revision and up to another."""
    journal = member.journal
    problems = [f"it says {event}" for event in journal.events if event["level"] in ("warning", "error")]
    expected = before + 1
    for heard in journal.heard:
        if heard.last <= before:
            continue
        if heard.first != expected:
            problems.append(f"heard of revisions {heard.first} to {heard.last}, where {expected} was the next")
        expected = heard.last + 1
    if expected != last + 1:
        problems.append(f"heard of revisions up to {expected - 1}, of {last}")
    revisions = [each.revision for each in journal.published]
    if revisions != sorted(revisions):
        problems.append(f"published revisions out of order: {revisions}")
    return problems


async def run_trial(options: Options, url: str) -> Outcome:
    """Try it on the store of a URL, which must be empty."""
    with tempfile.TemporaryDirectory(prefix="weir-daemons-") as folder:
        async with AsyncExitStack() as stack:
            fleet = await stack.enter_async_context(Fleet(Path(folder), url, [url] * options.daemons))
            writers = [await stack.enter_async_context(open_store(url)) for _ in range(WRITERS)]
            # Every part is there before anything is measured: what comes first is compiled anew, what follows replaced.
            await writers[0].apply([PutSpec(part(index, 0)) for index in range(100)])
            return await Trial(options, fleet, writers).run()
