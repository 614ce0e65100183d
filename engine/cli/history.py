"""`weir history`: every revision of a spec, who wrote it and why, and which one the daemons run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from engine.cli import table
from engine.cli.completing import complete_names
from engine.cli.connection import Connection, connection_options, run
from engine.cli.console import Console, color_option, pass_console
from engine.cli.past import Past, read_past
from engine.cli.shown import as_json
from engine.cli.states import served
from engine.spec.yaml import dump
from engine.store.change import HistoryEntry
from engine.store.instance import Instance


@click.command("history")
@click.argument("name", metavar="NAME", shell_complete=complete_names)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "wide", "json", "yaml", "name"]),
    default="table",
    help="json and yaml have the documents too; name is the numbers alone.",
)
@connection_options
@color_option
@pass_console
def command(console: Console, *, connection: Connection, name: str, limit: int | None, output: str) -> int:
    """Show every revision of the spec NAME (or KIND/NAME, or its id), newest first.

    Deletions are among them, and what earlier specs of that name were. RUNNING tells how many of the daemons run a
    revision. `weir diff NAME --revision N` shows what has changed since one, `weir rollback NAME --to N` goes back.
    """
    return run(_history(console, connection, name, limit=limit, output=output))


async def _history(console: Console, connection: Connection, name: str, *, limit: int | None, output: str) -> int:
    async with connection.target() as target:
        past = await read_past(target, connection.namespace, name, limit=limit)
        instances = await target.instances(connection.namespace) if output != "name" else []
    if output == "name":
        console.data("".join(f"{entry.revision}\n" for entry in past.entries))
    elif output in ("json", "yaml"):
        forms = [_form(entry, past.entries, instances) for entry in past.entries]
        console.data(dump(forms) if output == "yaml" else as_json(forms))
    else:
        for line in _lines(past, instances, wide=output == "wide"):
            console.write(line)
    return 0


def _lines(past: Past, instances: Sequence[Instance], *, wide: bool) -> list[str]:
    now = datetime.now(UTC)
    more = ["NAME", "ID"] if wide else []
    header = ["REVISION", "ACTION", "TIME" if wide else "AGE", "AUTHOR", "RUNNING", *more, "MESSAGE"]
    rows = []
    for entry in past.entries:
        count = _running(entry, past.entries, instances)
        rows.append(
            [
                str(entry.revision),
                "deleted" if entry.action == "delete" else "written",
                entry.time.isoformat(timespec="seconds") if wide else table.age(now - entry.time),
                entry.author or "-",
                f"{count}/{len(instances)}" if count else "-",
                *([entry.name or "-", entry.id] if wide else []),
                entry.message or "",
            ]
        )
    return table.render(header, rows)


def _form(entry: HistoryEntry, entries: Sequence[HistoryEntry], instances: Sequence[Instance]) -> dict[str, Any]:
    """A revision for machines: as the admin API has it, and how many daemons there are and run it."""
    return {**entry.to_json(), "running": _running(entry, entries, instances), "daemons": len(instances)}


def _running(entry: HistoryEntry, entries: Sequence[HistoryEntry], instances: Sequence[Instance]) -> int:
    if entry.action == "delete":
        return 0
    revisions = [each.revision for each in entries if each.id == entry.id]
    return sum(served(entry.id, revisions, instance) == entry.revision for instance in instances)
