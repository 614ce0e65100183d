"""What a call of JavaScript costs, on each engine, beside the same function in Python.

    python -m benchmarks.javascript [--rounds 7] [--loop uvloop|asyncio] [--quick]

Every figure is the best of several rounds in one run; the engines alternate within a round. The function makes a sum
and a list of names out of an order, so the size of the argument is what a call is about.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import perf_counter
from typing import Any

from engine.language.javascript import JavaScriptCompiler

SOURCE = """
export default function (order) {
  const dear = order.items.filter((item) => item.price > 50);
  return { sum: order.items.reduce((sum, item) => sum + item.price * item.count, 0), dear: dear.map((item) => item.name) };
}
"""
SIZES = {"1 item": 1, "100 items": 100, "1,000 items": 1_000}
AT_ONCE = 32
FLOOR = "python"
KINDS = {
    "v8": {"engine": "v8"},
    "v8 in threads": {"engine": "v8", "isolation": "thread"},
    "quickjs": {"engine": "quickjs"},
}
"""What is measured, as settings of the compiler."""


def in_python(order: Any) -> Any:
    dear = [item for item in order["items"] if item["price"] > 50]
    total = sum(item["price"] * item["count"] for item in order["items"])
    return {"sum": total, "dear": [item["name"] for item in dear]}


def order(items: int) -> Any:
    return {"items": [{"name": f"article {n}", "price": n % 100, "count": 1 + n % 3} for n in range(items)]}


async def call(program: Any, payload: Any) -> Any:
    return await program(payload) if getattr(program, "is_async", False) else program(payload)


async def alone(program: Any, payload: Any, times: int) -> float:
    """Seconds for one call, nothing else going on."""
    began = perf_counter()
    for _ in range(times):
        await call(program, payload)
    return (perf_counter() - began) / times


async def together(program: Any, payload: Any, times: int) -> float:
    """Seconds for one call of many that wait together."""
    rounds = max(1, times // AT_ONCE)
    began = perf_counter()
    for _ in range(rounds):
        await asyncio.gather(*(call(program, payload) for _ in range(AT_ONCE)))
    return (perf_counter() - began) / rounds / AT_ONCE


async def run(rounds: int, *, quick: bool) -> list[tuple[str, dict[str, float]]]:
    compilers = {name: JavaScriptCompiler(inline_timeout=timedelta(seconds=1), **kind) for name, kind in KINDS.items()}
    programs: dict[str, Any] = {name: compiler.compile(SOURCE) for name, compiler in compilers.items()}
    programs[FLOOR] = in_python
    rows: list[tuple[str, dict[str, float]]] = []
    measures: dict[str, Callable[..., Awaitable[float]]] = {"alone": alone, f"{AT_ONCE} at once": together}
    for title, items in SIZES.items():
        payload, times = order(items), max(AT_ONCE, (500 if quick else 5_000) // (items + 4))
        for name, program in programs.items():
            assert await call(program, payload) == in_python(payload), name
        for how, measure in measures.items():
            found: dict[str, list[float]] = {name: [] for name in programs}
            for _ in range(rounds):
                for name, program in programs.items():
                    found[name].append(await measure(program, payload, times))
            rows.append((f"{title}, {how}", {name: min(values) for name, values in found.items()}))
    for compiler in compilers.values():
        compiler.close()
    return rows


PROBE = """
import asyncio, os, sys, threading, time
sys.path.insert(0, os.getcwd())
from benchmarks.javascript import SOURCE, call, order
from engine.language.javascript import JavaScriptCompiler

def processes():
    parents = {}
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/stat") as file:
                parents[int(number)] = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, new = {os.getpid()}, {os.getpid()}
    while new:
        new = {child for child, parent in parents.items() if parent in new}
        found |= new
    return found

def resident():  # what several processes share counts once
    total = 0
    for number in processes():
        with open(f"/proc/{number}/smaps_rollup") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
    return total

async def main(number, **kind):
    compiler = JavaScriptCompiler(isolates=number + 1, **kind)
    payload = order(1)
    began = time.perf_counter()
    await call(compiler.compile(SOURCE), payload)  # loads the engine
    load = time.perf_counter() - began
    sources = [SOURCE + f"// {n}" for n in range(number)]
    began = time.perf_counter()
    programs = [compiler.compile(source) for source in sources]
    compiled = (time.perf_counter() - began) / number
    memory, threads, children = resident(), len(os.listdir("/proc/self/task")), len(processes())
    began = time.perf_counter()
    for program in programs:
        await call(program, payload)
    first = (time.perf_counter() - began) / number
    memory, threads = (resident() - memory) / number, (len(os.listdir("/proc/self/task")) - threads) / number
    print(load, compiled, first, memory, threads, (len(processes()) - children) / number)
    compiler.close()

asyncio.run(main(int(sys.argv[1]), **dict(word.split("=") for word in sys.argv[2:])))
"""


def making(kind: dict[str, str], number: int) -> list[float]:
    """What programs cost, measured in a new process.

    Seconds to load the engine, to compile, to make a first call; bytes, threads and processes of one program.
    """
    words = [f"{key}={value}" for key, value in kind.items()]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(number), *words], capture_output=True, text=True, check=True
    )
    return [float(word) for word in done.stdout.split()]


def text_of(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:,.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, to see that it runs")
    options = parser.parse_args()
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if options.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        rows = runner.run(run(options.rounds, quick=options.quick))
    made = {name: making(kind, 3 if options.quick else 12) for name, kind in KINDS.items()}
    load = os.getloadavg()[0]
    print(f"{platform.python_implementation()} {sys.version.split()[0]}, {options.loop}, {platform.machine()},")
    print(f"{os.cpu_count()} cores, load {load:.1f}, best of {options.rounds} alternating rounds\n")
    names = [*KINDS, FLOOR]
    print(f"| one call | {' | '.join(names)} | v8 / quickjs |\n| --- |{' ---: |' * (len(names) + 1)}")
    for title, found in rows:
        times = " | ".join(text_of(found[name]) for name in names)
        print(f"| {title} | {times} | {found['v8'] / found['quickjs']:,.1f} |")
    print(f"\n| one program | {' | '.join(KINDS)} |\n| --- |{' ---: |' * len(KINDS)}")
    for index, title in enumerate(
        ("engine loaded, first program answered", "compiled", "first call, with what it makes")
    ):
        print(f"| {title} | {' | '.join(text_of(each[index]) for each in made.values())} |")
    print(f"| memory | {' | '.join(f'{each[3] / 2**20:,.2f} MiB' for each in made.values())} |")
    print(f"| threads of the daemon | {' | '.join(f'{each[4]:,.1f}' for each in made.values())} |")
    print(f"| processes | {' | '.join(f'{each[5]:,.1f}' for each in made.values())} |")


if __name__ == "__main__":
    main()
