"""`weir diff`: what an apply would change, or what has changed between two revisions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from engine.cli import table
from engine.cli.checking import has_errors, nameless
from engine.cli.completing import complete_names
from engine.cli.connection import Connection, connection_options, run
from engine.cli.console import Console, color_option, pass_console
from engine.cli.failure import report
from engine.cli.past import Past, read_past
from engine.cli.selector import Selector
from engine.cli.sources import read_files, sources_of, specs_of, values_of
from engine.cli.target import Item, Known, same_document
from engine.cli.unified import unified
from engine.cli.wanted import RESOURCES
from engine.errors import Code, WeirError
from engine.spec.model import Spec, Value
from engine.spec.secrets import HIDDEN
from engine.store.change import HistoryEntry
from engine.store.query import Query
from engine.store.record import Resource, refuse_hidden, said, seal
from engine.store.rollback import choose, find, same
from engine.store.shown import hide

SAME: Final = 0
DIFFERENT: Final = 1
TROUBLE: Final = 2


@dataclass(frozen=True, slots=True)
class _Revisions:
    """Which two of a spec to compare: by number, or counted back from the newest; None is as the help says."""

    name: str
    old: int | None
    new: int | None


@dataclass(frozen=True, slots=True)
class _Files:
    """Which files to compare with what is stored; `selector` is None unless what they lack is to be pruned."""

    resource: Resource
    paths: Sequence[str]
    selector: Selector | None
    reveal: bool


@click.command("diff")
@click.argument("subject", required=False, metavar="[NAME|specs|values]", shell_complete=complete_names)
@click.option("-f", "--filename", "paths", multiple=True, help="File or folder; - is standard input.")
@click.option("--prune", is_flag=True, help="Show what -l selects and the files lack as well.")
@click.option("-l", "--selector", metavar="LABELS", help="What --prune is about, such as app=shop.")
@click.option("--revision", type=int, metavar="A", help="From which revision; -1 is the one before the newest.")
@click.option("--to", type=int, metavar="B", help="To which one, if not to the newest.")
@click.option("--reveal", is_flag=True, help="Show the data of values, instead of ***.")
@connection_options
@color_option
@pass_console
def command(
    console: Console,
    *,
    connection: Connection,
    subject: str | None,
    paths: tuple[str, ...],
    prune: bool,
    selector: str | None,
    revision: int | None,
    to: int | None,
    reveal: bool,
) -> int:
    """Compare what is stored with files (-f), or two revisions of the spec NAME (or KIND/NAME, or its id).

    With -f it shows what `weir apply` would write, and with --prune -l LABELS what it would delete. With NAME it shows what
    has changed since the revision A: by itself since the last one that says something else, which is what `weir rollback`
    would take back. Comments, the order of keys, ids and the numbers of revisions are no differences.

    Exit codes: 0 the same, 1 different, 2 something went wrong.
    """
    if prune != (selector is not None):
        raise click.UsageError("--prune and -l LABELS go together")
    if reveal and (not paths or RESOURCES.get(subject or "") != "value"):
        raise click.UsageError("--reveal is about values: nothing else is hidden")
    wish: _Files | _Revisions
    if paths:
        if revision is not None or to is not None:
            raise click.UsageError("-f compares with what is stored now: --revision and --to go with a NAME")
        if subject is not None and subject not in RESOURCES:
            raise click.UsageError("with -f, write `diff -f FILE` for specs, or `diff values -f FILE`")
        wish = _Files(RESOURCES[subject or "specs"], paths, Selector.parse(selector) if prune else None, reveal)
    else:
        if subject is None:
            raise click.UsageError("say what to compare: -f FILE with what is stored, or two revisions of NAME")
        if prune:
            raise click.UsageError("--prune goes with -f")
        wish = _Revisions(subject, revision, to)
    try:
        if isinstance(wish, _Files):
            return run(_diff_files(console, connection, wish))
        return run(_diff_revisions(console, connection, wish))
    except WeirError as error:
        if error.code is Code.INTERNAL:
            raise
        report(error, console)
        return TROUBLE


async def _diff_files(console: Console, connection: Connection, wish: _Files) -> int:
    files = read_files(wish.paths)
    console.sources.update(sources_of(files, wish.resource))
    found = (specs_of if wish.resource == "spec" else values_of)(files, namespace=connection.namespace)
    items: list[Item] = list(found.items)
    problems = [*found.problems, *nameless(items)]
    if problems:
        console.report(problems)
    if has_errors(problems):
        return TROUBLE
    namespaces = tuple(dict.fromkeys([*(item.namespace for item in items), connection.namespace]))
    async with connection.target() as target:
        stored = await target.items(wish.resource, Query(namespaces=namespaces), reveal=True)
    for problem in stored.problems:
        console.warn(f"one that is stored cannot be read: {problem.message}", problem.hint)
    known = Known(stored)
    here = connection.namespace
    differences = 0
    for item in items:
        before = known.find(item)
        if isinstance(item, Value):
            refuse_hidden(item)
        written = json.loads(seal(item).document)
        if before is not None and same_document(before, item):
            continue
        differences += 1
        if before is not None and item.revision not in (0, before.revision):
            console.warn(
                f"{item.label} was read at revision {item.revision}, and revision {before.revision} is stored",
                "apply will refuse it: get it again, and make your change to that",
            )
        old_title = _stored(before, here) if before is not None else "(not stored)"
        new_title = _titled(item, str(item.place), here)
        old: Mapping[str, Any] | None = before.document if before is not None else None
        new: Mapping[str, Any] | None = written
        if not wish.reveal:
            old, new = _hidden(item, old, new)
        _show(console, old, new, old_title, new_title)
    for gone in known.beside(items) if wish.selector is not None else ():
        if wish.selector is not None and wish.selector.admits(gone.labels):
            differences += 1
            before_it = gone.document if wish.reveal else _hidden(gone, gone.document, None)[0]
            _show(console, before_it, None, _stored(gone, here), "(pruned)")
    return DIFFERENT if differences else SAME


async def _diff_revisions(console: Console, connection: Connection, wish: _Revisions) -> int:
    async with connection.target() as target:
        past = await read_past(target, connection.namespace, wish.name)
    new = find(past.entries, wish.new, label=past.label) if wish.new is not None else past.newest
    if wish.old is not None:
        old = find(past.entries, wish.old, label=past.label)
    else:
        old = choose([entry for entry in past.entries if entry.revision <= new.revision], label=past.label)
    if same(old, new):
        console.note(f"revisions {old.revision} and {new.revision} of {past.label} say the same")
        return SAME
    _show(console, old.document, new.document, _dated(past, old), _dated(past, new))
    return DIFFERENT


def _show(
    console: Console,
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any] | None,
    old_title: str,
    new_title: str,
) -> None:
    for line in unified(old, new, old_title=table.clean(old_title), new_title=table.clean(new_title)):
        console.write(line)


def _hidden(
    item: Item, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Both sides of a value without their data: the new one tells whether it is another. A spec is shown as it is."""
    if isinstance(item, Spec):
        return old, new
    changed = old is not None and new is not None and said({"data": old.get("data")}) != said({"data": new.get("data")})
    return (
        hide(old) if old is not None else None,
        hide(new, f"{HIDDEN} (changed)" if changed else HIDDEN) if new is not None else None,
    )


def _stored(item: Item, here: str) -> str:
    return _titled(item, f"revision {item.revision}", here)


def _titled(item: Item, what: str, here: str) -> str:
    """How a side is called; with its namespace, if that is another than the one which the command is about."""
    space = f"{item.namespace}: " if item.namespace != here else ""
    return f"{space}{item.label} ({what})"


def _dated(past: Past, entry: HistoryEntry) -> str:
    author = f", {entry.author}" if entry.author else ""
    deleted = ", deleted" if entry.document is None else ""
    return f"{past.label} (revision {entry.revision}{deleted}, {entry.time.isoformat(timespec='seconds')}{author})"
