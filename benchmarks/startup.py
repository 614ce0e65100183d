"""Start-up with many specs: `weir start` on SQLite, from the start of its process until it serves.

Half of the specs are texts and routers, half are snippets of CEL of some thirty characters from a hundred different sources,
linked in chains. The floors are an interpreter that imports what the daemon imports and ends, and libyaml on the same specs
as one file. Each process starts on one core; its files are in the system's cache.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.bars import Bar, draw_bars
from benchmarks.figures import Spread, table
from benchmarks.part import Effort, Outcome, Part, Told
from benchmarks.scenarios.servers import (
    HOST,
    SERVING,
    BrokenError,
    clean_environment,
    data_folder,
    free_port,
    on_core,
    processor_time,
    weir,
)
from benchmarks.targets import Reached

PROJECT = Path(__file__).resolve().parent.parent
SIZES = (0, 1_000, 10_000)
SOURCES = 100
"""Different sources of CEL among the specs."""
PICTURE = "start-up.svg"
TITLE = "Start-up"
IMPORTS = (
    "import uvloop, engine.cli.main, engine.cli.start, engine.daemon.languages, engine.store.sqlite; "
    "from engine.graph.scheme import Scheme; Scheme.installed()"
)
YAML = "import sys, yaml; specs = yaml.load(open(sys.argv[1]), yaml.CSafeLoader)"
MEMORY = "; import os; os.write(1, open('/proc/self/statm', 'rb').read())"
"""At the end of a floor: what it holds. The system's own figure for the most it has held begins with what its parent has."""


@dataclass(frozen=True, slots=True)
class Start:
    """What it took until it was ready: seconds, seconds of processor time, and bytes of resident memory then."""

    took: float
    used: float
    memory: float


def part() -> Part:
    """The part."""
    return Part(
        name="start",
        title=TITLE,
        text=(
            "`weir start` on SQLite, from the start of its process until it serves, on one core. Half of the specs are texts and "
            "routers, half are CEL of some 30 characters from 100 different sources. Below, a change of one of them."
        ),
        takes=110,
        run=run,
    )


def run(effort: Effort, told: Told) -> Outcome:
    """Start it with few and many specs in turns, and the floors between."""
    sizes = (0, 100, 1_000) if effort.quick else SIZES
    found: dict[str, list[Start]] = {}
    with TemporaryDirectory(prefix="weir-bench-", dir=data_folder()) as name:
        folder = Path(name)
        told("specs are written to the stores")
        for size in sizes:
            asyncio.run(fill(folder / f"{size}.db", size))
        (folder / "specs.yaml").write_text(as_yaml(sizes[-1]), encoding="utf-8")
        floors = {
            "the imports alone (floor)": [sys.executable, "-c", IMPORTS + MEMORY],
            f"libyaml on {sizes[-1]:,} specs": [sys.executable, "-c", YAML + MEMORY, str(folder / "specs.yaml")],
        }
        for words in floors.values():
            ended(words)  # brings the files into the cache
        for number in range(effort.times(5, quick=1)):
            told(f"round {number + 1}")
            for title, words in floors.items():
                found.setdefault(title, []).append(ended(words))
            for size in sizes:
                found.setdefault(title_of(size), []).append(started(folder, size))
        told("one change")
        reload = reload_table([size for size in sizes if size], times=5 if effort.quick else 20)
    return outcome(found, reload)


def title_of(size: int) -> str:
    """What a row of so many specs is called."""
    return f"`weir start`, {size:,} specs" if size else "`weir start`, no specs"


def specs(size: int) -> Iterator[dict[str, Any]]:
    """So many specs."""
    for index in range(size):
        name = f"n{index}"
        if index % 2:
            code = f"self.price * {index % (2 * SOURCES) + 100} > limit + 17"
            spec: dict[str, Any] = {"kind": "snippet", "name": name, "language": "cel", "code": code}
            if index % 20 != 1:
                spec["ports"] = {"out": [{"name": f"n{index - 2}"}]}
        elif index % 4:
            spec = {
                "kind": "router",
                "name": name,
                "routes": [
                    {"method": "GET", "path": f"/{name}/:id", "port": "out[0]"},
                    {"method": "POST", "path": f"/{name}", "port": "out[1]"},
                ],
                "ports": {"out[0]": [{"name": f"n{index - 1}"}], "out[1]": [{"name": f"n{index - 2}"}]},
            }
        else:
            spec = {"kind": "snippet", "name": name, "language": "text", "code": f"the text of {name}"}
        yield spec


def as_yaml(size: int) -> str:
    """The same as one file."""
    import yaml

    text: str = yaml.dump(list(specs(size)), Dumper=yaml.CSafeDumper, sort_keys=False)
    return text


async def fill(file: Path, size: int) -> None:
    """Write so many specs to a new store."""
    from engine.spec.model import parse_spec
    from engine.store.protocol import PutSpec
    from engine.store.url import open_store

    async with open_store(f"sqlite:///{file}") as store:
        if size:
            await store.apply([PutSpec(parse_spec(spec)) for spec in specs(size)])


def started(folder: Path, size: int) -> Start:
    """Start a daemon, wait until it says that it serves, and kill it. Raises :class:`BrokenError` when it does not."""
    environment = clean_environment() | {
        "WEIR_ADMIN_LISTEN": f"{HOST}:{free_port()}",
        "WEIR_LOG_FORMAT": "json",
        "WEIR_LOG_LEVEL": "info",
    }
    config = folder / "weir.yaml"
    config.write_text("namespace: default\n", encoding="utf-8")
    command = weir("start", "--config", str(config), "--store", f"sqlite:///{folder}/{size}.db")
    with on_core(SERVING):
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                took = time.perf_counter() - began
                event = read_event(line)
                if event.get("event") == "daemon.started":
                    return Start(took, processor_time(process.pid), resident(process.pid))
                if event.get("level") != "info":
                    raise BrokenError(f"the daemon with {size:,} specs complains: {line.strip()}")
        finally:
            process.kill()
    raise BrokenError(f"the daemon with {size:,} specs has ended with {process.returncode}")


def read_event(line: str) -> dict[str, Any]:
    """A line of the log; an empty map for one that is none, such as a traceback."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def resident(pid: int) -> int:
    """Bytes of resident memory of a process."""
    return _resident(Path(f"/proc/{pid}/statm").read_text(encoding="ascii"))


def _resident(statm: str) -> int:
    return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def ended(words: Sequence[str]) -> Start:
    """The same of a floor, which ends by itself and tells what it holds. Raises :class:`BrokenError` when it fails."""
    with on_core(SERVING):
        began = time.perf_counter()
        process = subprocess.Popen(words, cwd=PROJECT, env=clean_environment(), stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        with process.stdout as output:
            told = output.read()
        _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BrokenError(f"a floor ends with {process.returncode}: {words}")
    return Start(took, usage.ru_utime + usage.ru_stime, _resident(told))


def reload_table(sizes: Sequence[int], *, times: int) -> str:
    """What one change takes, in a daemon that does nothing else. See :mod:`benchmarks.reload.latency`."""
    import uvloop

    from benchmarks.reload.latency import measure
    from benchmarks.reload.report import latency_report

    return latency_report([uvloop.run(measure(size, times=times)) for size in sizes])


def reached(found: Mapping[str, Sequence[Start]]) -> dict[str, Reached]:
    """The figure of the target; none where a quick run has left out the most specs."""
    starts = found.get(title_of(SIZES[-1]))
    if starts is None:
        return {}
    used = Spread.of(each.used for each in starts).median
    return {"start": Reached(Spread.of(each.took for each in starts), f"{used:.2f} s of the processor")}


def outcome(found: Mapping[str, Sequence[Start]], reload: str) -> Outcome:
    """The tables, the picture and the target."""
    rounds = len(next(iter(found.values())))
    rows = [
        [
            title,
            f"{Spread.of(each.took for each in starts).text()} s",
            f"{Spread.of(each.used for each in starts).text()} s",
            f"{Spread.of(each.memory for each in starts).median / 2**20:.0f} MiB",
        ]
        for title, starts in found.items()
    ]
    bars = [
        Bar(
            title.replace("`", ""),
            Spread.of(each.took for each in starts),
            "weir" if title.startswith("`weir") else "floor",
        )
        for title, starts in found.items()
    ]
    head = [f"one core, {rounds} rounds", "until ready (least to most)", "processor time", "resident memory"]
    text = f"{table(head, rows)}\n\n{reload}\n\n![{TITLE}](pictures/{PICTURE})"
    return Outcome(text, reached(found), {PICTURE: draw_bars(TITLE, bars, unit="seconds", form=".2f")})
