"""`weir confirm`: what `apply --confirm` has written stays, or goes back at once."""

from __future__ import annotations

import click

from engine.cli import trials
from engine.cli.connection import Connection, author, connection_options, run
from engine.cli.console import Console, color_option, pass_console
from engine.cli.target import Target
from engine.errors import NotFoundError
from engine.store.trial import Reverted


@click.command("confirm")
@click.argument("id", required=False, metavar="[ID]")
@click.option("--revert", is_flag=True, help="Go back at once, instead of staying.")
@connection_options
@color_option
@pass_console
def command(console: Console, *, connection: Connection, id: str | None, revert: bool) -> int:
    """Confirm what `weir apply --confirm` has written on trial: the trial with this ID, or the only one there is.

    -n takes only trials of that namespace into account. With --revert it goes back as it would by itself; what somebody
    has changed since stays as it is, is told of, and makes the exit code 1.
    """
    return run(_end(console, connection, id, revert=revert))


async def _end(console: Console, connection: Connection, id: str | None, *, revert: bool) -> int:
    async with connection.target(author=author()) as target:
        if id is None:
            id = await _only(console, target, connection.namespace if connection.given else None)
        if id is None:
            return 1
        if revert:
            return _tell(console, await target.revert(id))
        trial = await target.confirm(id)
    console.write(f"trial {trial.id} confirmed")
    for spec in trial.specs:
        console.write(f"{spec.label} stays {'deleted' if spec.action == 'deleted' else f'at revision {spec.revision}'}")
    return 0


async def _only(console: Console, target: Target, namespace: str | None) -> str | None:
    """The id of the only trial; None if there are several, which are shown then. Raises NotFoundError if there is none."""
    found = await target.trials(namespace)
    if not found:
        where = f" in the namespace {namespace!r}" if namespace is not None else ""
        raise NotFoundError(f"nothing is on trial{where}", hint="it was confirmed, or has gone back: see the history")
    if len(found) == 1:
        return found[0].id
    console.fail(f"{len(found)} trials are running", "say which: weir confirm ID")
    for line in trials.render(found):
        console.note(line)
    return None


def _tell(console: Console, reverted: Reverted) -> int:
    console.write(f"trial {reverted.trial.id} taken back")
    labels = {spec.id: spec.label for spec in reverted.trial.specs}
    for each in reverted.outcomes:
        label = each.spec.label if each.spec is not None else labels[each.id]
        console.write(f"{label} {each.action}")
    for left in reverted.left:
        console.warn(f"{left.spec.label} stays as it is: {left.reason}")
    return 1 if reverted.left else 0
