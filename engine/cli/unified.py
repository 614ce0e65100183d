"""The difference of two documents as people read it: YAML, line by line.

Both sides are written in one form, so that only what they say differs: without what tells which document it is, and with
the keys of the old side in the order in which the new side has them.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from engine.spec.yaml import dump
from engine.store.record import IDENTITY

CONTEXT: Final = 3
"""Lines that stay as they are, shown around those that do not."""

_SHADES: Final[Mapping[str, Mapping[str, Any]]] = {
    "---": {"bold": True},
    "+++": {"bold": True},
    "@": {"fg": "cyan"},
    "-": {"fg": "red"},
    "+": {"fg": "green"},
}


def unified(
    old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, *, old_title: str, new_title: str
) -> list[str]:
    """The lines of a unified diff from one document (as JSON has it; None: there is none) to the other, in colours."""
    before = _lines(_aligned(old, new) if old is not None else None)
    after = _lines(new)
    found = difflib.unified_diff(before, after, old_title, new_title, n=CONTEXT, lineterm="")
    return [_shaded(line, header=index < 2) for index, line in enumerate(found)]


def _lines(document: Mapping[str, Any] | None) -> Sequence[str]:
    if document is None:
        return ()
    return dump({key: value for key, value in document.items() if key not in IDENTITY}).splitlines()


def _aligned(old: Any, new: Any) -> Any:
    """`old` with its keys in the order of `new`; those that `new` lacks come last."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*(key for key in new if key in old), *(key for key in old if key not in new)]
        return {key: _aligned(old[key], new.get(key)) for key in keys}
    if isinstance(old, Sequence) and isinstance(new, Sequence) and not isinstance(old, str):
        others = [*new, *([None] * len(old))]
        return [_aligned(item, other) for item, other in zip(old, others, strict=False)]
    return old


def _shaded(line: str, *, header: bool) -> str:
    mark = line[:3] if header else line[:1]
    shade = _SHADES.get(mark)
    return click.style(line, **shade) if shade is not None else line
