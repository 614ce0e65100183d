"""All SQL that reads or writes a store as a whole. Every function runs in its caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from typing import Any
from uuid import uuid4

from engine.store.change import LogEntry
from engine.store.record import Record
from engine.store.sqlite.tables import _ENTRY as ENTRY
from engine.store.sqlite.tables import _RECORD as RECORD
from engine.store.sqlite.tables import _record as to_record
from engine.store.sqlite.tables import _row as to_row


def count(raw: sqlite3.Connection, namespaces: frozenset[str] | None) -> dict[str, int]:
    """How many specs and values there are, and how many `changes` of specs."""
    where, values = _within(namespaces)
    found = {"spec": 0, "value": 0}
    rows = raw.execute(f"SELECT resource, count(*) FROM documents WHERE {where} GROUP BY resource", values)  # noqa: S608
    found.update(rows)
    changes = raw.execute(
        f"SELECT count(*) FROM changes WHERE resource = 'spec' AND {where}",  # noqa: S608
        values,
    ).fetchone()[0]
    return {"specs": found["spec"], "values": found["value"], "changes": changes}


def changes(raw: sqlite3.Connection, namespaces: frozenset[str] | None) -> Iterator[LogEntry]:
    """The history of specs, by revision."""
    where, values = _within(namespaces)
    rows = raw.execute(
        f"SELECT {ENTRY} FROM changes WHERE resource = 'spec' AND {where} ORDER BY revision",  # noqa: S608
        values,
    )
    return (LogEntry(*row) for row in rows)


def records(raw: sqlite3.Connection, namespaces: frozenset[str] | None) -> Iterator[Record]:
    """What is stored, by resource and id."""
    where, values = _within(namespaces)
    rows = raw.execute(f"SELECT {RECORD} FROM documents WHERE {where} ORDER BY resource, id", values)  # noqa: S608
    return map(to_record, rows)


def add_changes(raw: sqlite3.Connection, entries: Iterable[LogEntry]) -> None:
    """Insert changes as they are."""
    raw.executemany(
        f"INSERT INTO changes ({ENTRY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        map(astuple, entries),
    )


def add_records(raw: sqlite3.Connection, found: Iterable[Record]) -> None:
    """Insert records as they are."""
    raw.executemany(
        f"INSERT INTO documents ({RECORD}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        map(to_row, found),
    )


def found_anew(raw: sqlite3.Connection, revision: int) -> None:
    """Let the store count from a revision on, as another store than it was.

    Whoever watches it lists again then. The floor is as high: what led to the revision was not told here.
    """
    raw.execute("UPDATE state SET identity = ?, revision = ?, floor = ?", (uuid4().hex, revision, revision))


def _within(namespaces: frozenset[str] | None) -> tuple[str, list[Any]]:
    if namespaces is None:
        return "true", []
    return "namespace IN (SELECT value FROM json_each(?))", [json.dumps(sorted(namespaces))]
