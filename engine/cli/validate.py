"""`weir validate`: is a config right, and can this version do what it says?"""

from __future__ import annotations

import os

import click

from engine.cli.console import Console, color_option, pass_console
from engine.daemon.config import load_config


@click.command("validate")
@click.option("--config", metavar="FILE", help="The file; without it, the one that `weir start` would find.")
@color_option
@pass_console
def command(console: Console, config: str | None) -> int:
    """Check a config file, and the WEIR_ variables over it, without starting anything."""
    loaded = load_config(config, environ=os.environ)
    for warning in loaded.warnings:
        console.warn(warning.message, warning.hint)
    refused = loaded.config.unsupported()
    for sentence in refused:
        console.fail(sentence)
    if refused:
        return 1
    console.write(f"{loaded.file} is valid" if loaded.file is not None else "no config file; the defaults are valid")
    return 0
