"""`python -m benchmarks`: every benchmark in turn, as one Markdown report with the machine's facts.

    python -m benchmarks [--write]

With `--write` the report goes to benchmarks/RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
TITLES = {
    "kernel": ("The kernel", "What a hop, a process and a reload cost, beside what plain Python takes for the same."),
    "ping": (
        "HTTP",
        (
            "A listener, a router and a snippet that answers with a text, beside aiohttp with the same answer. Server and "
            "load generator have a core each; the servers are measured in turns, and ratios are taken per round."
        ),
    ),
}


def machine() -> str:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} on {os.cpu_count()} cores ({model}), "
        f"{platform.python_implementation()} {platform.python_version()}, load {os.getloadavg()[0]:.1f} before the run"
    )


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
    report = "\n\n".join(parts) + "\n"
    print(report)
    if options.write:
        (HERE / "RESULTS.md").write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
