"""`weir store check`: looks for damage in a store, and changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import click

from engine.cli.connection import run
from engine.cli.console import Console, color_option, pass_console
from engine.cli.shown import as_json
from engine.cli.store.meter import Meter
from engine.cli.store.named import named, read_config
from engine.cli.table import clean
from engine.store.check.checking import Checked
from engine.store.check.finding import Finding
from engine.store.protocol import Store
from engine.store.transfer.tally import amount

MOST: Final = 20
"""Findings of one kind that are shown to people, who can do without the ten thousandth of it."""

_SHADES: Final = {"error": "red", "warning": "yellow"}


@click.command("check")
@click.option("--store", metavar="URL", help="The store to check, if not that of the config.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="json has all findings.")
@click.option("--config", metavar="FILE", help="The config to use: its store, and the keys that open values.")
@color_option
@pass_console
def command(console: Console, *, store: str | None, output: str, config: str | None) -> int:
    """Look for damage in a store: in its file or its replica set, and in all that it holds.

    Each document is read and compared with its columns and its history; values are opened. Nothing is changed, and the
    store may be in use. Each finding has a code, says what it is about, and what to do. Exits 0 if nothing is damaged
    (there may be warnings), 1 if something is.
    """
    settings = read_config(console, config, store=store)
    return run(_check(console, named(settings.store.url, settings), output=output))


async def _check(console: Console, store: Store, *, output: str) -> int:
    from engine.store.check.checking import check

    with Meter(console) as meter:
        async with store.inspection() as inspection:
            checked = await check(inspection, tell=meter.tell)
    if output == "json":
        console.data(as_json(_form(store.url, checked)))
    else:
        for line in _lines(checked):
            console.write(line)
        console.write(_summary(store.url, checked))
    return 1 if checked.errors else 0


def _lines(checked: Checked) -> Iterator[str]:
    shown: Counter[str] = Counter()
    for finding in checked.findings:
        shown[finding.code] += 1
        if shown[finding.code] <= MOST:
            yield from _told(finding)
    for code, count in shown.items():
        if count > MOST:
            yield f"and {count - MOST:,} more {code}; -o json has them all"


def _told(finding: Finding) -> Iterator[str]:
    head = click.style(f"{finding.severity}:", fg=_SHADES[finding.severity], bold=True)
    yield f"{head} {finding.code} {clean(f'{finding.subject}: {finding.message}')}"
    yield f"  hint: {clean(finding.hint)}"


def _summary(url: str, checked: Checked) -> str:
    counts = [
        amount(checked.specs, "spec"),
        amount(checked.values, "value"),
        amount(checked.changes, "revision"),
        amount(checked.trials, "trial"),
        amount(checked.alive, "daemon"),
    ]
    if checked.dead:
        counts.append(f"{amount(checked.dead, 'row')} of dead daemons")
    warnings = len(checked.findings) - checked.errors
    verdict = f"{amount(checked.errors, 'error')}, {amount(warnings, 'warning')}" if checked.findings else "all is well"
    return f"{url} at revision {checked.glance.revision}: {', '.join(counts)}: {verdict}"


def _form(url: str, checked: Checked) -> dict[str, Any]:
    return {
        "store": url,
        "schema": checked.glance.schema,
        "revision": checked.glance.revision,
        "specs": checked.specs,
        "values": checked.values,
        "revisions": checked.changes,
        "trials": checked.trials,
        "instances": {"alive": checked.alive, "dead": checked.dead},
        "findings": [finding.to_json() for finding in checked.findings],
        "errors": checked.errors,
        "warnings": len(checked.findings) - checked.errors,
    }
