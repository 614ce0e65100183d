"""Sealing the values of a file anew, and cleaning away what an older version has written plain.

Rows keep their revision, and nothing is added to the changes: no watch hears of it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from typing import Final, Self

from engine.errors import DiagnosticsError
from engine.store.sqlite import tables
from engine.store.vault import Rotation, Vault
from engine.store.vault.keyring import MARK, is_sealed
from engine.store.vault.rotation import AT_ONCE

_STORED: Final = "stored"
_CHANGES: Final = "changes"
END: Final = "end"
"""The table of a step after the last one."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where a part of a rotation begins: in which table, after which key; and whether anything plain was met before."""

    table: str = _STORED
    after: str = ""
    plain: bool = False

    @classmethod
    def of(cls, token: str | None) -> Self:
        """Read a token that :attr:`token` gave; None is the beginning."""
        if token is None:
            return cls()
        table, plain, after = token.split(":", 2)
        return cls(table, after, plain == "plain")

    @property
    def token(self) -> str:
        """As text, for whoever asks for the next part."""
        return f"{self.table}:{'plain' if self.plain else ''}:{self.after}"


def rotate(raw: sqlite3.Connection, vault: Vault, step: Step) -> tuple[Rotation, Step]:
    """Do one part, within its caller's transaction; and where the next begins: at :data:`END`, if this was the last.

    Raises as :meth:`~engine.store.vault.vault.Vault.renewed`, without a key.
    """
    return _stored(raw, vault, step) if step.table == _STORED else _changes(raw, vault, step)


def has_sealed(raw: sqlite3.Connection) -> bool:
    """Whether any value of the store is sealed."""
    found = raw.execute(
        "SELECT EXISTS (SELECT 1 FROM documents WHERE resource = 'value' AND substr(document, 1, ?) = ?)",
        (len(MARK), MARK),
    ).fetchone()
    return bool(found[0])


def clean(raw: sqlite3.Connection, *, plain: bool) -> str | None:
    """Take what is deleted out of the file and its log; outside a transaction.

    A sentence if that cannot be done now and something `plain` was there. Without that it is done all the same where the
    file has free pages: a rotation that was stopped may have met what this one has not.
    """
    try:
        if plain or raw.execute("PRAGMA freelist_count").fetchone()[0]:
            raw.execute("VACUUM")
        busy = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        return f"values that were plain may still stand in free pages of the file: {error}" if plain else None
    if busy and plain:
        return "values that were plain may still stand in the write-ahead log: another process is reading it"
    return None


def _stored(raw: sqlite3.Connection, vault: Vault, step: Step) -> tuple[Rotation, Step]:
    records = tables.values_after(raw, step.after, AT_ONCE)
    renewed, rotation = vault.renewed(records, may_make=lambda: not has_sealed(raw))
    for record in renewed:
        tables.rewrite(raw, record)
    plain = step.plain or not all(is_sealed(record.document) for record in records)
    following = Step(_STORED, records[-1].id, plain) if len(records) == AT_ONCE else Step(_CHANGES, "0", plain)
    return replace(rotation, after=following.token), following


def _changes(raw: sqlite3.Connection, vault: Vault, step: Step) -> tuple[Rotation, Step]:
    """What watches may still have to read. What cannot be opened is of no use to them either, and stays until it is old."""
    entries = tables.value_changes_after(raw, int(step.after), AT_ONCE)
    plain = step.plain
    for entry in entries:
        try:
            renewed = vault.renewed_entry(entry)
        except DiagnosticsError:
            continue
        if renewed is not None:
            plain = plain or not is_sealed(entry.document or MARK)
            tables.rewrite_change(raw, renewed)
    if len(entries) < AT_ONCE:
        return Rotation(), Step(END, "", plain)
    following = Step(_CHANGES, str(entries[-1].revision), plain)
    return Rotation(after=following.token), following
