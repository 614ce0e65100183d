"""`weir get`: what a store holds, and what daemons make of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click

from engine.cli import instances, processes, table, trials, wanted
from engine.cli.completing import complete_names, complete_resources
from engine.cli.connection import Connection, connection_options, run
from engine.cli.console import Console, color_option, pass_console
from engine.cli.jsonpath import Template
from engine.cli.shown import Subject, as_json_line, document, label, serialize
from engine.cli.states import standing
from engine.cli.target import Event, Item, RunningProcess, Target
from engine.cli.wanted import RESOURCES
from engine.errors import NotFoundError, UnavailableError
from engine.spec.model import Spec
from engine.spec.suggest import hint as suggestion
from engine.store.instance import Instance
from engine.store.trial import Trial

ShownT = TypeVar("ShownT", Instance, RunningProcess, Trial)

_FORMATS = ("table", "wide", "yaml", "json", "name")

_ROOM: Final = {"EVENT": "CHANGED", "AGE": "10h30m", "STATE": "draining"}
"""Cells that later rows of a watch may have."""


class _Output(click.ParamType[Any]):
    """One of the formats, or `jsonpath=TEMPLATE`."""

    name = "output"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, Template) or value in _FORMATS:
            return value
        if not value.startswith("jsonpath="):
            self.fail(f"{value!r} is not one of {', '.join(_FORMATS)}, jsonpath=TEMPLATE", param, ctx)
        return Template(value.removeprefix("jsonpath="))


@click.command("get")
@click.argument(
    "resource",
    default="specs",
    metavar="[specs|values|trials|instances|processes|KIND]",
    shell_complete=complete_resources,
)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Those of all namespaces.")
@click.option("-l", "--selector", metavar="LABELS", help="Only those with these labels, such as app=shop,tier!=test.")
@click.option("-w", "--watch", is_flag=True, help="Go on with each change, until Ctrl-C.")
@click.option(
    "-o", "--output", type=_Output(), default="table", metavar="FORMAT", help=f"{', '.join(_FORMATS)}, jsonpath=…"
)
@click.option("--reveal", is_flag=True, help="Show the data of values, instead of ***.")
@connection_options
@color_option
@pass_console
def command(
    console: Console,
    *,
    connection: Connection,
    resource: str,
    names: tuple[str, ...],
    everywhere: bool,
    selector: str | None,
    watch: bool,
    output: str | Template,
    reveal: bool,
) -> int:
    """Show what there is; all of it, or what has these NAMEs (or ids).

    That is specs, those of a KIND, values, changes on trial, daemons that run, or, of one daemon (--server), its processes.
    With -o wide each spec shows how it stands with the daemons: the one that is worst off speaks, and RUNNING tells how
    many of them run the revision that is stored. Of daemons, VIEW tells how old what they know of the store is: one that is
    late has missed a heartbeat.

    Machines get a list, or one object when one NAME is given. What -o yaml prints, `apply` takes again; of values only what
    --reveal has printed, for without it their data is hidden.
    """
    if reveal and RESOURCES.get(resource.partition("/")[0]) != "value":
        raise click.UsageError("--reveal is about values: nothing else is hidden")
    if everywhere and connection.given:
        raise click.UsageError("-A and -n exclude each other")
    namespaces = None if everywhere else (connection.namespace,)
    if resource in ("instances", "instance"):
        if selector is not None:
            raise click.UsageError("instances have no labels to select by")
        show = _watch_instances if watch else _instances
        return run(show(console, connection, names, namespaces, output))
    if resource in ("trials", "trial"):
        if watch or selector is not None:
            raise click.UsageError("trials can be neither watched nor selected by labels")
        return run(_trials(console, connection, names, namespaces, output))
    if resource in ("processes", "process"):
        if watch or selector is not None or everywhere or connection.given:
            raise click.UsageError("processes can be neither watched nor selected: a daemon tells all of them")
        return run(_processes(console, connection, names, output))
    wish = replace(wanted.parse(resource, names, selector=selector, namespaces=namespaces), reveal=reveal)
    if watch:
        return run(_watch(console, connection, wish, output))
    return run(_list(console, connection, wish, output))


async def _list(console: Console, connection: Connection, wish: wanted.Wanted, output: str | Template) -> int:
    async with connection.target() as target:
        page = await target.items(wish.resource, wish.query, reveal=wish.reveal)
        wish.check_kind(page)
        chosen = wish.choose(page)
        missing = wish.missing(page)
        rows = _rows(wish, output, await _alive(target, wish, output))
    for problem in page.problems:
        console.warn(f"one that is stored cannot be read: {problem.message}", problem.hint)
    if isinstance(output, Template) or output not in ("table", "wide"):
        if chosen or not missing:
            console.data(_serialized(chosen, output, single=len(wish.named) == 1, reveal=wish.reveal))
    elif chosen:
        for line in table.render(_header(wish, output), [rows(item) for item in chosen]):
            console.write(line)
    elif not missing:
        where = f" in the namespace {wish.namespaces[0]!r}" if wish.namespaces else ""
        console.note(
            f"no {wish.kind or wish.resource}s found{where}" if wish.kind is None else f"no {wish.kind}{where}"
        )
    for error in missing:
        console.fail(str(error), error.hint)
    return 1 if missing else 0


async def _watch(console: Console, connection: Connection, wish: wanted.Wanted, output: str | Template) -> int:
    people = output in ("table", "wide")
    header = ["EVENT", *_header(wish, output)]
    growing = table.Growing(header, room=[_ROOM.get(title, "") for title in header])

    def show(rows: Sequence[Sequence[str]]) -> None:
        for line in growing.lines(rows):
            console.write(line)

    async with (
        connection.target() as target,
        target.watch(wish.resource, wish.query, reveal=wish.reveal) as (page, events),
    ):
        wish.check_kind(page)
        row = _rows(wish, output, await _alive(target, wish, output))
        if people:
            show([("LISTED", *row(item)) for item in wish.choose(page)])
        else:
            for item in wish.choose(page):
                console.data(_line("listed", item, output, reveal=wish.reveal))
        async for event in events:
            if not wish.admits(event.item):
                continue
            if people:
                row = _rows(wish, output, await _alive(target, wish, output))
                show([(_word(event).upper(), *row(event.item))])
            else:
                console.data(_line(_word(event), event.item, output, reveal=wish.reveal))
    return 0


def _word(event: Event) -> str:
    return "deleted" if event.action == "deleted" else "changed"


def _line(word: str, item: Subject, output: str | Template, *, reveal: bool = False) -> str:
    """One event of a watch for machines: JSON on one line, or what the format makes of the item."""
    if output == "json":
        return as_json_line({"event": word, "item": document(item, reveal=reveal)})
    if output == "yaml":
        return "---\n" + serialize([item], "yaml", single=True, reveal=reveal)
    return _serialized([item], output, single=True, reveal=reveal)


def _serialized(items: Sequence[Subject], output: str | Template, *, single: bool, reveal: bool = False) -> str:
    if not isinstance(output, Template):
        return serialize(items, output, single=single, reveal=reveal)
    documents = [document(item, reveal=reveal) for item in items]
    return output.render(documents[0] if single and len(documents) == 1 else documents)


async def _alive(target: Target, wish: wanted.Wanted, output: str | Template) -> list[Instance]:
    """The daemons, if their view of the specs is to be shown."""
    if output != "wide" or wish.resource != "spec":
        return []
    return await target.instances(wish.namespaces[0] if wish.namespaces else None)


def _header(wish: wanted.Wanted, output: str | Template) -> list[str]:
    header = ["NAMESPACE"] if wish.namespaces is None else []
    header += ["KIND", "NAME", "REVISION", "AGE"] if wish.resource == "spec" else ["NAME", "REVISION", "AGE"]
    if output == "wide":
        header += ["ID", "STATE", "OBSERVED", "RUNNING", "REASON"] if wish.resource == "spec" else ["ID"]
    return header


def _rows(wish: wanted.Wanted, output: str | Template, instances: Sequence[Instance]) -> Callable[[Item], list[str]]:
    now = datetime.now(UTC)

    def row(item: Item) -> list[str]:
        cells = [item.namespace] if wish.namespaces is None else []
        made = table.made_at(item.id)
        known = item.name or item.id
        cells += [item.kind, known] if isinstance(item, Spec) else [known]
        cells += [str(item.revision), table.age(now - made) if made is not None else "-"]
        if output == "wide":
            cells.append(item.id)
            if isinstance(item, Spec):
                state = standing(item, instances)
                cells += [state.state, state.observed, state.running, state.reason]
        return cells

    return row


async def _instances(
    console: Console,
    connection: Connection,
    names: Sequence[str],
    namespaces: tuple[str, ...] | None,
    output: str | Template,
) -> int:
    async with connection.target() as target:
        found = await target.instances(namespaces[0] if namespaces else None)

    def lines(chosen: Sequence[Instance]) -> list[str]:
        return instances.render(chosen, wide=output == "wide")

    nothing = "no daemon is running" + (f" the namespace {namespaces[0]!r}" if namespaces else "")
    return _show(console, found, names, output, what="instance", lines=lines, nothing=nothing)


async def _watch_instances(
    console: Console,
    connection: Connection,
    names: Sequence[str],
    namespaces: tuple[str, ...] | None,
    output: str | Template,
) -> int:
    wide, people = output == "wide", output in ("table", "wide")
    header = ["EVENT", *instances.header(wide=wide)]
    growing = table.Growing(header, room=[instances.ROOM.get(title, "") for title in header])

    def tell(error: UnavailableError | None) -> None:
        console.warn(str(error), error.hint) if error is not None else console.note("the store answers again")

    async with connection.target() as target:

        async def look() -> list[Instance]:
            found = await target.instances(namespaces[0] if namespaces else None)
            return [each for each in found if not names or each.id in names]

        async with aclosing(instances.watch(look, tell=tell, whole=not people)) as seen:
            async for sightings in seen:
                if people:
                    rows = [[each.word.upper(), *instances.row(each.instance, wide=wide)] for each in sightings]
                    for line in growing.lines(rows):
                        console.write(line)
                    continue
                for each in sightings:
                    console.data(_line(each.word, each.instance, output))
    return 0


async def _trials(
    console: Console,
    connection: Connection,
    names: Sequence[str],
    namespaces: tuple[str, ...] | None,
    output: str | Template,
) -> int:
    async with connection.target() as target:
        found = await target.trials(namespaces[0] if namespaces else None)

    def lines(chosen: Sequence[Trial]) -> list[str]:
        return trials.render(chosen, wide=output == "wide")

    nothing = "nothing is on trial" + (f" in the namespace {namespaces[0]!r}" if namespaces else "")
    return _show(console, found, names, output, what="trial", lines=lines, nothing=nothing)


async def _processes(console: Console, connection: Connection, names: Sequence[str], output: str | Template) -> int:
    async with connection.target() as target:
        found = await target.processes()

    def lines(chosen: Sequence[RunningProcess]) -> list[str]:
        return processes.render(chosen, wide=output == "wide")

    return _show(console, found, names, output, what="process", lines=lines, nothing="no process is running")


def _show(
    console: Console,
    found: Sequence[ShownT],
    names: Sequence[str],
    output: str | Template,
    *,
    what: str,
    lines: Callable[[Sequence[ShownT]], list[str]],
    nothing: str,
) -> int:
    """Show those with these ids, or all of them; `nothing` says that there is none."""
    chosen = [each for each in found if not names or each.id in names]
    missing = [name for name in names if all(each.id != name for each in found)]
    if isinstance(output, Template) or output not in ("table", "wide"):
        if chosen or not missing:
            console.data(_serialized(chosen, output, single=len(names) == 1))
    elif chosen:
        for line in lines(chosen):
            console.write(line)
    elif not missing:
        console.note(nothing)
    for name in missing:
        error = NotFoundError(f"no {what} {name!r}", hint=suggestion(name, [label(each) for each in found]))
        console.fail(str(error), error.hint)
    return 1 if missing else 0
