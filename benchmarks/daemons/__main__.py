"""The command. See the package."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.daemons import __doc__ as story
from benchmarks.daemons.report import size_report, trial_report
from benchmarks.daemons.size import measure
from benchmarks.daemons.trial import Options, run_trial
from benchmarks.mongod import REPLICA_SET, find_mongod, mongods
from benchmarks.reload.__main__ import run
from benchmarks.results import machine, write_section

TITLE = "Several daemons on MongoDB"
SIZE_TITLE = "Many specs on MongoDB"
EXPLAINED = (
    "Daemons on one MongoDB replica set of one member, all on this machine with the server and the writers; each is asked all the "
    "time besides. The logs tell which revisions came out of each daemon's watch, and when a generation was published; every "
    "revision must be there once, in order. Made by `python -m benchmarks.daemons --write`."
)
SIZE_EXPLAINED = (
    "One daemon with many specs on MongoDB: chains of ten CEL snippets, a listener, and one snippet that changes. Made by "
    "`python -m benchmarks.daemons --size 10000 --write`."
)


@contextmanager
def store(url: str | None) -> Iterator[str]:
    """The URL of an empty store: the one that was given, or one on a server that is started now."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="weir-mongod-") as folder, mongods(find_mongod(), Path(folder)) as start:
        yield f"{start(*REPLICA_SET).url}/weir"


def main() -> None:
    usual = Options()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.daemons", description=(story or "").splitlines()[0])
    parser.add_argument("--applies", type=int, default=usual.applies)
    parser.add_argument("--daemons", type=int, default=usual.daemons)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--size", type=int, help="one daemon with so many specs, instead")
    parser.add_argument("--store", metavar="URL", help="an empty database; left out, a server is started")
    parser.add_argument("--write", action="store_true", help="put the section into benchmarks/RESULTS.md")
    options = parser.parse_args()
    here = machine()
    with store(options.store) as url:
        if options.size is not None:
            size = run(measure(options.size, url))
            title, explained, report, problems = SIZE_TITLE, SIZE_EXPLAINED, size_report(size), size.problems
        else:
            trial = Options(applies=options.applies, daemons=options.daemons, seed=options.seed)
            outcome = run(run_trial(trial, url))
            title, explained, report, problems = TITLE, EXPLAINED, trial_report(outcome), outcome.problems
    report = f"Measured {here}.\n\n{report}"
    print(report)
    for problem in problems[:20]:
        print(problem, file=sys.stderr)
    if options.write:
        write_section(title, f"{explained}\n\n{report}")
    if problems:
        sys.exit(1)


if __name__ == "__main__":
    main()
