"""`weir version`."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Final

import click

from engine.cli.console import Console, pass_console

DISTRIBUTION: Final = "weir-flow"


def version() -> str:
    """The version of the installed package."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0+unknown"  # run from a checkout that is not installed


@click.command("version")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to tell.")
@pass_console
def command(console: Console, output: str) -> None:
    """Print the version of Weir, and of what it runs on."""
    known = {
        "version": version(),
        "python": platform.python_version(),
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }
    if output == "json":
        from engine.cli.shown import as_json

        console.data(as_json(known))
    else:
        console.write(f"weir {known['version']} (Python {known['python']}, {known['platform']})")
