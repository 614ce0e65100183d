"""The parts that are programs of their own: the kernel, CEL, JavaScript. Each prints its table."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.part import Effort, Outcome, Part, Told

PROJECT = Path(__file__).resolve().parent.parent


def parts() -> list[Part]:
    """The programs, as parts."""
    return [
        Part(
            name="kernel",
            title="The kernel",
            text="What a hop, a process and a reload cost, beside what plain Python takes for the same.",
            takes=20,
            run=partial(run, "kernel"),
        ),
        Part(
            name="cel",
            title="CEL",
            text=(
                "Typical expressions on requests with 0, 10 and 1,000 items, beside the same by hand in Python and beside "
                "other libraries. Processor time. A dash: that library does not know the expression or finds something else."
            ),
            takes=60,
            run=partial(run, "cel"),
        ),
        Part(
            name="javascript",
            title="JavaScript",
            text=(
                "A function that sums up an order and lists its dear articles, on V8 beside the event loop and on QuickJS "
                "within it, and the same in Python. Below, what one more program costs."
            ),
            takes=60,
            run=partial(run, "javascript"),
        ),
    ]


def run(name: str, effort: Effort, _told: Told) -> Outcome:
    """Run the program; what it prints is the section. Raises CalledProcessError, with what it has said, when it fails."""
    arguments: Sequence[str] = ["--quick", "--rounds", "2"] if effort.quick else []
    if effort.rounds is not None:
        arguments = ["--rounds", str(effort.rounds)]
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True)
    return Outcome(done.stdout.strip())
