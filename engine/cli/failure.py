"""What went wrong, in words and as an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from typing import Final

import click

from engine.cli.console import Console
from engine.errors import Code, Diagnostic, DiagnosticsError, InvalidError, WeirError

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells have it (128 and the number of the signal)."""


def report(error: BaseException, console: Console) -> int:
    """Tell people what went wrong; the answer is the exit code."""
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return INTERRUPTED
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return _quiet()
    if isinstance(error, WeirError) and error.code is not Code.INTERNAL:
        _tell(error, console)
        return error.code.exit_code
    if console.debug:
        console.note("".join(traceback.format_exception(error)).rstrip())
    text = f"{type(error).__name__}: {error}" if not isinstance(error, WeirError) else str(error)
    console.fail(
        f"internal error: {text}",
        None if console.debug else "this is a mistake in Weir; --debug after `weir` shows where it happened",
    )
    return Code.INTERNAL.exit_code


def _tell(error: WeirError, console: Console) -> None:
    if isinstance(error, DiagnosticsError):
        console.report(error.diagnostics)
        return
    text = error.reason if isinstance(error, InvalidError) else str(error)
    place = error.place
    where = f"{place}: " if place is not None and place.file is not None and place.line else ""
    console.fail(f"{where}{text}", error.hint)
    details = error.value.details
    found = [each for each in details if isinstance(each, Diagnostic)] if isinstance(details, tuple) else []
    if found:
        console.report(found)


def _quiet() -> int:
    """Nobody reads on. What is still buffered must not be written at exit, which would complain again."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(null, stream.fileno())
        except (OSError, ValueError):  # a stream without a file has nothing that could complain
            continue
    os.close(null)
    return 1
