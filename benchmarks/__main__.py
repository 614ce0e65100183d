"""`python -m benchmarks`: every comparison in turn, as one Markdown report with targets, pictures and the machine's facts.

    python -m benchmarks [PART ...] [--peers] [--write] [--rounds N] [--quick] [--list]

Without a part it runs all the usual ones. With `--write` each part that is done replaces its section of
benchmarks/RESULTS.md, its pictures and its rows in the table of targets; all the others stay as they were. The sections about reload have a target of their own, `make bench-reload`.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta

from benchmarks import help as help_part
from benchmarks import older, peers, rated, startup, waiting
from benchmarks.part import Effort, MissingError, Outcome, Part, Told
from benchmarks.results import (
    PICTURES,
    RESULTS,
    in_order,
    machine,
    read_results,
    section_of,
    today,
    with_preface,
    with_section,
)
from benchmarks.scenarios.servers import BrokenError
from benchmarks.targets import TITLE, targets_table

PREFACE = (
    "# Results\n\nMade by `make bench`; `make bench PART=crud` measures one part and leaves the others as they are. Every "
    "figure is the median of several rounds, with the least and the most where they tell something. A shared machine moves "
    "rates by as much as a third from run to run; what counts are the ratios, which are taken within a round, and those of "
    "processor time more than those of the clock."
)
INSTALL = {
    "wrk": "apt-get install wrk",
    "node": "apt-get install nodejs",
    "npm": "apt-get install npm",
}


def all_parts() -> dict[str, Part]:
    """Every part by its name, in the order of the report."""
    found = [
        *rated.parts(),
        peers.part(),
        waiting.part(),
        startup.part(),
        help_part.part(),
        *older.parts(),
    ]
    return {each.name: each for each in found}


def main(arguments: Sequence[str] | None = None) -> int:
    parts = all_parts()
    options = parser(parts).parse_args(arguments)
    if options.list:
        print("\n".join(f"{each.name:12} {each.takes:4} s  {each.title}" for each in parts.values()))
        return 0
    unknown = [name for name in options.parts if name not in parts]
    if unknown:
        print(f"no part {unknown[0]!r}: there are {', '.join(parts)}", file=sys.stderr)
        return 2
    names = options.parts or [name for name, each in parts.items() if each.usual]
    chosen = [each for name, each in parts.items() if name in names or (name == "peers" and options.peers)]
    left_out = [each for each in chosen if not each.usual and missing_programs([each])]
    if left_out and len(left_out) < len(chosen):
        print(f"{left_out[0].name} is left out: {', '.join(missing_programs(left_out))} is missing", file=sys.stderr)
        chosen = [each for each in chosen if each not in left_out]
    lacking = what_is_lacking(chosen)
    if lacking:
        print(lacking, file=sys.stderr)
        return 1
    if options.quick and options.write:
        print("a quick run is no result: leave out --quick or --write", file=sys.stderr)
        return 2
    return run(chosen, Effort(rounds=options.rounds, quick=options.quick), write=options.write)


def parser(parts: dict[str, Part]) -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    found.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(parts)}")
    found.add_argument("--write", action="store_true", help="write benchmarks/RESULTS.md and the pictures")
    found.add_argument("--peers", action="store_true", help="Node-RED from npm, too: the part `peers`")
    found.add_argument("--rounds", type=positive, help="how many rounds, instead of each part's own number")
    found.add_argument("--quick", action="store_true", help="a little of everything, to see that it works")
    found.add_argument("--list", action="store_true", help="show the parts, and how long they take")
    return found


def positive(text: str) -> int:
    """A number of rounds."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rounds")
    return int(text)


def missing_programs(chosen: Sequence[Part]) -> list[str]:
    """Programs that these parts need and the path has not."""
    needed = {program for part in chosen for program in part.programs}
    return sorted(program for program in needed if shutil.which(program) is None)


def what_is_lacking(chosen: Sequence[Part]) -> str | None:
    """Why these parts cannot run here, and what to do; None if they can."""
    if sys.platform != "linux":
        return "the benchmarks read the clocks and the memory of processes as Linux has them: run them in a container"
    missing = missing_programs(chosen)
    if not missing:
        return None
    lines = [f"{program} is missing: {INSTALL[program]}" for program in missing]
    able = [name for name, part in all_parts().items() if part.usual and not set(part.programs) & set(missing)]
    return "\n".join([*lines, f"without it there are the parts {', '.join(able)}"])


def run(chosen: Sequence[Part], effort: Effort, *, write: bool) -> int:
    """Run the parts, print the sections, and go on where one of them fails. The exit code."""
    total = timedelta(seconds=sum(part.takes for part in chosen))
    say(f"{len(chosen)} parts, about {total} in all" + (", less as it is quick" if effort.quick else ""))
    failed: list[str] = []
    report = read_results()
    for number, part in enumerate(chosen):
        head = f"[{number + 1}/{len(chosen)}] {part.name}"
        here = machine()
        say(f"{head}: about {part.takes} s")
        began = time.monotonic()
        try:
            outcome = part.run(effort, progress(head))
        except (MissingError, BrokenError, subprocess.CalledProcessError) as error:
            failed.append(part.name)
            say(f"{head}: {error}")
            continue
        say(f"{head}: took {time.monotonic() - began:.0f} s")
        report = with_outcome(read_results() if write else report, part, outcome, here)
        print(f"## {part.title}\n\n{section_of(report, part.title)}\n", flush=True)
        if write:
            # At once: what has been measured stays when a later part fails.
            RESULTS.write_text(report, encoding="utf-8")
            PICTURES.mkdir(exist_ok=True)
            for name, picture in outcome.pictures.items():
                (PICTURES / name).write_text(picture, encoding="utf-8")
    if len(failed) < len(chosen):
        print(f"## {TITLE}\n\n{section_of(report, TITLE)}")
    if failed:
        say(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def with_outcome(report: str, part: Part, outcome: Outcome, here: str) -> str:
    """The report with the section of a part, and its rows in the table of targets."""
    targets = targets_table(section_of(report, TITLE), outcome.targets, day=today())
    report = with_section(with_preface(report, PREFACE), TITLE, targets, first=True)
    report = with_section(report, part.title, f"{part.text}\n\nMeasured {here}.\n\n{outcome.text}")
    return in_order(report, [TITLE, *(each.title for each in all_parts().values())])


def say(text: str) -> None:
    """A line about what goes on, in the place of what :func:`progress` has shown."""
    print(f"\033[K{text}" if sys.stderr.isatty() else text, file=sys.stderr, flush=True)


def progress(head: str) -> Told:
    """Shows how far a part has come, on a terminal: a log has no use for it."""

    def told(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{head}: {text}", end="\r", file=sys.stderr, flush=True)

    return told


def end(_number: int, _frame: object) -> None:
    """End as Ctrl-C does, so that the servers end, too."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nstopped; sections that were measured before are kept", file=sys.stderr)
        sys.exit(130)
