"""What trials and latencies come to, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from benchmarks.reload.latency import Latency
from benchmarks.reload.picture import draw
from benchmarks.reload.trial import Outcome

PICTURE = "reload-memory.svg"

WAYS = {
    "store": "a transaction of the store, from its commit",
    "admin": "a PATCH of the admin API, from the request",
}
ROWS = 20
"""How many rows the table of memory has, at most."""


def percentile(values: Iterable[float], part: float) -> float:
    """The value that `part` of them (0 to 1) do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def milliseconds(values: Sequence[float]) -> str:
    """Three cells: p50, p99 and the greatest."""
    found = (percentile(values, 0.5), percentile(values, 0.99), max(values))
    return " | ".join(f"{each * 1000:.1f} ms" for each in found)


def trial_report(outcome: Outcome) -> str:
    """A trial: what went wrong, how long changes took, what the daemon held."""
    return "\n\n".join([_verdict(outcome), _latencies(outcome), _memory(outcome), _census(outcome)])


def latency_report(latencies: Iterable[Latency]) -> str:
    """Latencies without load."""
    rows = ["| one node of a table without load | changes | p50 | p99 | most |", "| --- | ---: | ---: | ---: | ---: |"]
    for each in latencies:
        rows.append(f"| {each.size:,} specs, commit to live | {len(each.live)} | {milliseconds(each.live)} |")
        rows.append(
            f"| {each.size:,} specs, event to published | {len(each.published)} | {milliseconds(each.published)} |"
        )
    return "\n".join(rows)


def picture(outcome: Outcome) -> str:
    """Memory over changes, as SVG."""
    points = [(float(sample.changes), sample.rss / 1024) for sample in outcome.samples]
    title = f"Resident memory over {outcome.options.changes:,} changes under load"
    return draw(title, points, across="changes", unit="MiB")


def complaint(outcome: Outcome) -> str:
    """What was wrong, for whoever has to find out why."""
    lines = [f"{kind}: {example}" for kind, examples in outcome.tally.examples.items() for example in examples]
    lines += outcome.problems
    lines += [f"log: {event}" for event in outcome.complaints[:20]]
    if outcome.exit_code:
        lines.append(f"the daemon has ended with {outcome.exit_code}")
    return "\n".join(lines)


def _verdict(outcome: Outcome) -> str:
    tally, options, broken = outcome.tally, outcome.options, outcome.breakage
    took = timedelta(seconds=round(outcome.seconds))
    return "\n".join(
        [
            (
                f"{options.changes:,} changes ({outcome.hows['store']:,} by the store, {outcome.hows['admin']:,} by the admin "
                f"API), one every {outcome.seconds / options.changes * 1000:.0f} ms on the average where {options.interval * 1000:g} ms "
                f"were asked for, {options.clients} clients without a pause and 2 with pauses, "
                f"seed {options.seed}, {took}."
            ),
            "",
            "| answers | per second | failed | hung | mixed | stale | closed idle | sent away |",
            "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            (
                f"| {tally.answered:,} | {tally.answered / outcome.seconds:,.0f} | {tally.failed} | {tally.hung} "
                f"| {tally.mixed} | {tally.stale} | {tally.closed_idle} | {tally.sent_away} |"
            ),
            "",
            (
                f"{broken.stored} times a spec was broken in the store: told of {broken.reported} times, with {broken.answers:,} "
                f"answers by the revision before meanwhile. {broken.refused} times the admin API refused a broken one."
            ),
        ]
    )


def _latencies(outcome: Outcome) -> str:
    rows = [
        "| under this load, until the first answer | changes | p50 | p99 | most |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for way, title in WAYS.items():
        if times := outcome.latencies.get(way):
            rows.append(f"| {title} | {len(times):,} | {milliseconds(times)} |")
    return "\n".join(rows)


def _memory(outcome: Outcome) -> str:
    samples = outcome.samples
    every = -(-len(samples) // ROWS)
    shown = [sample for index, sample in enumerate(samples) if index % every == 0 or sample is samples[-1]]
    rows = [
        "| changes | resident memory | open files | threads | live generations | tasks |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    rows += [
        f"| {sample.changes:,} | {sample.rss / 1024:.1f} MiB | {sample.fds} | {sample.threads} "
        f"| {sample.generations} | {sample.tasks} |"
        for sample in shown
    ]
    return "\n".join(rows)


def _census(outcome: Outcome) -> str:
    before, after = outcome.samples[0], outcome.samples[-1]
    rows = ["| alive in the daemon | before the load | after it |", "| --- | ---: | ---: |"]
    rows += [f"| {name} | {outcome.before.get(name, 0)} | {count} |" for name, count in outcome.after.items()]
    rows.append(f"| open files | {before.fds} | {after.fds} |")
    rows.append(f"| threads | {before.threads} | {after.threads} |")
    rows.append(f"| resident memory | {before.rss / 1024:.1f} MiB | {after.rss / 1024:.1f} MiB |")
    return "\n".join(rows)
