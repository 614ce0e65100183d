"""One trial: a daemon, clients, a changer, and the verdict."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from benchmarks.reload.book import Book
from benchmarks.reload.changer import Done, Orders
from benchmarks.reload.clients import FAST, Load, Tally
from benchmarks.reload.daemon import PATIENCE, PROJECT, Daemon, Event, fetch, free_port
from benchmarks.reload.flow import ROUTES, Flow
from benchmarks.reload.plan import Change, make_plan
from engine.spec.model import parse_spec
from engine.store.protocol import PutSpec
from engine.store.url import open_store

PATCHING = "syscall/admin-nodes-update.$1"
"""The node that a PATCH of the admin API fails in."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is tried. `interval` and `deadline` are in seconds; memory is looked at every `sample` changes."""

    changes: int = 10_000
    interval: float = 0.05
    clients: int = 16
    seed: int = 1
    sample: int = 500
    deadline: float = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the daemon held after so many changes, `rss` in KiB."""

    changes: int
    rss: int
    fds: int
    threads: int
    generations: int
    tasks: int


@dataclass(slots=True)
class Breakage:
    """What became of specs that were broken.

    `stored` were written to the store, `refused` were not taken by the admin API, `reported` were told of in the log, and
    `answers` were given while the daemon knew that the newest revision of some spec cannot run.
    """

    stored: int = 0
    refused: int = 0
    reported: int = 0
    answers: int = 0


@dataclass(slots=True)
class Outcome:
    """What a trial has shown. `latencies` are in seconds by the way of the change; those of the store begin at the commit,
    those of the admin API when the request is sent. `complaints` are lines of the log that nothing explains.
    """

    options: Options
    tally: Tally
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    hows: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, list[float]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    breakage: Breakage = field(default_factory=Breakage)
    problems: list[str] = field(default_factory=list)
    complaints: list[Event] = field(default_factory=list)
    exit_code: int | None = None

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        return not (self.tally.bad or self.problems or self.complaints or self.exit_code)


class Trial:
    """The state of one trial while it runs."""

    def __init__(self, options: Options, folder: Path) -> None:
        self.options = options
        self.daemon = Daemon(folder, level="warning", hear=self.hear)
        self.port = free_port()
        self.plan = make_plan(self.port, seed=options.seed, changes=options.changes)
        self.flow = Flow(self.port)
        self.load = Load(
            self.port, Book([self.flow, *(change.flow for change in self.plan)]), deadline=options.deadline
        )
        self.outcome = Outcome(options, self.load.tally)
        self.expected = {change.broken for change in self.plan if change.broken is not None}
        """Everything that is ever broken. The daemon may tell of it before the changer does, or after the mending."""
        self.told: dict[str, int] = {}
        """Specs that the daemon has told of, and how many answers there were when it did."""
        self.refusals = 0
        """Patches that the daemon's log says were refused."""

    async def run(self) -> Outcome:
        outcome, daemon = self.outcome, self.daemon
        asyncio.get_running_loop().set_exception_handler(lambda _, context: outcome.problems.append(str(context)))
        await self._fill()
        async with daemon:
            for route in ROUTES:  # what is made at the first use only, a thread say, is there from the start
                await fetch(self.port, f"/{route}/x")
            outcome.before = await daemon.census(objects=True)
            self._sample(0, outcome.before)
            self.load.start(self.options.clients, seed=self.options.seed)
            began = monotonic()
            done = await self._change()
            outcome.seconds = monotonic() - began
            await self._until_settled()
            await self.load.stop()
            outcome.after = await self._until_quiet()
            self._sample(self.options.changes, outcome.after)
        outcome.exit_code = daemon.exit_code
        if self.refusals != outcome.breakage.refused:
            outcome.problems.append(f"the log tells of {self.refusals} refused patches, not {outcome.breakage.refused}")
        if outcome.breakage.reported != outcome.breakage.stored:
            told, stored = outcome.breakage.reported, outcome.breakage.stored
            outcome.problems.append(f"{stored} times a spec was broken in the store, and the log tells of {told}")
        self._weigh(done)
        return outcome

    def hear(self, event: Event) -> None:
        """A line of the daemon's log, a warning or worse."""
        name = str(event.get("spec", "")).partition("/")[2]
        if event.get("event") == "process.failed" and event.get("node") == PATCHING:
            self.refusals += 1  # a patch that was not taken is the failure of the process that brought it
            return
        if event.get("event") not in ("spec.failed", "spec.pending") or name not in self.expected:
            self.outcome.complaints.append(event)
            return
        self.told[name] = self.load.tally.answered
        self.outcome.breakage.reported += 1

    # --- parts of run

    async def _fill(self) -> None:
        async with open_store(self.daemon.store) as store:
            await store.apply([PutSpec(parse_spec(document)) for document in self.flow.specs().values()])

    async def _change(self) -> list[Done]:
        """Have all changes made; what was done, in order."""
        options = self.options
        orders = Orders(
            self.port, options.seed, options.changes, options.interval, self.daemon.store, self.daemon.admin_port
        )
        changer = await asyncio.create_subprocess_exec(*orders.command(), cwd=PROJECT, stdout=asyncio.subprocess.PIPE)
        assert changer.stdout is not None
        found: list[Done] = []
        try:
            async for line in changer.stdout:
                done = Done(**json.loads(line))
                found.append(done)
                self._note(self.plan[done.number - 1], done)
                if done.number % options.sample == 0 and done.number < options.changes:
                    self._sample(done.number, await self.daemon.census())
        finally:
            if changer.returncode is None and not changer.stdout.at_eof():
                changer.kill()
            code = await changer.wait()
        if code or len(found) != len(self.plan):
            self.outcome.problems.append(f"the changer has ended with {code} after {len(found)} changes")
        return found

    def _note(self, change: Change, done: Done) -> None:
        outcome = self.outcome
        outcome.kinds[change.kind] += 1
        outcome.hows[change.how] += 1
        if done.problem is not None:
            outcome.problems.append(f"change {change.number} ({change.kind}, {change.how}): {done.problem}")
        for name in change.mends:
            answered = self.told.pop(name, None)
            if answered is not None:
                outcome.breakage.answers += self.load.tally.answered - answered
        if change.refused:
            outcome.breakage.refused += 1
        elif change.broken is not None:
            outcome.breakage.stored += 1

    def _sample(self, changes: int, counts: dict[str, int]) -> None:
        sample = Sample(changes, **self.daemon.memory(), generations=counts["generations"], tasks=counts["tasks"])
        self.outcome.samples.append(sample)

    async def _until_settled(self) -> None:
        """Until every route shows the last change."""
        last = {route: next(reversed(page.values())).first for route, page in self.load.pages.items()}
        wanted = max(last[route] for route in ROUTES)
        try:
            async with asyncio.timeout(PATIENCE):
                while self.load.newest < wanted:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            self.outcome.problems.append(f"change {wanted} was never seen, only up to {self.load.newest}")

    async def _until_quiet(self) -> dict[str, int]:
        """What is alive once what is on its way out has gone."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    counts = await self.daemon.census(objects=True)
                    if not counts["processes"] and counts["tasks"] <= self.outcome.before["tasks"]:
                        break
                    await asyncio.sleep(0.1)
        except TimeoutError:
            self.outcome.problems.append(f"it does not come to rest: {counts}, before {self.outcome.before}")
        for name in ("generations", "nodes on their way out"):
            if counts[name] != self.outcome.before[name]:
                self.outcome.problems.append(f"{name}: {counts[name]} at the end, {self.outcome.before[name]} before")
        health = await self.daemon.health()
        for namespace, state in health["namespaces"].items():
            if state["not_active"]:
                self.outcome.problems.append(f"not active at the end in {namespace}: {state['not_active']}")
        return counts

    def _weigh(self, done: list[Done]) -> None:
        """How long each change took that a fast route shows."""
        seen, changed = self.load.seen, Book([self.flow, *(change.flow for change in self.plan)]).changed
        times: dict[str, list[float]] = {"store": [], "admin": []}
        live = float("inf")
        for each in reversed(done):
            live = min(live, seen.get(each.number, live))
            change = self.plan[each.number - 1]
            if changed[each.number].isdisjoint(FAST) or live == float("inf"):
                continue
            since = each.written if change.how == "store" else each.began
            times[change.how].append(max(0.0, live - since))
        self.outcome.latencies = times


async def run_trial(options: Options) -> Outcome:
    """Try it, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="weir-reload-") as folder:
        return await Trial(options, Path(folder)).run()
