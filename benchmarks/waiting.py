"""Ten thousand requests that wait at once: the memory and the processor time of each.

Each round starts the three servers anew, one after another, and looks at a server three times: without connections, with
all of them open and idle after a first request, and with a request waiting on each. What a waiting request holds in
aiohttp's low-level server is the floor; what it holds beyond that is the program's own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bars import Bar, draw_bars
from benchmarks.crowd import files
from benchmarks.figures import Spread, table
from benchmarks.part import Effort, MissingError, Outcome, Part, Told
from benchmarks.scenarios.alike import check
from benchmarks.scenarios.contenders import FLOOR, Contender, contenders, running
from benchmarks.scenarios.patience import PATIENCE
from benchmarks.scenarios.servers import LOADING, SERVING, BrokenError, Server, clean_environment, on_core
from benchmarks.targets import Reached

PROJECT = Path(__file__).resolve().parent.parent
COUNT = 10_000
FEWEST = 1_000
"""Below that a kilobyte for each is lost in what else a program does."""
WAITS = (6.0, 20.0, 60.0)
"""Seconds that a request waits. If a machine is too slow to have all of them waiting before the first is answered, the next."""
QUIET = 0.3
"""Seconds in which a server does nothing, after which it has taken in all that there was."""
PICTURE = "waiting.svg"
KB = 1000


@dataclass(frozen=True, slots=True)
class Look:
    """One server in one round. Bytes for each connection, idle and waiting, and seconds of processor time for each request."""

    idle: float
    waiting: float
    used: float


class EarlyError(Exception):
    """The first request was answered before the last one was waiting."""


def part() -> Part:
    """The part."""
    return Part(name="waiting", title=PATIENCE.title, text=ABOUT, takes=120, run=run)


ABOUT = (
    "Each of 10,000 connections has a request that waits, with a deadline, until all of them are answered. *Idle* is the "
    "resident memory that an open connection adds after its first request, *waiting* what it adds with a request that waits. "
    "Below, what a process holds by itself, without HTTP, as Python's allocator counts it."
)


def run(effort: Effort, told: Told) -> Outcome:
    """Look at all of them, in turns. Raises :class:`MissingError` where too few files may be open."""
    count = min(files(), COUNT // 10 if effort.quick else COUNT)
    if count < FEWEST:
        raise MissingError(f"only {count} connections may be open: raise the limit of open files (ulimit -Hn)")
    taking_part = contenders(PATIENCE)
    with running(PATIENCE, taking_part) as servers:
        check(PATIENCE, {name: server for name, server in servers.items() if name != FLOOR})
    looks: dict[str, list[Look]] = {each.name: [] for each in taking_part}
    wait = WAITS[0]
    for number in range(effort.times(3, quick=1)):
        for each in taking_part:
            told(f"round {number + 1}: {each.title}")
            found, wait = patiently(each, count, at_least=wait)
            looks[each.name].append(found)
    return outcome(taking_part, looks, held(count), count)


def patiently(contender: Contender, count: int, *, at_least: float = 0.0) -> tuple[Look, float]:
    """One server in one round; again with more patience where the machine was too slow. And the patience that it took."""
    for wait in (each for each in WAITS if each >= at_least):
        try:
            with running(PATIENCE, [contender], wait=wait) as servers:
                return look(servers[contender.name], count), wait
        except EarlyError:
            continue
    raise BrokenError(f"{contender.title} takes longer than {WAITS[-1]:.0f} s to take in {count:,} requests")


def look(server: Server, count: int) -> Look:
    """Let the crowd come. Raises :class:`EarlyError`, and :class:`BrokenError` for an answer that is not 200."""
    until_quiet(server)
    start = server.resident()
    with on_core(LOADING):
        crowd = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.crowd", str(server.port), str(count), "/wait"],
            cwd=PROJECT,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    with crowd:
        try:
            _hear(crowd)
            until_quiet(server)
            idle, before = server.resident(), server.processor_time()
            began = time.perf_counter()
            assert crowd.stdin is not None
            crowd.stdin.write("go\n")
            crowd.stdin.flush()
            until_quiet(server)
            waiting, took = server.resident(), time.perf_counter() - began
            answers = _hear(crowd)
            used = server.processor_time() - before
        except BaseException:
            crowd.kill()
            raise
    if answers["first"] <= took:
        raise EarlyError
    if answers["good"] != count:
        raise BrokenError(
            f"{count - answers['good']:,.0f} of {count:,} requests that waited were not answered with 200"
        )
    return Look((idle - start) / count, (waiting - start) / count, used / count)


def until_quiet(server: Server) -> None:
    """Wait until the server has done what there was to do."""
    before, since = server.processor_time(), time.monotonic()
    while time.monotonic() - since < QUIET:
        time.sleep(QUIET / 10)
        now = server.processor_time()
        if now - before > QUIET / 100:  # a daemon that has nothing to do looks at its clock now and then
            before, since = now, time.monotonic()


def held(count: int) -> dict[str, float]:
    """Bytes of processes that wait, without HTTP. See :mod:`benchmarks.held`."""
    command = [sys.executable, "-m", "benchmarks.held", str(count)]
    with on_core(SERVING):
        done = subprocess.run(
            command, cwd=PROJECT, env=clean_environment(), stdout=subprocess.PIPE, text=True, check=True
        )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def outcome(
    taking_part: Sequence[Contender], looks: Mapping[str, Sequence[Look]], alone: Mapping[str, float], count: int
) -> Outcome:
    """The tables, the picture and the target."""
    floor = Spread.of(each.waiting for each in looks[FLOOR]).median
    beyond = {name: Spread.of((each.waiting - floor) / KB for each in found) for name, found in looks.items()}
    rows = [
        [
            each.title,
            f"{Spread.of(look.idle / KB for look in looks[each.name]).median:.2f} KB",
            f"{Spread.of(look.waiting / KB for look in looks[each.name]).median:.2f} KB",
            f"{beyond[each.name].text()} KB",
            f"{Spread.of(look.used * 1e6 for look in looks[each.name]).text('.0f')} µs",
        ]
        for each in taking_part
    ]
    head = [
        f"{count:,} at once, {len(looks[FLOOR])} rounds",
        "idle",
        "waiting",
        "beyond the floor (least to most)",
        "processor time of a request",
    ]
    names = {"made": "made", "waiting": "that waits in a `sleep`", "with a request": "that waits with a request"}
    inside = table(
        ["a process, without HTTP", "memory"], [[names[name], f"{alone[name] / KB:.2f} KB"] for name in names]
    )
    bars = [
        Bar(each.title.replace("`", ""), Spread.of(look.waiting / KB for look in looks[each.name]), each.part)
        for each in taking_part
    ]
    picture = draw_bars(PATIENCE.title, bars, unit="KB of resident memory for each that waits", form=".1f")
    text = f"{table(head, rows)}\n\n{inside}\n\n![{PATIENCE.title}](pictures/{PICTURE})"
    return Outcome(text, {"waiting": Reached(beyond["flow"])}, {PICTURE: picture})


def _hear(crowd: subprocess.Popen[str]) -> dict[str, float]:
    assert crowd.stdout is not None
    line = crowd.stdout.readline()
    if not line:
        raise BrokenError("the clients have ended early: what they say stands above")
    words: dict[str, float] = json.loads(line)
    return words
