"""`weir apply`: check everything, then write all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import click

from engine.cli import outlook, trials
from engine.cli.checking import check, harden, has_errors, nameless
from engine.cli.connection import Connection, author, connection_options, run
from engine.cli.console import Console, color_option, pass_console
from engine.cli.options import ALL_OR_REVERT, MARGIN, Patience, Span, wait_or_revert_option
from engine.cli.reverting import wait_or_revert
from engine.cli.selector import Selector
from engine.cli.shown import serialize
from engine.cli.sources import read_files, sources_of, specs_of, values_of
from engine.cli.target import Item, Known, Target, same_document
from engine.cli.waiting import wait
from engine.cli.wanted import RESOURCES
from engine.errors import Diagnostic, InvalidError
from engine.spec.model import Spec, Value
from engine.store.query import Query
from engine.store.record import Resource
from engine.store.trial import Applied, check_length
from engine.store.write import DeleteSpec, DeleteValue, Outcome, PutSpec, PutValue, Write


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for, apart from the files."""

    prune: bool
    selector: Selector
    dry_run: bool
    strict: bool
    patience: Patience | None
    trial: timedelta | None
    message: str | None
    output: str | None


@click.command("apply")
@click.argument("resource", default="specs", type=click.Choice(list(RESOURCES)), metavar="[specs|values]")
@click.option("-f", "--filename", "paths", multiple=True, required=True, help="File or folder; - is standard input.")
@click.option("--prune", is_flag=True, help="Delete what -l selects and the files lack, in their namespaces.")
@click.option("-l", "--selector", metavar="LABELS", help="What --prune is about, such as app=shop.")
@click.option("--dry-run", is_flag=True, help="Tell what it would do to what runs; write nothing.")
@wait_or_revert_option
@click.option(
    "--confirm", "trial", type=Span(), metavar="TIME", help="Go back after so long, unless `weir confirm` says to stay."
)
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@click.option("-m", "--message", help="Why, for the history.")
@click.option("-o", "--output", type=click.Choice(["name", "json", "yaml"]), help="Print what is stored now.")
@connection_options
@color_option
@pass_console
def command(
    console: Console,
    *,
    connection: Connection,
    resource: str,
    paths: tuple[str, ...],
    selector: str | None,
    trial: timedelta | None,
    **flags: Any,
) -> int:
    """Write specs (or values) from files: all of them, or none if anything is wrong with one.

    An item is found again by its id, or else by its namespace and name. One that carries the `revision` that its writer
    has seen is refused if it has another by now.

    With --wait=all-or-revert every live daemon runs all of it, or all of it goes back everywhere and the command fails:
    when a daemon refuses a spec, or lets one wait for something that does not come, or the time is up (30s; say
    --wait=all-or-revert,2m for another). A daemon that has lost the store refuses nothing, and is named.

    With --confirm 60s the daemon takes the change back after a minute, even one that has locked everybody out, unless
    `weir confirm` comes before that.
    """
    if flags["prune"] != (selector is not None):
        raise click.UsageError("--prune and -l LABELS go together")
    patience: Patience | None = flags["patience"]
    if patience is not None and patience.revert:
        trial = _trial(patience, resource, trial, dry_run=flags["dry_run"])
    elif trial is not None and flags["dry_run"]:
        raise click.UsageError(
            "--confirm and --dry-run exclude each other: a dry run writes nothing that could go back"
        )
    if trial is not None and RESOURCES[resource] == "value":
        raise click.UsageError("values cannot be on trial: they keep no history")
    if trial is not None:
        _check_length(trial)
    options = Options(selector=Selector.parse(selector), trial=trial, **flags)
    return _apply(console, connection, RESOURCES[resource], paths, options)


def _trial(patience: Patience, resource: str, trial: timedelta | None, *, dry_run: bool) -> timedelta:
    """How long the trial of an --wait=all-or-revert lasts."""
    if trial is not None:
        raise click.UsageError(
            f"--wait={ALL_OR_REVERT} and --confirm exclude each other: the one ends the trial that the other leaves open"
        )
    if dry_run:
        raise click.UsageError(f"--wait={ALL_OR_REVERT} and --dry-run exclude each other: a dry run writes nothing")
    if RESOURCES[resource] == "value":
        raise click.UsageError(
            f"values cannot be applied with --wait={ALL_OR_REVERT}: they keep no history to go back to"
        )
    return patience.timeout + MARGIN


def _check_length(trial: timedelta) -> None:
    try:
        check_length(trial)
    except InvalidError as error:
        raise click.BadParameter(f"{error.reason}; {error.hint}", param_hint="--confirm") from error


def _apply(console: Console, connection: Connection, resource: Resource, paths: Sequence[str], options: Options) -> int:
    files = read_files(paths)
    console.sources.update(sources_of(files, resource))
    read = specs_of if resource == "spec" else values_of
    found = read(files, namespace=connection.namespace)
    items: list[Item] = list(found.items)
    problems = [*found.problems, *nameless(items)]
    if options.strict:
        problems = harden(problems)
    if has_errors(problems):
        # Checked without the store, so a link to nothing may be a link to something there: that is left unsaid.
        problems += [finding for finding in _checked(items) if finding.severity == "error"]
        console.report(problems)
        return 1
    return run(_write(console, connection, items, problems, resource=resource, options=options))


def _checked(items: Sequence[Item], *, existing: Sequence[Item] = (), strict: bool = False) -> list[Diagnostic]:
    specs = [item for item in items if isinstance(item, Spec)]
    return check(specs, existing=[item for item in existing if isinstance(item, Spec)], strict=strict) if specs else []


async def _write(
    console: Console,
    connection: Connection,
    items: Sequence[Item],
    problems: list[Diagnostic],
    *,
    resource: Resource,
    options: Options,
) -> int:
    namespaces = tuple(dict.fromkeys([*(item.namespace for item in items), connection.namespace]))
    async with connection.target(author=author()) as target:
        stored = await target.items(resource, Query(namespaces=namespaces), reveal=True)
        known = Known(stored)
        gone = [item for item in known.beside(items) if options.selector.admits(item.labels)] if options.prune else []
        gone_ids = {item.id for item in gone}
        staying = [item for item in stored if item.id not in gone_ids]
        problems += _checked(items, existing=staying, strict=options.strict)
        if problems:
            console.report(problems)
        if has_errors(problems):
            return 1
        writes = [*(_put(item, known) for item in items), *(_delete(item) for item in gone)]
        if options.dry_run:
            outlook.tell(console, await target.foresee(writes), output=options.output, prune=True)
            return 0
        applied = await target.apply(writes, message=options.message, trial=options.trial)
        await _await(console, target, applied, resource=resource, options=options)
    return 0


async def _await(console: Console, target: Target, applied: Applied, *, resource: Resource, options: Options) -> None:
    """Tell what was written, and wait for the daemons; in the other order, if they decide whether it stays."""
    patience = options.patience
    said: list[str] = []
    if patience is not None and patience.revert:
        if applied.trial is not None:
            console.note(trials.at_stake(applied.trial))
        said = await wait_or_revert(target, applied, timeout=patience.timeout.total_seconds(), note=console.note)
    _tell(console, applied, options)
    if options.trial is not None and not (patience is not None and patience.revert):
        console.note(trials.begun(applied.trial))
    if resource == "spec" and any(each.action == "unchanged" for each in applied):
        for sentence in trials.still_tried(applied, await target.trials(None)):
            console.warn(*sentence)
    if patience is not None and not patience.revert:
        said = await wait(target, applied, timeout=patience.timeout.total_seconds())
    for line in said:
        console.note(line)


def _put(item: Item, known: Known) -> Write:
    """The write of one item. Its revision guards what is there and differs; a new one has nothing to guard."""
    before = known.find(item)
    guarded = item.revision and before is not None and not same_document(before, item)
    expect = item.revision if guarded else None
    return PutSpec(item, expect) if isinstance(item, Spec) else PutValue(item, expect)


def _delete(item: Item) -> Write:
    """The write that prunes one item, unless somebody has changed it since."""
    delete = DeleteSpec if isinstance(item, Spec) else DeleteValue
    return delete(id=item.id, namespace=item.namespace, expect=item.revision)


def _tell(console: Console, outcomes: Sequence[Outcome], options: Options) -> None:
    kept: list[Spec | Value] = [subject for each in outcomes if each.action != "deleted" if (subject := _subject(each))]
    if options.output is not None:
        console.data(serialize(kept, options.output))
        return
    for each in outcomes:
        action: Literal["created", "configured", "unchanged", "deleted", "pruned"] = each.action
        console.write(f"{_label(each)} {'pruned' if action == 'deleted' else action}")


def _subject(each: Outcome) -> Spec | Value | None:
    return each.spec if each.spec is not None else each.value


def _label(each: Outcome) -> str:
    subject = _subject(each)
    return subject.label if subject is not None else f"{each.resource}/{each.name or each.id}"
