"""The rules of what is stored: each document can be read, its columns say what it says, and the history led to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.store.check.finding import RESTORE, Finding, called
from engine.store.check.history import History, Newest
from engine.store.check.protocol import Glance, Row
from engine.store.check.reading import APPLY, Reading, read
from engine.store.record import said
from engine.store.transfer.tally import amount
from engine.store.vault import Vault
from engine.store.vault.keyring import is_sealed, key_id


@dataclass(slots=True)
class Documents:
    """Takes the rows of `documents`. `history` is None if it could not be read whole."""

    glance: Glance
    vault: Vault
    history: History | None
    specs: int = 0
    values: int = 0
    _names: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _revisions: set[int] = field(default_factory=set)
    _plain: int = 0
    _locked: Counter[str] = field(default_factory=Counter)

    def look(self, row: Row) -> Iterator[Finding]:
        """What is wrong with a stored document."""
        if row["resource"] not in ("spec", "value"):
            told = f"it is a {row['resource']!r}, neither a spec nor a value"
            yield Finding("wrong-column", called(row), told, RESTORE)
            return
        newest = self.history.meet(row["id"]) if self.history is not None and row["resource"] == "spec" else None
        yield from self._numbers(row)
        yield from self._name(row)
        if row["resource"] == "value":
            self.values += 1
            yield from self._value(row)
            return
        self.specs += 1
        reading = read(row, self.vault)
        yield from reading.findings
        if self.history is not None:
            yield from _against_history(row, reading, newest)

    def end(self) -> Iterator[Finding]:
        """What many values have in common."""
        for key, count in self._locked.items():
            yield Finding(
                "missing-key",
                f"key {key}",
                f"{amount(count, 'value')} cannot be opened: this key has sealed them, and is not at hand",
                "name it in `values.key` of the config, or put the key file of the store back",
            )
        if self._plain:
            told = "kept as plain text, as an older version wrote it"
            yield Finding("plain-value", amount(self._plain, "value"), told, "`weir store rotate` seals it", "warning")

    def _numbers(self, row: Row) -> Iterator[Finding]:
        revision = row["revision"]
        if not 0 < revision <= self.glance.revision:
            told = f"its revision is {revision}, and the store counts from 1 and has come to {self.glance.revision}"
            hint = f"{RESTORE}: the next write would give a number twice"
            yield Finding("revision-out-of-range", called(row), told, hint)
        if revision in self._revisions:
            told = f"another document has its revision, {revision}"
            yield Finding("duplicate-revision", called(row), told, "change it, so that it gets one of its own")
        self._revisions.add(revision)

    def _name(self, row: Row) -> Iterator[Finding]:
        if row.get("keys") != row.get("own_keys"):
            told = f"it is kept under {row['keys']}, and should be under {row['own_keys']}"
            yield Finding("wrong-column", called(row), told, RESTORE)
        if row["id"] != row["id"].lower():
            yield Finding("wrong-column", called(row), f"its id {row['id']!r} is not in lower case", RESTORE)
        if row["name"] is None:
            return
        holder = self._names.setdefault((row["resource"], row["namespace"], row["name"]), row["id"])
        if holder != row["id"]:
            told = f"two have this name: {holder} and {row['id']}"
            yield Finding("duplicate-name", called(row), told, "delete one of them, or rename it, by its id")

    def _value(self, row: Row) -> Iterator[Finding]:
        key = key_id(row["document"])
        if key is not None and not self.vault.has(key):
            self._locked[key] += 1
            return
        if not is_sealed(row["document"]):
            self._plain += 1
        yield from read(row, self.vault).findings


def _against_history(row: Row, reading: Reading, newest: Newest | None) -> Iterator[Finding]:
    """The newest change of a spec is what is stored of it."""
    if newest is None:
        told = "nothing is known of how it came to be"
        yield Finding("no-history", called(row), told, "nothing; its next change begins a new history", "warning")
        return
    if newest.row["action"] == "delete":
        told = f"it is stored, and the history says that revision {newest.revision} has deleted it"
        yield Finding("wrong-history", called(row), told, "delete it, or apply it again")
        return
    if newest.revision != row["revision"]:
        told = f"it is stored with revision {row['revision']}, and the history ends with {newest.revision}"
        yield Finding("wrong-history", called(row), told, APPLY)
        return
    if (newest.row["namespace"], newest.row["name"]) != (row["namespace"], row["name"]):
        told = f"the history calls it {called(newest.row)}"
        yield Finding("wrong-history", called(row), told, APPLY)
    if reading.document is not None and newest.said is not None and newest.said != said(reading.document):
        told = f"its document is not what the history says of revision {newest.revision}"
        yield Finding("wrong-history", called(row), told, APPLY)
    if row.get("ordinal") != newest.ordinal:
        told = f"it counts {row.get('ordinal')} changes, and the history {newest.ordinal}"
        yield Finding(
            "wrong-history", called(row), told, "too few or too many of its revisions will be kept; apply it again"
        )
