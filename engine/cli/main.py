"""The command `weir`.

Each verb is a module of this package with a click command named `command`, imported only when that verb runs: `weir
--help` must answer at once, and `weir get` has no use for an HTTP server. What a verb raises becomes a message and an exit
code in one place (:mod:`engine.cli.failure`).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import click

from engine.cli.console import Console, color_option, debug_option
from engine.cli.lazy import LazyGroup

VERBS: Final = {
    "start": "Run the daemon.",
    "run": "Send packets to a node, without a daemon or a store.",
    "apply": "Write specs or values to the store, all or nothing.",
    "confirm": "Keep what `apply --confirm` has written on trial, or take it back.",
    "get": "Show specs, values, trials or running daemons.",
    "delete": "Delete specs or values.",
    "diff": "Show what an apply would change, or what revisions have changed.",
    "history": "Show every revision of a spec: who wrote it, when and why.",
    "rollback": "Go back to an earlier revision of a spec.",
    "store": "Copy a store to another, check it, or seal its values anew.",
    "lint": "Check files and show all that is wrong with them.",
    "schema": "Print the JSON Schema of specs, for editors.",
    "explain": "Tell what a kind of node, or a field of it, is for.",
    "validate": "Check a config file.",
    "version": "Print the version.",
    "completion": "Print a script that completes `weir` in a shell.",
}
"""Every verb with its line in the help; the module of each has its name."""


class Verbs(LazyGroup):
    """The verbs, imported when they are called; what they raise becomes an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a verb and exit with its code: what it returns, 0 for None."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        _never_fail_to_write()
        console = extra.setdefault("obj", Console())
        try:
            result = super().main(args, prog_name or "weir", complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as error:
            from engine.cli.failure import report

            sys.exit(report(error, console))
        sys.exit(result if isinstance(result, int) else 0)


def _never_fail_to_write() -> None:
    """What the terminal's encoding lacks is shown escaped, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from engine.cli.version import version

        click.echo(f"weir {version()}")
        ctx.exit()


@click.group(
    "weir",
    cls=Verbs,
    package="engine.cli",
    verbs=VERBS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print it.")
@color_option
@debug_option
def cli() -> None:
    """Weir runs flows that are written as YAML, and takes changes to them while they run.

    Verbs that read or write specs use the store of the config, or the daemon that --server or $WEIR_SERVER names.

    Exit codes: 0 done, 1 refused or failed, 2 wrong use of the command line, 70 a mistake in Weir, 130 interrupted;
    of `diff`: 0 the same, 1 different, 2 refused, failed or wrong use.
    """


def main() -> NoReturn:
    """The entry point of the script `weir`."""
    cli.main()
    raise AssertionError("a command exits")
