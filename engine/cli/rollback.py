"""`weir rollback`: make what an earlier revision says the newest one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import click

from engine.cli import outlook
from engine.cli.checking import check, has_errors
from engine.cli.completing import complete_names
from engine.cli.connection import Connection, author, connection_options, run
from engine.cli.console import Console, color_option, pass_console
from engine.cli.options import wait_option
from engine.cli.past import Past, read_past
from engine.cli.target import Item
from engine.cli.waiting import wait
from engine.errors import Diagnostic, InvalidError, Place
from engine.spec.model import Spec
from engine.store.query import Query
from engine.store.rollback import Rollback, choose
from engine.store.write import Outcome


@click.command("rollback")
@click.argument("name", metavar="NAME", shell_complete=complete_names)
@click.option("--to", type=int, metavar="REVISION", help="Which one; -1 is the one before the newest.")
@click.option("--dry-run", is_flag=True, help="Tell what it would do to what runs; write nothing.")
@wait_option
@click.option("-m", "--message", help="Why, for the history.")
@connection_options
@color_option
@pass_console
def command(
    console: Console,
    *,
    connection: Connection,
    name: str,
    to: int | None,
    dry_run: bool,
    timeout: timedelta | None,
    message: str | None,
) -> int:
    """Go back to an earlier revision of the spec NAME (or KIND/NAME, or its id), as `weir history` lists them.

    Without --to it is the last one that says something else than the newest; so a second rollback takes back the first.
    A spec that was deleted comes back. It is checked as `weir apply` checks, and refused if somebody writes meanwhile.
    """
    return run(_rollback(console, connection, name, to=to, dry_run=dry_run, timeout=timeout, message=message))


async def _rollback(
    console: Console,
    connection: Connection,
    name: str,
    *,
    to: int | None,
    dry_run: bool,
    timeout: timedelta | None,
    message: str | None,
) -> int:
    async with connection.target(author=author()) as target:
        past = await read_past(target, connection.namespace, name)
        way = Rollback(past.known, choose(past.entries, to, label=past.label), past.newest)
        put = way.put()
        there = await target.items("spec", Query(namespaces=(past.namespace,)))
        _refuse_another_name(past, there)
        problems = _checked(console, put.spec, f"{past.label}, revision {way.entry.revision}:", there)
        if problems:
            console.report(problems)
        if has_errors(problems):
            return 1
        if dry_run:
            outlook.tell(console, await target.foresee([put]))
            return 0
        outcome = await target.roll_back(way, message=message)
        console.write(_told(outcome, way.entry.revision))
        if timeout is not None:
            for sentence in await wait(target, [outcome], timeout=timeout.total_seconds()):
                console.note(sentence)
    return 0


def _refuse_another_name(past: Past, there: Sequence[Item]) -> None:
    """What has another name by now has to be asked for by that: its newest revisions are not in this history."""
    here = next((item for item in there if item.id == past.newest.id), None)
    if here is not None and past.known != here.name and past.known.lower() != here.id:
        raise InvalidError(f"{past.label} is called {here.label} by now", hint=f"write {here.name or here.id!r}")


def _checked(console: Console, spec: Spec, title: str, there: Sequence[Item]) -> Sequence[Diagnostic]:
    """What is wrong with the old revision, beside what is stored now."""
    if spec.place.file is not None:
        console.sources[spec.place.file] = ""  # it says something else by now: its lines would mislead
    found = check([spec], existing=[item for item in there if isinstance(item, Spec)])
    # An admin API does not tell where it stood, so the revision itself is the place.
    return found if spec.origin is not None else [replace(each, place=Place(title)) for each in found]


def _told(outcome: Outcome, to: int) -> str:
    assert outcome.spec is not None, "what was put is there"
    label = outcome.spec.label
    if outcome.action != "unchanged":
        return f"{label} back to revision {to} (now {outcome.revision})"
    says = f", which says what revision {to} says" if outcome.revision != to else ""
    return f"{label} unchanged: it is at revision {outcome.revision}{says}"
