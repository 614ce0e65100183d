"""`python -m benchmarks`: every benchmark in turn, as one Markdown report with the machine's facts.

    python -m benchmarks [--write]

With `--write` the report goes to benchmarks/RESULTS.md. The sections about reload take ten minutes and have a target of
their own, `make bench-reload`; here they stay as its last run has left them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.results import RESULTS, machine, read_results, section_of

HERE = Path(__file__).resolve().parent
TITLES = {
    "kernel": ("The kernel", "What a hop, a process and a reload cost, beside what plain Python takes for the same."),
    "cel": (
        "CEL",
        (
            "Typical expressions on requests with 0, 10 and 1,000 items, beside the same by hand in Python and beside other "
            "libraries. Processor time. A dash: that library does not know the expression or finds something else."
        ),
    ),
    "javascript": (
        "JavaScript",
        (
            "A function that sums up an order and lists its dear articles, on V8 beside the event loop and on QuickJS within "
            "it, and the same in Python. Below, what one more program costs."
        ),
    ),
    "ping": (
        "HTTP",
        (
            "A listener, a router and a snippet that answers with a text, beside aiohttp with the same answer. Server and "
            "load generator have a core each; the servers are measured in turns, and ratios are taken per round."
        ),
    ),
}
KEPT = ("Reload under load", "Reload without load")
"""Sections that are made by `python -m benchmarks.reload --write`."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write benchmarks/RESULTS.md")
    options = parser.parse_args()
    parts = [
        "# Results",
        (
            "Made by `make bench`. The machine is shared, and its figures move from run to run by as much as a third; what "
            "counts are the ratios, taken within one run."
        ),
        f"Measured {machine()}.",
    ]
    for name, (title, text) in TITLES.items():
        if name == "ping" and shutil.which("wrk") is None:
            print("without wrk there is no HTTP benchmark: apt-get install wrk", file=sys.stderr)
            continue
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        table = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True).stdout.strip()
        parts += [f"## {title}", text, table]
    before = read_results()
    for title in KEPT:
        kept = section_of(before, title)
        if kept is None:
            print(f"there is no section {title!r} yet: make bench-reload", file=sys.stderr)
        else:
            parts += [f"## {title}", kept]
    report = "\n\n".join(parts) + "\n"
    print(report)
    if options.write:
        RESULTS.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
