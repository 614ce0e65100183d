"""How long `weir --help` takes, beside an interpreter that does nothing, and one that imports click."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bars import Bar, draw_bars
from benchmarks.figures import Spread, table
from benchmarks.part import Effort, Outcome, Part, Told
from benchmarks.scenarios.servers import SERVING, BrokenError, clean_environment, on_core
from benchmarks.targets import Reached

PROJECT = Path(__file__).resolve().parent.parent
PICTURE = "help.svg"
TITLE = "`weir --help`"


@dataclass(frozen=True, slots=True)
class Command:
    """A command line that is run again and again."""

    title: str
    words: tuple[str, ...]
    part: str


def commands() -> dict[str, Command]:
    """What is compared. The script `weir` is what people call; without it, the module that it calls."""
    script = Path(sys.executable).with_name("weir")
    words = (str(script),) if script.exists() else (sys.executable, "-m", "engine.cli")
    return {
        "floor": Command("`python -c pass` (floor)", (sys.executable, "-c", "pass"), "floor"),
        "click": Command("`python -c 'import click'`", (sys.executable, "-c", "import click"), "hand"),
        "weir": Command("`weir --help`", (*words, "--help"), "weir"),
    }


def part() -> Part:
    """The part."""
    text = "From the start of the process to its end, one core, the commands in turns. The files are in the system's cache."
    return Part(name="help", title=TITLE, text=text, takes=8, run=run)


def run(effort: Effort, told: Told) -> Outcome:
    """Run each so many times, in turns."""
    compared = commands()
    took: dict[str, list[float]] = {name: [] for name in compared}
    used: dict[str, list[float]] = {name: [] for name in compared}
    for command in compared.values():
        timed(command.words)  # brings the files into the cache, and compiles what is not compiled
    for number in range(effort.times(20, quick=3)):
        told(f"round {number + 1}")
        for name, command in compared.items():
            wall, processor = timed(command.words)
            took[name].append(wall)
            used[name].append(processor)
    return outcome(compared, took, used)


def outcome(
    compared: Mapping[str, Command], took: Mapping[str, Sequence[float]], used: Mapping[str, Sequence[float]]
) -> Outcome:
    """The table of the seconds that each took, and used of the processor."""
    rounds = len(took["weir"])
    rows = [
        [
            command.title,
            f"{Spread.of(took[name]).times(1000).text('.0f')} ms",
            f"{Spread.of(used[name]).median * 1000:.0f} ms",
        ]
        for name, command in compared.items()
    ]
    spread = Spread.of(took["weir"]).times(1000)
    processor = Spread.of(used["weir"]).median * 1000
    bars = [
        Bar(command.title.replace("`", ""), Spread.of(took[name]).times(1000), command.part)
        for name, command in compared.items()
    ]
    text = table([f"{rounds} rounds", "time (least to most)", "processor time"], rows)
    picture = draw_bars("weir --help", bars, unit="milliseconds")
    return Outcome(
        f"{text}\n\n![weir --help](pictures/{PICTURE})",
        {"help": Reached(spread, f"{processor:.0f} ms of the processor")},
        {PICTURE: picture},
    )


def timed(words: Sequence[str]) -> tuple[float, float]:
    """Seconds that a command took, and seconds of processor time. Raises :class:`BrokenError` when it fails."""
    with on_core(SERVING):
        began = time.perf_counter()
        process = subprocess.Popen(
            words, cwd=PROJECT, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BrokenError(f"{' '.join(words)} ends with {process.returncode}")
    return took, usage.ru_utime + usage.ru_stime
