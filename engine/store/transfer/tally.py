"""How much a store holds, and a hash of all of it: two stores with the same tally hold the same."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from hashlib import sha256
from operator import attrgetter

from engine.store.change import LogEntry
from engine.store.record import Record


class Tally:
    """Counts and hashes what goes by; the order counts, and is that of :class:`~engine.store.transfer.protocol.Contents`."""

    __slots__ = ("_changes", "_records", "changes", "specs", "values")

    def __init__(self) -> None:
        self.specs = 0
        self.values = 0
        self.changes = 0
        self._changes = sha256()
        self._records = sha256()

    def add_changes(self, changes: Iterable[LogEntry]) -> None:
        """Count a part of the history."""
        for change in changes:
            self.changes += 1
            self._changes.update(_line(*_ENTRY(change)))

    def add_records(self, records: Iterable[Record]) -> None:
        """Count a part of what is stored."""
        for record in records:
            if record.resource == "spec":
                self.specs += 1
            else:
                self.values += 1
            self._records.update(_line(*_said(record)))

    @property
    def digest(self) -> str:
        """The hash of all that has gone by, in hexadecimal digits."""
        return sha256(self._changes.digest() + self._records.digest()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tally) and (self.counts, self.digest) == (other.counts, other.digest)

    __hash__ = None  # type: ignore[assignment]  # it changes

    @property
    def counts(self) -> tuple[int, int, int]:
        """Specs, values, and changes of specs."""
        return self.specs, self.values, self.changes

    def __str__(self) -> str:
        return in_words(*self.counts)


def in_words(specs: int, values: int, changes: int) -> str:
    """How much that is, for people."""
    return f"{amount(specs, 'spec')}, {amount(values, 'value')} and {amount(changes, 'revision')} of specs"


def amount(count: int, what: str) -> str:
    """So many of them: `1 spec`, `2,000 specs`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


_ENTRY = attrgetter(*(field.name for field in fields(LogEntry)))  # `astuple` would copy deeply, at ten times the cost


def _said(record: Record) -> tuple[object, ...]:
    """All of a record but the hash of a value's meaning, which a store may make with a key of its own."""
    return (
        record.resource,
        record.id,
        record.namespace,
        record.name,
        record.revision,
        dict(sorted(record.labels.items())),
        record.meaning if record.resource == "spec" else None,
        record.document,
        record.origin,
    )


def _line(*parts: object) -> bytes:
    return json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
