"""The options that say where specs live, and what they come to."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from engine.cli.console import Console, console_of
from engine.cli.target import PATIENCE, StoreTarget, Target
from engine.daemon.config import Config, load_config
from engine.store.vault.vault import Vault

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a verb reads and writes, and the namespace for what names none.

    `given` tells whether the namespace was named on the command line.
    """

    config: Config
    server: str | None
    namespace: str
    given: bool

    def target(self, *, author: str | None = None, patience: float = PATIENCE) -> Target:
        """The daemon, if one is named, else the store; not opened yet. Raises InvalidError for a bad URL."""
        if self.server is not None:
            from engine.cli.server import ServerTarget

            return ServerTarget(self.server, patience=patience)
        from engine.store.url import open_store

        store = open_store(self.config.store.url, keys=self.config.values.key)
        return StoreTarget(store, author=author, patience=patience)


def connect(
    console: Console | None, *, store: str | None, server: str | None, namespace: str | None, config: str | None
) -> Connection:
    """What the options, the variables and the config come to together.

    `--store` wins over `$WEIR_SERVER`, which wins over the store of the config. Without a console, warnings are left
    unsaid.
    """
    if store and server:
        raise click.UsageError("--store and --server exclude each other")
    loaded = load_config(config, environ=os.environ, overrides={"store.url": store, "namespace": namespace})
    if console is not None:
        for warning in loaded.warnings:
            console.warn(warning.message, warning.hint)
        for said in Vault(loaded.config.values.key).exposed():
            console.warn(said)
    settings = loaded.config
    named = server or (None if store else os.environ.get("WEIR_SERVER"))
    first = settings.namespaces[0] if settings.namespaces else settings.namespace
    return Connection(settings, named or None, first, namespace is not None)


def connection_options(command: CommandT) -> CommandT:
    """The options `--store`, `--server`, `-n` and `--config`, given to the command as one `connection`."""

    @wraps(command)
    def with_connection(
        *args: Any,
        store: str | None,
        server: str | None,
        namespace: str | None,
        config: str | None,
        **options: Any,
    ) -> Any:
        console = console_of(click.get_current_context())
        connection = connect(console, store=store, server=server, namespace=namespace, config=config)
        return command(*args, connection=connection, **options)

    for option in (
        click.option("--config", metavar="FILE", help="The config to use."),
        click.option("--server", metavar="URL", help="Talk to the admin API of a daemon (also $WEIR_SERVER)."),
        click.option("--store", metavar="URL", help="Use this store: sqlite:///x.db, sqlite:////path/x.db."),
        click.option("-n", "--namespace", metavar="NAME", help="The namespace, for what names none."),
    ):
        with_connection = option(with_connection)
    return with_connection  # type: ignore[return-value]  # click's decorators keep the type


def run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run the asynchronous part of a verb to its end; Ctrl-C cancels it."""
    return asyncio.run(work)


def author() -> str | None:
    """Who writes, for the history."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return None
