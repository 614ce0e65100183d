"""`weir store`: what is done with a store as a whole. One module for each verb, imported when it runs."""

from __future__ import annotations

from typing import Final

import click

from engine.cli.lazy import LazyGroup

VERBS: Final = {
    "copy": "Copy a whole store, with its history, into an empty one.",
    "rotate": "Seal all values anew, with the first key of the config.",
    "check": "Look for damage in a store, and change nothing.",
}
"""Every verb with its line in the help; the module of each has its name."""


@click.group("store", cls=LazyGroup, package=__name__, verbs=VERBS)
def command() -> None:
    """Work with a store as a whole."""
