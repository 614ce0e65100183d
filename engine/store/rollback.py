"""The way back: which revision of a spec is meant, and what has to be written so that it is the newest one again.

A rollback is an ordinary put of an old document, on the condition that nothing has changed since the history was read. It
deletes nothing of the history, so it can be taken back in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.errors import InvalidError, NotFoundError
from engine.spec.model import parse_spec
from engine.store.change import HistoryEntry
from engine.store.record import said
from engine.store.write import PutSpec

_LISTED: Final = 5
"""How many revisions a message names."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """The way of one spec back from `newest` of its history to `entry`.

    `known` is the name or id that the history was asked for. All is told from the history, so a spec whose newest
    revision nobody can read goes back, too.
    """

    known: str
    entry: HistoryEntry
    newest: HistoryEntry

    @property
    def expect(self) -> int:
        """The revision that has to be there, 0 for none."""
        return self.newest.revision if self.newest.document is not None else 0

    @property
    def reason(self) -> str:
        """What the history says of it, if nobody says anything else."""
        return f"back to revision {self.entry.revision}"

    def put(self) -> PutSpec:
        """What to write. Raises DiagnosticsError for a document that this version of Weir cannot read.

        A spec that was deleted and made again has another id: what it said before goes to the one that is there. One
        that is not there comes back under its own id.
        """
        assert self.entry.document is not None, "a deletion says nothing to go back to"
        id = self.newest.id if self.newest.document is not None else self.entry.id
        document = {**self.entry.document, "id": id, "namespace": self.entry.namespace}
        return PutSpec(parse_spec(document, origin=self.entry.origin), expect=self.expect)


def choose(entries: Sequence[HistoryEntry], wanted: int | None = None, *, label: str) -> HistoryEntry:
    """The entry to go back to: the wanted revision, or the last one that says something else than the newest.

    `entries` are newest first. Of a spec that was deleted, it is by itself what it said last. Raises NotFoundError where
    there is none, InvalidError for a revision that is a deletion.
    """
    if wanted is not None:
        entry = find(entries, wanted, label=label)
        if entry.document is None:
            raise InvalidError(f"revision {entry.revision} is the deletion of {label}", hint="choose another one")
        return entry
    newest = entries[0] if entries else None
    for entry in entries[1:]:
        if entry.document is not None and not same(entry, newest):
            return entry
    raise NotFoundError(f"{label} has no earlier revision that says anything else")


def find(entries: Sequence[HistoryEntry], wanted: int, *, label: str) -> HistoryEntry:
    """The entry with this revision, a deletion too; a negative one counts back from the newest, which -1 is before.

    Raises NotFoundError, which names some that there are.
    """
    if wanted < 0:
        if -wanted < len(entries):
            return entries[-wanted]
    else:
        for entry in entries:
            if entry.revision == wanted:
                return entry
    listed = ", ".join(str(entry.revision) for entry in entries[:_LISTED])
    more = f" and {len(entries) - _LISTED} older" if len(entries) > _LISTED else ""
    hint = f"its history has {listed}{more}" if entries else None
    missing = f"revision {wanted}" if wanted >= 0 else f"{1 - wanted} revisions to count back from the newest"
    raise NotFoundError(f"{label} has no {missing}", hint=hint)


def same(one: HistoryEntry | None, other: HistoryEntry | None) -> bool:
    """Whether two entries say the same, by the rule of all stores; a deletion, or None, says nothing."""
    return _saying(one) == _saying(other)


def _saying(entry: HistoryEntry | None) -> tuple[str | None, str] | None:
    return (entry.name, said(entry.document)) if entry is not None and entry.document is not None else None
