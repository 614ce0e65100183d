"""What the options of several verbs share."""

from __future__ import annotations

from collections.abc import Sequence

import click


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """The pairs of options such as `--env KEY=VALUE`."""
    found: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE")
        found[key] = value
    return found
