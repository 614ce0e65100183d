"""`weir store rotate`: all values, sealed anew with the first key of the config."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import click

from engine.cli.connection import run
from engine.cli.console import Console, color_option, pass_console
from engine.cli.shown import as_json
from engine.cli.store.meter import Meter
from engine.cli.store.named import named, read_config
from engine.errors import Diagnostic
from engine.store.protocol import Store


@dataclass(slots=True)
class _Tally:
    """What came of the parts so far."""

    sealed: int = 0
    current: int = 0
    problems: list[Diagnostic] = field(default_factory=list)
    left: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "sealed": self.sealed,
            "current": self.current,
            "problems": [problem.to_json() for problem in self.problems],
            "left": self.left,
        }


@click.command("rotate")
@click.option("--store", metavar="URL", help="The store; without it, that of the config.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to tell what was done.")
@click.option(
    "--config", metavar="FILE", help="The config to use: `values.key` has the new key first, then older ones."
)
@color_option
@pass_console
def command(console: Console, *, store: str | None, output: str, config: str | None) -> int:
    """Seal all values with the first key that `values.key` names; the others, and the key file beside a SQLite store, open.

    To change a key: name the new one first and the old one after it, in the config of every daemon, and restart them; run
    this; then take the old one out. Values that an older version has left plain are sealed, too.

    Nothing changes for those who use the values: no revision, no reload. It may be stopped at any time and run again.
    Exit codes: 0 done, 1 some values could not be opened, and are as they were.
    """
    settings = read_config(console, config, store=store)
    return run(_rotate(console, named(settings.store.url, settings), output=output))


async def _rotate(console: Console, store: Store, *, output: str) -> int:
    tally = _Tally()
    after: str | None = None
    with Meter(console) as meter:
        async with store:
            while True:
                part = await store.rotate(after)
                tally.sealed += part.sealed
                tally.current += part.current
                tally.problems += part.problems
                tally.left = part.left
                done = tally.sealed + tally.current + len(tally.problems)
                after = part.after
                meter.tell("sealing", done, 0)
                if after is None:
                    break
    for problem in tally.problems:
        console.fail(problem.message, problem.hint)
    if tally.left is not None:
        console.warn(tally.left, "run it again later")
    if output == "json":
        console.data(as_json(tally.to_json()))
    else:
        rest = f"; {len(tally.problems)} could not be opened" if tally.problems else ""
        console.write(f"{tally.sealed} sealed anew, {tally.current} were sealed with the first key already{rest}")
    return 1 if tally.problems else 0
