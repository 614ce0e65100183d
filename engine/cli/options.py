"""What the options of several verbs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import click

from engine.spec.fields import FieldError, duration

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


class Span(click.ParamType[timedelta]):
    """How long: `30s`, `1m30s`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        try:
            return duration(value)
        except FieldError as error:
            self.fail(f"{error.reason}; {error.hint}", param, ctx)


def wait_option(command: CommandT) -> CommandT:
    """The option `--wait` or `--wait=TIME`, given to the command as `timeout`; None if it was left out."""
    return click.option(
        "--wait",
        "timeout",
        type=Span(),
        is_flag=False,
        flag_value="30s",
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
