"""`weir delete`: only what is named, selected or in a file; never everything by a slip."""

from __future__ import annotations

from collections.abc import Sequence

import click

from engine.cli import outlook, wanted
from engine.cli.completing import complete_names, complete_resources
from engine.cli.connection import Connection, author, connection_options, run
from engine.cli.console import Console, color_option, pass_console
from engine.cli.sources import read_files, sources_of, specs_of, values_of
from engine.cli.target import Item, Known, Target
from engine.cli.wanted import RESOURCES
from engine.errors import Diagnostic, DiagnosticsError, NotFoundError, Place
from engine.spec.model import Spec
from engine.store.query import Query
from engine.store.record import Resource
from engine.store.write import DeleteSpec, DeleteValue, Write


@click.command("delete")
@click.argument("resource", required=False, metavar="[specs|values|KIND]", shell_complete=complete_resources)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)
@click.option("-f", "--filename", "paths", multiple=True, help="What is in this file or folder; - is standard input.")
@click.option("-l", "--selector", metavar="LABELS", help="Those with these labels.")
@click.option("--all", "everything", is_flag=True, help="All of the namespace.")
@click.option("--ignore-not-found", is_flag=True, help="What is not there is no error.")
@click.option("--dry-run", is_flag=True, help="Tell what it would do to what runs; delete nothing.")
@connection_options
@color_option
@pass_console
def command(
    console: Console,
    *,
    connection: Connection,
    resource: str | None,
    names: tuple[str, ...],
    paths: tuple[str, ...],
    selector: str | None,
    everything: bool,
    ignore_not_found: bool,
    dry_run: bool,
) -> int:
    """Delete specs or values of one namespace, all or none: by NAME (or id), by file, by labels, or all of them.

    Exactly one of these four is to be given. What somebody changes meanwhile is not deleted; nor is what a file names
    with a `revision` that is not the newest any more.
    """
    is_named = bool(names) or (resource is not None and "/" in resource)
    if sum((is_named, bool(paths), selector is not None, everything)) != 1:
        raise click.UsageError("say what to delete: give either NAMEs, -f FILE, -l LABELS or --all")
    if resource is None and not paths:
        raise click.UsageError("say what to delete: specs, values, or a KIND")
    if resource in ("instances", "instance"):
        raise click.UsageError("instances are running daemons: stop them")
    if paths and resource is not None and resource not in RESOURCES:
        raise click.UsageError("with -f, write `delete -f FILE` for specs, or `delete values -f FILE`")
    return run(
        _by_files(console, connection, RESOURCES[resource or "specs"], paths, ignore_not_found, dry_run=dry_run)
        if paths
        else _by_wish(
            console,
            connection,
            wanted.parse(resource or "specs", names, selector=selector, namespaces=(connection.namespace,)),
            ignore_not_found,
            dry_run=dry_run,
        )
    )


async def _by_wish(
    console: Console, connection: Connection, wish: wanted.Wanted, ignore_not_found: bool, *, dry_run: bool
) -> int:
    async with connection.target(author=author()) as target:
        page = await target.items(wish.resource, wish.query)
        wish.check_kind(page)
        there = [*page, *page.broken]  # what cannot be opened can be deleted
        missing = [] if ignore_not_found else wish.missing(there)
        for error in missing:
            console.fail(str(error), error.hint)
        if missing:
            return 1
        chosen = wish.choose(there)
        await _delete(console, target, chosen, dry_run=dry_run)
    if not chosen:
        console.note("nothing to delete")
    return 0


async def _by_files(
    console: Console,
    connection: Connection,
    resource: Resource,
    paths: Sequence[str],
    ignore_not_found: bool,
    *,
    dry_run: bool,
) -> int:
    files = read_files(paths)
    console.sources.update(sources_of(files, resource))
    found = (specs_of if resource == "spec" else values_of)(files, namespace=connection.namespace)
    items: list[Item] = list(found.items)
    problems = [*found.problems, *(_anonymous(item) for item in items if not (item.id or item.name))]
    if problems:
        raise DiagnosticsError(problems)
    namespaces = tuple(dict.fromkeys(item.namespace for item in items))
    async with connection.target(author=author()) as target:
        stored = await target.items(resource, Query(namespaces=namespaces))
        known = Known([*stored, *stored.broken])
        missing = [item for item in items if known.find(item) is None]
        if missing and not ignore_not_found:
            raise NotFoundError(
                f"not there, so nothing was deleted: {', '.join(item.label for item in missing)}",
                place=missing[0].place,
                hint="--ignore-not-found deletes the others",
            )
        chosen = [_seen(before, item) for item in items if (before := known.find(item)) is not None]
        await _delete(console, target, chosen, dry_run=dry_run)
    return 0


def _seen(before: Item, written: Item) -> Item:
    """What is to be deleted, as whoever wrote the file has seen it, if the file tells its revision."""
    return before.replace(revision=written.revision) if written.revision else before


def _anonymous(item: Item) -> Diagnostic:
    return Diagnostic(
        "missing-name",
        "nothing says which one to delete",
        item.origin.place() if item.origin is not None else Place(),
        "give it its name or its id",
    )


async def _delete(console: Console, target: Target, items: Sequence[Item], *, dry_run: bool) -> None:
    # What is meant was chosen by how it was a moment ago, so that is a condition.
    writes: list[Write] = [
        (DeleteSpec if isinstance(item, Spec) else DeleteValue)(
            id=item.id, namespace=item.namespace, expect=item.revision
        )
        for item in items
    ]
    if dry_run:
        if writes:
            outlook.tell(console, await target.foresee(writes))
        return
    if writes:
        await target.apply(writes)
    for item in items:
        console.write(f"{item.label} deleted")
