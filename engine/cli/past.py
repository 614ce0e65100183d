"""The history of one spec, as `history`, `diff` and `rollback` ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from engine.cli.target import Target
from engine.cli.wanted import RESOURCES
from engine.errors import NotFoundError
from engine.spec.suggest import hint as suggestion
from engine.store.change import HistoryEntry
from engine.store.query import Query


@dataclass(frozen=True, slots=True)
class Past:
    """The revisions of a spec, newest first, never empty. `known` is the name or id that they were asked for by."""

    namespace: str
    known: str
    entries: Sequence[HistoryEntry]

    @property
    def newest(self) -> HistoryEntry:
        return self.entries[0]

    @property
    def label(self) -> str:
        """`kind/name`, as it was called last."""
        kinds = [kind for entry in self.entries if (kind := _kind(entry)) is not None]
        named = self.newest.name or self.newest.id
        return f"{kinds[0]}/{named}" if kinds else named


async def read_past(target: Target, namespace: str, word: str, *, limit: int | None = None) -> Past:
    """The history of what `word` (NAME, KIND/NAME or an id) means.

    Raises NotFoundError, with a guess, for a spec that never was or whose history is not kept any more.
    """
    kind, name = _parts(word)
    past = Past(namespace, name, await target.history(namespace, name, limit=limit))
    # A limit may leave only a deletion, which does not tell the kind; then it is taken for what was asked.
    kinds = {_kind(entry) for entry in past.entries} - {None}
    if past.entries and (kind is None or not kinds or kind in kinds):
        return past
    what = f"{kind or 'spec'} {name!r} in the namespace {namespace!r}"
    if past.entries:
        raise NotFoundError(f"there was never a {what}", hint=f"there is {past.label}")
    there = await target.items("spec", Query(namespaces=(namespace,)))
    raise NotFoundError(
        f"there is no history of a {what}", hint=suggestion(name, [spec.name for spec in there if spec.name])
    )


def said_by(entry: HistoryEntry) -> dict[str, Any] | None:
    """What a revision says, apart from which one it is; None for a deletion."""
    if entry.document is None:
        return None
    return {key: value for key, value in entry.document.items() if key not in ("id", "namespace", "revision")}


def _parts(word: str) -> tuple[str | None, str]:
    """The kind, if one is told, and the name."""
    kind, slash, name = word.rpartition("/")
    if slash and not (kind and name):
        raise click.UsageError(f"{word!r} is not KIND/NAME")
    if RESOURCES.get(kind) == "value":
        raise click.UsageError("values keep no history: they may be secrets")
    return (None if not kind or kind in RESOURCES else kind), name


def _kind(entry: HistoryEntry) -> str | None:
    return str(entry.document.get("kind")) if entry.document is not None else None
