"""Names for the shell: what there is in the store, or in the daemon, that the words before them name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from engine.cli.connection import Connection
    from engine.cli.target import Item

PATIENCE: Final = 2.0
"""Seconds that somebody waits who has pressed Tab."""

_OTHERS: Final = ("specs", "values")


def complete_names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of specs; after `values`, those of values, and after a kind only those of that kind.

    A store that cannot be read has none: whoever completes a word has not asked for an error yet.
    """
    resource = ctx.params.get("resource") or "specs"
    items = _items(ctx, values=resource in ("values", "value"))
    plain = resource in ("specs", "spec", "nodes", "values", "value")
    found = [item for item in items if item.name and (plain or getattr(item, "kind", None) == resource)]
    if "/" in incomplete:
        return [CompletionItem(item.label) for item in found if item.label.startswith(incomplete)]
    return [CompletionItem(str(item.name)) for item in found if str(item.name).startswith(incomplete)]


def complete_resources(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`specs`, `values`, what else the verb shows, and the kinds that are installed; or `KIND/NAME`."""
    if "/" in incomplete:
        return complete_names(ctx, parameter, incomplete)
    from engine.graph.scheme import Scheme

    words = [*_OTHERS, *(("instances", "processes", "trials") if ctx.info_name == "get" else ())]
    words += [kind for kind in Scheme.installed().kinds() if kind not in words]
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def _items(ctx: click.Context, *, values: bool) -> list[Item]:
    """All that is there; nothing if it cannot be read. No store is made to look into it."""
    from engine.cli.connection import connect, run
    from engine.errors import WeirError

    given: dict[str, Any] = {name: ctx.params.get(name) for name in ("store", "server", "namespace", "config")}
    try:
        connection = connect(None, **given)
        if connection.server is None and not _is_there(connection.config.store.url):
            return []
        return run(_read(connection, values=values))
    except (WeirError, click.ClickException, OSError):
        return []


def _is_there(url: str) -> bool:
    """Whether to open this store makes no new file."""
    return not url.startswith("sqlite:///") or Path(unquote(url.removeprefix("sqlite:///"))).exists()


async def _read(connection: Connection, *, values: bool) -> list[Item]:
    from engine.store.query import Query

    async with connection.target(patience=PATIENCE) as target:
        return await target.items("value" if values else "spec", Query(namespaces=(connection.namespace,)))
