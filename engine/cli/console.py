"""What a verb writes to: results to standard output, everything about them to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO, TypeAlias, TypeVar

import click

if TYPE_CHECKING:
    from engine.errors import Diagnostic

ColorMode: TypeAlias = Literal["auto", "always", "never"]
CommandT = TypeVar("CommandT", bound=Callable[..., Any])
ResultT = TypeVar("ResultT")

_LARGEST_SOURCE: Final = 16 * 1024 * 1024
"""Bytes of a file that is still read to show a line of it."""


@dataclass(slots=True)
class Console:
    """The terminal, or whatever is in its place. One for each run of the command.

    `sources` are texts by file name, from which lines are shown; files that are not among them are read.
    """

    color: ColorMode = "auto"
    debug: bool = field(default_factory=lambda: os.environ.get("WEIR_DEBUG", "") not in ("", "0"))
    sources: dict[str, str] = field(default_factory=dict)

    def colors(self, stream: TextIO) -> bool:
        """Whether to write colours there: on a terminal, unless `NO_COLOR` is set or `--color` says otherwise."""
        if self.color != "auto":
            return self.color == "always"
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def write(self, text: str) -> None:
        """A line for people, on standard output."""
        click.echo(text, color=self.colors(sys.stdout))

    def data(self, text: str) -> None:
        """A text for machines, on standard output: always UTF-8, whatever the terminal speaks."""
        click.echo(text.encode("utf-8", "backslashreplace"), nl=bool(text) and not text.endswith("\n"))

    def note(self, text: str) -> None:
        """A line for people, on standard error."""
        click.echo(text, err=True, color=self.colors(sys.stderr))

    def fail(self, message: str, hint: str | None = None) -> None:
        """Say on standard error what went wrong, and what to do about it."""
        self._headed("error", "red", message, hint)

    def warn(self, message: str, hint: str | None = None) -> None:
        """Say on standard error what may be wrong."""
        self._headed("warning", "yellow", message, hint)

    def report(self, diagnostics: Iterable[Diagnostic], *, err: bool = True) -> None:
        """Show findings with the lines they are about."""
        from engine.spec.report import render

        found = list(diagnostics)
        stream = sys.stderr if err else sys.stdout
        color = self.colors(stream)
        files = {finding.place.file for finding in found if finding.place.file is not None and finding.place.line}
        text = render(found, {file: self._source(file) for file in files}, color=color)
        click.echo(text, nl=False, err=err, color=color)

    def _headed(self, head: str, shade: str, message: str, hint: str | None) -> None:
        self.note(f"{click.style(f'{head}:', fg=shade, bold=True)} {message}")
        if hint:
            self.note(f"  hint: {hint}")

    def _source(self, file: str) -> str:
        """The text of a file, empty if it cannot be shown (any more)."""
        if file not in self.sources:
            from pathlib import Path  # slow to import, and only needed when something is wrong

            path = Path(file)
            try:
                small = path.is_file() and path.stat().st_size <= _LARGEST_SOURCE
                self.sources[file] = path.read_bytes().decode("utf-8", "replace") if small else ""
            except OSError:
                self.sources[file] = ""
        return self.sources[file]


def console_of(ctx: click.Context) -> Console:
    """The console of a running command."""
    return ctx.ensure_object(Console)


def _set_color(ctx: click.Context, _parameter: click.Parameter, mode: ColorMode | None) -> None:
    if mode is not None:
        console_of(ctx).color = mode


def _set_debug(ctx: click.Context, _parameter: click.Parameter, on: bool) -> None:
    if on:
        console_of(ctx).debug = True


def color_option(command: CommandT) -> CommandT:
    """The option `--color`, before the verb and after it."""
    return click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        expose_value=False,
        is_eager=True,
        callback=_set_color,
        help="When to use colours; auto: on a terminal, unless NO_COLOR is set.",
    )(command)


def debug_option(command: CommandT) -> CommandT:
    """The option `--debug`: tracebacks of mistakes in Weir."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_debug,
        help="Show tracebacks (also $WEIR_DEBUG).",
    )(command)


def pass_console(command: Callable[..., ResultT]) -> Callable[..., ResultT]:
    """Give a verb its console as first argument."""
    return click.make_pass_decorator(Console, ensure=True)(command)
