"""`weir start`: the daemon."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from engine.cli.console import Console, debug_option, pass_console
from engine.cli.follow import Files
from engine.cli.loop import run_loop
from engine.cli.options import pairs
from engine.daemon.config import Config, load_config
from engine.daemon.daemon import Daemon
from engine.daemon.logs import make_log

if TYPE_CHECKING:
    from engine.daemon.supervisor.supervisor import Supervisor


@click.command("start")
@click.option("--config", "config_file", metavar="FILE", help="The config file.")
@click.option("-n", "--namespace", help="The namespace to run; `system` runs beside it.")
@click.option("--store", help="URL of the store, such as sqlite:///weir.db or memory://.")
@click.option("--from-specs", multiple=True, metavar="PATH", help="Write these specs to the store before serving.")
@click.option("--from-values", multiple=True, metavar="PATH", help="Write these values to the store before serving.")
@click.option("-e", "--env", "environment", multiple=True, metavar="KEY=VALUE", help="A name for `env` entries.")
@click.option("--workers", type=int, help="How many processes serve.")
@click.option("--watch", is_flag=True, help="Keep the store in step with --from-specs and --from-values.")
@debug_option
@pass_console
def command(
    console: Console,
    config_file: str | None,
    namespace: str | None,
    store: str | None,
    from_specs: tuple[str, ...],
    from_values: tuple[str, ...],
    environment: tuple[str, ...],
    workers: int | None,
    *,
    watch: bool,
) -> int:
    """Run the daemon until TERM, INT or a Ctrl-C; a second one ends it at once. HUP takes over a new drain_timeout, and
    a new number of workers where there are several; USR2 replaces these one by one, with the code and config of now.

    Specs live in the store: change them with `weir apply`, or through the admin API, and they are live at once.
    """
    if watch and not (from_specs or from_values):
        raise click.UsageError("--watch needs --from-specs or --from-values")
    if watch and "-" in (*from_specs, *from_values):
        raise click.UsageError("--watch needs files: standard input can be read only once")
    overrides: dict[str, Any] = {
        "namespace": namespace,
        "store.url": store,
        "workers": workers,
        "environment": pairs(environment) or None,
        "log.level": "debug" if console.debug else None,
    }

    def read_config() -> Config:
        return load_config(config_file, environ=os.environ, overrides=overrides).config

    loaded = load_config(config_file, environ=os.environ, overrides=overrides)
    for warning in loaded.warnings:
        console.warn(warning.message, warning.hint)
    config = loaded.config
    daemon: Daemon | Supervisor
    if config.workers > 1:
        from engine.daemon.supervisor.lines import Lines
        from engine.daemon.supervisor.supervisor import Source, Supervisor

        log = make_log(config.log, stream=Lines(2), environ=os.environ)
        daemon = Supervisor(config, log, Source(config_file, overrides, console.debug), reread=read_config)
    else:
        log = make_log(config.log, environ=os.environ)
        daemon = Daemon(config, log, reread=read_config, development=console.debug)
    files = Files(console, log, from_specs, from_values, namespace=(config.namespaces or (config.namespace,))[0])
    run_loop(daemon.run(first=files.read(), follow=files.follow if watch else None))
    return 130 if daemon.was_interrupted else 0
