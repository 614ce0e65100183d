"""Many calls, and what the process holds meanwhile: memory, threads and open files must stay where they are.

    python -m benchmarks.soak [--calls 100000] [javascript …]

A leak that one call does not show is seen after a hundred thousand. Each half prints a Markdown table with a row for every
tenth of its calls; the first tenth is warming up, the others should look alike.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

from engine.errors import ExpressionError
from engine.language.protocol import Options, Program

AT_ONCE = 32
RELOAD_EVERY = 1000
THROW_EVERY = 50
PRINT_EVERY = 100


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process holds after so many calls. `memory` is in bytes."""

    calls: int
    seconds: float
    memory: int
    threads: int
    files: int
    objects: int


def sample(calls: int, seconds: float) -> Sample:
    """Look at the process itself, after the garbage is collected."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Sample(
        calls,
        seconds,
        pages * os.sysconf("SC_PAGE_SIZE"),
        len(os.listdir("/proc/self/task")),
        len(os.listdir("/proc/self/fd")),
        len(gc.get_objects()),
    )


def table(title: str, samples: list[Sample]) -> str:
    """The samples as Markdown."""
    rows = [
        f"| {title} | calls/s | memory | threads | open files | Python objects |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for before, after in pairwise(samples):
        rate = (after.calls - before.calls) / (after.seconds - before.seconds)
        rows.append(
            f"| {after.calls:,} | {rate:,.0f} | {after.memory / 2**20:.1f} MiB | {after.threads} | {after.files} "
            f"| {after.objects:,} |"
        )
    return "\n".join(rows)


# ---------------------------------------------------------------------- JavaScript

# State, so that nothing but a reload takes the isolate away; a little garbage; an error and a line now and then. What the
# top level keeps would be seen if a reload left anything of it behind.
SNIPPET = """
const revision = {revision};
const ballast = Array.from({{length: 10000}}, (_, i) => ({{revision, i}}));
let calls = 0;
export default ({{n, tags}}) => {{
  calls++;
  if (n % {throw_every} === 0) throw new TypeError(`no ${{n}}`);
  if (n % {print_every} === 1) console.log("seen", n, tags);
  return {{n, revision, size: ballast.length, tags: tags.map((tag) => tag.toUpperCase())}};
}};
"""


@dataclass(slots=True)
class Soak:
    """Calls of a snippet that is replaced again and again, on one engine."""

    engine: str
    samples: list[Sample] = field(default_factory=list)
    answers: int = 0
    errors: int = 0
    lines: int = 0

    async def run(self, calls: int) -> None:
        """Make `calls` calls, :data:`AT_ONCE` at once, and check every answer."""
        from engine.language.javascript import JavaScriptCompiler

        # The deadline is far away: a busy machine must not look like a leak.
        compiler = JavaScriptCompiler(timeout=timedelta(seconds=30))
        began = perf_counter()
        self.samples.append(sample(0, 0.0))
        tenth = max(calls // 10, 1)
        try:
            for first in range(0, calls, RELOAD_EVERY):
                await self._serve(compiler, first, min(first + RELOAD_EVERY, calls))
                if (first + RELOAD_EVERY) // tenth > first // tenth:
                    self.samples.append(sample(min(first + RELOAD_EVERY, calls), perf_counter() - began))
        finally:
            compiler.close()

    async def _serve(self, compiler: Any, first: int, end: int) -> None:
        source = SNIPPET.format(revision=first, throw_every=THROW_EVERY, print_every=PRINT_EVERY)
        program = compiler.compile(source, Options(engine=self.engine, log=self._count_line))
        numbers = iter(range(first, end))
        try:
            await asyncio.gather(*(self._call_all(program, first, numbers) for _ in range(AT_ONCE)))
        finally:
            program.close()

    async def _call_all(self, program: Program, revision: int, numbers: Any) -> None:
        for n in numbers:
            try:
                result: Any = program({"n": n, "tags": ["a", "b"]})
                if program.is_async:
                    result = await result
            except ExpressionError as error:
                if str(error) != f"no {n}":
                    raise
                self.errors += 1
                continue
            assert result == {"n": n, "revision": revision, "size": 10_000, "tags": ["A", "B"]}, result
            self.answers += 1

    def _count_line(self, _level: str, _text: str) -> None:
        self.lines += 1


def javascript_soak(calls: int) -> str:
    """The tables of all engines: 32 calls at once, errors and console now and then, a reload every 1,000 calls."""
    from engine.language.javascript.compiler import ENGINES

    tables = []
    for engine in ENGINES:
        soak = Soak(engine)
        asyncio.run(soak.run(calls))
        tables.append(table(f"JavaScript on {engine}", soak.samples))
        tables.append(f"{soak.answers:,} answers, {soak.errors:,} errors, {soak.lines:,} lines of console")
    return "\n\n".join(tables)


# ---------------------------------------------------------------------- CEL


def cel_soak(calls: int) -> str:
    """Ten evaluations for each call, of all expressions of the benchmark, and a fifth as many recompiles of new sources."""
    from benchmarks.cel import CASES, make_request
    from engine.language.cel import CelCompiler

    compiler = CelCompiler()
    programs = [compiler.compile(case.source) for case in CASES]
    request, broken = make_request(10), {"method": None}

    def evaluate(_turn: int) -> None:
        for program in programs:
            program(request)
        try:
            programs[1](broken)  # the strict way, and the error it ends in
        except ExpressionError:
            return
        raise AssertionError("a missing key must be an error")

    def recompile(turn: int) -> None:
        if compiler.compile(f"size(self) == {turn} || (self[0] == 'x' && {turn} > 1)")([1]) is not (turn == 1):
            raise AssertionError(f"turn {turn} has another program's answer")

    evaluations = sampled(evaluate, calls * 10 // (len(CASES) + 1), each=len(CASES) + 1)
    recompiles = sampled(recompile, calls // 5)
    return "\n\n".join([table("CEL, evaluations", evaluations), table("CEL, new sources compiled", recompiles)])


def sampled(turn: Callable[[int], None], turns: int, *, each: int = 1) -> list[Sample]:
    """`turn` so many times, with a look at the process every tenth of them. A turn makes `each` calls."""
    samples = [sample(0, 0.0)]
    began = perf_counter()
    for number in range(turns):
        turn(number)
        if (number + 1) % max(turns // 10, 1) == 0:
            samples.append(sample((number + 1) * each, perf_counter() - began))
    return samples


HALVES: dict[str, Callable[[int], str]] = {"javascript": javascript_soak, "cel": cel_soak}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("halves", nargs="*", default=list(HALVES), metavar="|".join(HALVES))
    options = parser.parse_args()
    for half in options.halves:
        if half not in HALVES:
            parser.error(f"{half!r} is none of {', '.join(HALVES)}")
        print(HALVES[half](options.calls), flush=True)


if __name__ == "__main__":
    main()
