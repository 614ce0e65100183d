"""The command. See the package."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from benchmarks.reload import __doc__ as story
from benchmarks.reload.latency import SIZES, Latency, measure
from benchmarks.reload.report import PICTURE, complaint, latency_report, picture, trial_report
from benchmarks.reload.trial import Options, run_trial
from benchmarks.results import PICTURES, machine, write_section

TITLE = "Reload under load"
LATENCY_TITLE = "Reload without load"
EXPLAINED = (
    "Clients ask a real daemon as fast as they can while its specs change. A request *failed* if its answer is not 200 or does "
    "not come whole, *hung* without one, is *mixed* if no single transaction explains the answer, *stale* if an older one does "
    "than somebody has seen before; *closed idle* are connections that the daemon ended between two requests, *sent away* "
    "those that it asked the client to end. Made by `make bench-reload`."
)
LATENCY_EXPLAINED = (
    "One node of many changes, in a daemon that does nothing else. *Commit to live*: another process has written to the SQLite "
    "file, until the first answer that shows it; the daemon looks at the file every 25 ms. *Event to published*: the daemon "
    "has heard of it, until the new generation is current. Made by `make bench-reload`."
)

T = TypeVar("T")


def seconds(text: str) -> float:
    """`50ms`, `1.5s`, or a number of milliseconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 50ms or 1.5s")
    return float(found[1]) * (1.0 if found[2] == "s" else 0.001)


def run(main: Coroutine[Any, Any, T]) -> T:
    import uvloop

    return uvloop.run(main)


def load(options: Options, *, write: bool) -> bool:
    """Try it, print the report; whether all went well."""
    here = machine()
    outcome = run(run_trial(options))
    report = f"Measured {here}.\n\n{trial_report(outcome)}"
    print(report)
    if not outcome.good:
        print(complaint(outcome), file=sys.stderr)
    if write:
        PICTURES.mkdir(exist_ok=True)
        (PICTURES / PICTURE).write_text(picture(outcome), encoding="utf-8")
        write_section(TITLE, f"{EXPLAINED}\n\n{report}\n\n![Resident memory over the changes](pictures/{PICTURE})")
    return outcome.good


def latency(times: int, *, write: bool) -> None:
    here = machine()

    async def all_sizes() -> list[Latency]:
        return [await measure(size, times=times) for size in SIZES]

    report = f"Measured {here}.\n\n{latency_report(run(all_sizes()))}"
    print(report)
    if write:
        write_section(LATENCY_TITLE, f"{LATENCY_EXPLAINED}\n\n{report}")


def main() -> None:
    usual = Options()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reload", description=(story or "").splitlines()[0])
    parser.add_argument("--changes", type=int, default=usual.changes)
    parser.add_argument("--interval", type=seconds, default=usual.interval, metavar="TIME")
    parser.add_argument("--clients", type=int, default=usual.clients)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--sample", type=int, default=usual.sample, help="look at memory every so many changes")
    parser.add_argument("--latency", action="store_true", help="how long a change takes, without load")
    parser.add_argument("--times", type=int, default=200, help="changes that --latency makes")
    parser.add_argument("--write", action="store_true", help="put the section into benchmarks/RESULTS.md")
    options = parser.parse_args()
    if options.latency:
        latency(options.times, write=options.write)
        return
    trial = Options(
        changes=options.changes,
        interval=options.interval,
        clients=options.clients,
        seed=options.seed,
        sample=options.sample,
    )
    if not load(trial, write=options.write):
        sys.exit(1)


if __name__ == "__main__":
    main()
