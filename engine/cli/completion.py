"""`weir completion`: what a shell needs to complete the command."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

from engine.cli.console import Console, pass_console

SHELLS: Final = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
@pass_console
def command(console: Console, ctx: click.Context, shell: str) -> None:
    """Print the completion script for a SHELL; for bash: source <(weir completion bash)."""
    kind = get_completion_class(shell)
    assert kind is not None
    # `source_template`, and not `source`, which starts bash only to ask how old it is.
    script = kind(ctx.find_root().command, {}, "weir", "_WEIR_COMPLETE")
    console.data(script.source_template % script.source_vars())
