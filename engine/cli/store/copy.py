"""`weir store copy`: a whole store, with its history, into an empty one."""

from __future__ import annotations

from time import monotonic
from typing import Any

import click

from engine.cli.connection import run
from engine.cli.console import Console, color_option, pass_console
from engine.cli.shown import as_json
from engine.cli.store.meter import Meter
from engine.cli.store.named import named, read_config
from engine.store.protocol import Store
from engine.store.transfer.copying import Copied, Progress, copy
from engine.store.transfer.tally import in_words


@click.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("destination", metavar="TO")
@click.option("-n", "--namespace", "namespaces", multiple=True, metavar="NAME", help="Only this namespace; repeatable.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to tell what was copied."
)
@click.option("--config", metavar="FILE", help="The config to use: its keys open and seal values.")
@color_option
@pass_console
def command(
    console: Console, *, source: str, destination: str, namespaces: tuple[str, ...], output: str, config: str | None
) -> int:
    """Copy the store FROM into the store TO: specs, values, and the whole history of specs.

    FROM and TO are URLs of stores. TO is made if it is not there, and must be empty. Ids and revisions stay what they
    are, so that history, rollback and resource versions mean the same in both. The copy is one moment of FROM, which may be
    in use; it is read again and compared before it counts. One that is interrupted leaves TO empty, or marked as half a copy
    that nobody can open; running it again begins anew.

    Values are opened with the keys of FROM and sealed with those of TO. Daemons are not copied, and a change on trial
    must end first.
    """
    settings = read_config(console, config)
    stores = named(source, settings), named(destination, settings)
    within = frozenset(namespaces) or None
    return run(_copy(console, *stores, namespaces=within, output=output))


async def _copy(
    console: Console, source: Store, destination: Store, *, namespaces: frozenset[str] | None, output: str
) -> int:
    began = monotonic()
    last: Progress | None = None

    def tell(progress: Progress) -> None:
        nonlocal last
        last = progress
        meter.tell(progress.step, progress.done, progress.total)

    with Meter(console) as meter:
        try:
            async with source.source() as reader, destination.destination() as writer:
                copied = await copy(reader, writer, namespaces=namespaces, tell=tell)
        except BaseException:
            meter.end()
            if last is not None:
                console.note(_what_is_left(last, destination))
            raise
    form = _form(copied, source, destination, namespaces, seconds=monotonic() - began)
    if output == "json":
        console.data(as_json(form))
    else:
        console.write(
            f"copied {in_words(copied.specs, copied.values, copied.changes)} to {destination.url}, "
            f"which counts from revision {copied.revision} on"
        )
        console.write(f"verified: both have the hash {copied.digest}")
    return 0


def _what_is_left(last: Progress, destination: Store) -> str:
    """What became of a copy that has ended after this."""
    if last.step == "verify" and last.done == last.total:  # it may have been finished in that very moment
        return f"{destination.url} may have been filled or not: `weir store check --store {destination.url}` tells"
    return f"{destination.url} was not filled: run it again, which begins anew"


def _form(
    copied: Copied, source: Store, destination: Store, namespaces: frozenset[str] | None, *, seconds: float
) -> dict[str, Any]:
    return {
        "from": source.url,
        "to": destination.url,
        "namespaces": sorted(namespaces) if namespaces is not None else None,
        "revision": copied.revision,
        "specs": copied.specs,
        "values": copied.values,
        "revisions": copied.changes,
        "digest": copied.digest,
        "seconds": round(seconds, 3),
    }
