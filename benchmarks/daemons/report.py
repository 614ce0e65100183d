"""What trials and sizes come to, as Markdown."""

from __future__ import annotations

from benchmarks.daemons.size import Size
from benchmarks.daemons.trial import WAYS, Outcome
from benchmarks.reload.report import milliseconds


def trial_report(outcome: Outcome) -> str:
    """A trial: what went wrong, and how long changes took."""
    options = outcome.options
    generations = ", ".join(f"{each:,}" for each in outcome.generations)
    lines = [
        (
            f"{options.applies:,} applies with {outcome.revisions:,} revisions in {outcome.seconds:.0f} s, {options.daemons} "
            f"daemons, seed {options.seed}. Revisions that did not reach a daemon, or not in order, and requests that were not "
            f"answered: {len(outcome.problems)}, of {outcome.revisions * options.daemons:,} and {outcome.answers:,}. "
            f"Generations that the daemons have published: {generations}."
        ),
        "",
        "| from the commit to the generation that shows it | applies | p50 | p99 | most |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for way, title in WAYS.items():
        for number, times in enumerate(outcome.latencies.get(way, ())):
            lines.append(f"| {title}, daemon {number + 1} | {len(times):,} | {milliseconds(times)} |")
    lines += ["", "| the write itself, until the store answers | applies | p50 | p99 | most |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    lines += [
        f"| {title} | {len(outcome.writes[way]):,} | {milliseconds(outcome.writes[way])} |"
        for way, title in WAYS.items()
        if way in outcome.writes
    ]
    return "\n".join(lines)


def size_report(size: Size) -> str:
    """A daemon with many specs."""
    before, after = (each / 1024 for each in size.rss)
    return "\n".join(
        [
            f"| {size.specs:,} specs on MongoDB | |",
            "| --- | ---: |",
            f"| start of the daemon, until it serves | {size.start:.1f} s |",
            f"| of that, from the open store to the first generation | {size.first_generation:.1f} s |",
            f"| processor time that the start takes | {size.processor:.1f} s |",
            f"| resident memory after the start | {before:.0f} MiB |",
            f"| resident memory after {len(size.reloads):,} reloads of one spec | {after:.0f} MiB |",
            "",
            "| reload of one, from the commit to the generation | changes | p50 | p99 | most |",
            "| --- | ---: | ---: | ---: | ---: |",
            f"| {size.specs:,} specs | {len(size.reloads)} | {milliseconds(size.reloads)} |",
        ]
    )
