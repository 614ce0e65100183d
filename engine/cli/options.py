"""What the options of several verbs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

import click

from engine.spec.fields import FieldError, duration
from engine.store.trial import LONGEST

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

MARGIN: Final = timedelta(seconds=15)
"""How much longer than its `--wait` a trial lasts: the command itself ends it, and only one that was killed does not."""

_WAIT: Final = "30s"


ALL_OR_REVERT: Final = "all-or-revert"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long `--wait` waits, and whether everything goes back if a daemon refuses it by then."""

    timeout: timedelta
    revert: bool = False


class Span(click.ParamType[timedelta]):
    """How long: `30s`, `1m30s`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        try:
            return duration(value)
        except FieldError as error:
            self.fail(f"{error.reason}; {error.hint}", param, ctx)


_SPAN: Final = Span()


class _Patience(click.ParamType[Patience]):
    """`30s`, `all-or-revert`, or both with a comma between."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Patience:
        if isinstance(value, Patience):
            return value
        word, _, time = value.partition(",")
        if word != ALL_OR_REVERT:
            return Patience(_SPAN.convert(value, param, ctx))
        timeout = _SPAN.convert(time or _WAIT, param, ctx)
        if timeout > LONGEST - MARGIN:
            self.fail(f"it can be reverted within a day only, so not after {time}", param, ctx)
        return Patience(timeout, revert=True)


def wait_or_revert_option(command: CommandT) -> CommandT:
    """The option `--wait` with all its forms, given to the command as `patience`; None if it was left out."""
    return click.option(
        "--wait",
        "patience",
        type=_Patience(),
        is_flag=False,
        flag_value=_WAIT,
        metavar=f"[TIME|{ALL_OR_REVERT}[,TIME]]",
        help=f"Wait until all daemons run it; with {ALL_OR_REVERT} it goes back everywhere if one refuses it.",
    )(command)


def wait_option(command: CommandT) -> CommandT:
    """The option `--wait` or `--wait=TIME`, given to the command as `timeout`; None if it was left out."""
    return click.option(
        "--wait",
        "timeout",
        type=Span(),
        is_flag=False,
        flag_value=_WAIT,
        metavar="[TIME]",
        help="Wait until all daemons run it.",
    )(command)


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """The pairs of options such as `--env KEY=VALUE`."""
    found: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE")
        found[key] = value
    return found
