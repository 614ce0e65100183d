"""All SQL that reads and writes rows. Every function runs in its caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from datetime import datetime
from typing import Any, Final

from engine.store.change import LogEntry, Retention
from engine.store.clock import microseconds, moment
from engine.store.instance import FORGOTTEN, LIFETIME, Instance, load_body
from engine.store.plan import IdKey, NameKey, Plan
from engine.store.query import Query
from engine.store.record import Record, Resource
from engine.store.trial import Trial, no_trial
from engine.store.trying import Onset

VALUE_CHANGES: Final = 3_600_000_000
"""Microseconds for which old changes of values are kept: long enough for any watch, and then the secrets are gone."""

_RECORD: Final = "resource, id, namespace, name, revision, labels, meaning, document, origin"
_ENTRY: Final = "revision, batch, action, resource, id, namespace, name, document, origin, time, author, message"


def state(raw: sqlite3.Connection) -> tuple[str, int, int]:
    """The identity of the file, the last revision given, and the floor: changes up to it may be gone."""
    identity, revision, floor = raw.execute("SELECT identity, revision, floor FROM state").fetchone()
    return identity, revision, floor


def select(raw: sqlite3.Connection, resource: Resource, query: Query) -> Iterator[Record]:
    """The records that meet a query, in order, beginning after its token. The limit is the caller's."""
    conditions = ["resource = ?"]
    values: list[Any] = [resource]

    def one_of(column: str, wanted: Iterable[str] | None) -> None:
        if wanted is not None:
            conditions.append(f"{column} IN (SELECT value FROM json_each(?))")  # noqa: S608
            values.append(json.dumps(list(wanted)))

    one_of("namespace", query.namespaces)
    one_of("id", None if query.ids is None else [wanted.lower() for wanted in query.ids])
    one_of("name", query.names)
    if query.matches is not None and all(example.id for example in query.matches):
        one_of("id", [str(example.id).lower() for example in query.matches])
    elif query.matches is not None and all(example.name for example in query.matches):
        one_of("name", [str(example.name) for example in query.matches])
    if query.except_namespace is not None:
        conditions.append("namespace <> ?")
        values.append(query.except_namespace)
    position = query.position()
    if position is not None:
        conditions.append("(namespace, known, id) > (?, ?, ?)")
        values.extend(position)
    rows = raw.execute(
        f"SELECT {_RECORD} FROM documents WHERE {' AND '.join(conditions)} ORDER BY namespace, known, id",  # noqa: S608
        values,
    )
    # SQL narrows; the query itself decides, as it does for every store.
    return (record for record in map(_record, rows) if query.admits(record))


def wanted(raw: sqlite3.Connection, wants: tuple[list[IdKey], list[NameKey]]) -> list[Record]:
    """The records with these ids and names, as far as they are there."""
    ids, names = wants
    found: dict[IdKey, Record] = {}
    for id_key in ids:
        row = raw.execute(f"SELECT {_RECORD} FROM documents WHERE resource = ? AND id = ?", id_key).fetchone()  # noqa: S608
        if row is not None:
            found[id_key] = _record(row)
    for name_key in names:
        row = raw.execute(
            f"SELECT {_RECORD} FROM documents WHERE resource = ? AND namespace = ? AND name = ?",  # noqa: S608
            name_key,
        ).fetchone()
        if row is not None:
            record = _record(row)
            found[record.resource, record.id] = record
    return list(found.values())


def commit(raw: sqlite3.Connection, plan: Plan, *, now: int, retention: Retention) -> None:
    """Write down a plan, and forget what is too old."""
    if not plan.final and not plan.log:
        return
    # All old rows go first: two documents may have swapped their names.
    raw.executemany("DELETE FROM documents WHERE resource = ? AND id = ?", plan.final)
    raw.executemany(
        f"INSERT INTO documents ({_RECORD}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (_row(record) for record in plan.final.values() if record is not None),
    )
    if not plan.log:
        return
    raw.executemany(
        f"INSERT INTO changes ({_ENTRY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        map(astuple, plan.log),
    )
    raw.execute("UPDATE state SET revision = ?", (plan.revision,))
    prune(raw, plan, now=now, retention=retention)


def prune(raw: sqlite3.Connection, plan: Plan, *, now: int, retention: Retention) -> None:
    """Delete changes that nobody needs, and raise the floor above them."""
    gone = 0
    for entry in {entry.id: entry for entry in plan.log if entry.resource == "spec"}.values():
        oldest = raw.execute(
            "SELECT revision FROM changes WHERE resource = 'spec' AND id = ? ORDER BY revision DESC LIMIT 1 OFFSET ?",
            (entry.id, retention.count),
        ).fetchone()
        if oldest is not None:
            raw.execute(
                "DELETE FROM changes WHERE resource = 'spec' AND id = ? AND revision <= ?", (entry.id, oldest[0])
            )
            gone = max(gone, oldest[0])
    ages = {"value": now - VALUE_CHANGES}
    if retention.age is not None:
        ages["spec"] = now - microseconds(retention.age)
    for resource, before in ages.items():
        last = raw.execute(
            "SELECT max(revision) FROM changes WHERE resource = ? AND time < ?", (resource, before)
        ).fetchone()[0]
        if last is not None:
            raw.execute("DELETE FROM changes WHERE resource = ? AND time < ?", (resource, before))
            gone = max(gone, last)
    if gone:
        raw.execute("UPDATE state SET floor = max(floor, ?)", (gone,))


def values_after(raw: sqlite3.Connection, id: str, limit: int) -> list[Record]:
    """The values with greater ids, in their order, as they are kept."""
    rows = raw.execute(
        f"SELECT {_RECORD} FROM documents WHERE resource = 'value' AND id > ? ORDER BY id LIMIT ?",  # noqa: S608
        (id, limit),
    )
    return [_record(row) for row in rows.fetchall()]


def value_changes_after(raw: sqlite3.Connection, revision: int, limit: int) -> list[LogEntry]:
    """The changes of values after a revision, in order, as they are kept."""
    rows = raw.execute(
        f"SELECT {_ENTRY} FROM changes WHERE resource = 'value' AND revision > ? ORDER BY revision LIMIT ?",  # noqa: S608
        (revision, limit),
    )
    return [LogEntry(*row) for row in rows.fetchall()]


def rewrite(raw: sqlite3.Connection, record: Record) -> None:
    """Keep the text of a document otherwise; nothing has changed for anybody."""
    raw.execute(
        "UPDATE documents SET meaning = ?, document = ?, origin = ? WHERE resource = ? AND id = ?",
        (record.meaning, record.document, record.origin, record.resource, record.id),
    )


def rewrite_change(raw: sqlite3.Connection, entry: LogEntry) -> None:
    """Keep the text of a change otherwise."""
    raw.execute(
        "UPDATE changes SET document = ?, origin = ? WHERE revision = ?", (entry.document, entry.origin, entry.revision)
    )


def changes_after(raw: sqlite3.Connection, revision: int) -> Iterator[LogEntry]:
    """The changes after a revision, in order."""
    rows = raw.execute(
        f"SELECT {_ENTRY} FROM changes WHERE revision > ? ORDER BY revision",  # noqa: S608
        (revision,),
    )
    return (LogEntry(*row) for row in rows)


def history(raw: sqlite3.Connection, namespace: str, known: str, limit: int | None) -> list[LogEntry]:
    """The changes of the spec with this name, or else this id, newest first."""
    holder = raw.execute(
        "SELECT id FROM documents WHERE resource = 'spec' AND namespace = ? AND name = ?", (namespace, known)
    ).fetchone()
    select_entries = f"SELECT {_ENTRY} FROM changes WHERE resource = 'spec' AND namespace = ?"  # noqa: S608
    order = "ORDER BY revision DESC LIMIT ?"
    count = -1 if limit is None else limit
    rows = raw.execute(
        f"{select_entries} AND (name = ? OR id = ?) {order}",
        (namespace, known, holder[0] if holder is not None else None, count),
    ).fetchall()
    if not rows:
        rows = raw.execute(f"{select_entries} AND id = ? {order}", (namespace, known.lower(), count)).fetchall()
    return [LogEntry(*row) for row in rows]


def trials(raw: sqlite3.Connection) -> list[Trial]:
    """The trials that have not ended, by deadline."""
    rows = raw.execute("SELECT body FROM trials ORDER BY deadline, id")
    return [Trial.from_json(json.loads(body)) for (body,) in rows]


def put_trial(raw: sqlite3.Connection, onset: Onset) -> None:
    """Write a trial that begins, with the records that it takes the place of."""
    trial = onset.trial
    body = json.dumps(trial.to_json(), ensure_ascii=False, separators=(",", ":"))
    raw.execute("INSERT INTO trials VALUES (?, ?, ?)", (trial.id, microseconds(trial.deadline), body))
    raw.executemany(
        f"INSERT INTO trial_documents (trial, {_RECORD}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        ((trial.id, *_row(record)) for record in onset.before),
    )


def take_trial(raw: sqlite3.Connection, id: str) -> Onset:
    """Delete a trial; what it was, and what was there before it. Raises NotFoundError."""
    row = raw.execute("SELECT body FROM trials WHERE id = ?", (id.lower(),)).fetchone()
    if row is None:
        raise no_trial(id)
    before = raw.execute(f"SELECT {_RECORD} FROM trial_documents WHERE trial = ?", (id.lower(),)).fetchall()  # noqa: S608
    raw.execute("DELETE FROM trials WHERE id = ?", (id.lower(),))
    return Onset(Trial.from_json(json.loads(row[0])), tuple(map(_record, before)))


def put_instance(raw: sqlite3.Connection, instance: Instance, *, body: str, now: datetime) -> None:
    """Write an instance; only its heartbeat, if nothing else is new."""
    raw.execute(
        """
        INSERT INTO instances (id, namespace, body) VALUES (?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET namespace = excluded.namespace, body = excluded.body
        WHERE body <> excluded.body
        """,
        (instance.id, instance.namespace, body),
    )
    raw.execute(
        "INSERT INTO heartbeats (id, time) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET time = excluded.time",
        (instance.id, microseconds(now)),
    )
    raw.execute(
        "DELETE FROM instances WHERE id IN (SELECT id FROM heartbeats WHERE time < ?)", (microseconds(now - FORGOTTEN),)
    )


def instances(raw: sqlite3.Connection, namespace: str | None, *, now: datetime) -> list[Instance]:
    """The instances that are alive."""
    rows = raw.execute(
        """
        SELECT body, time FROM instances JOIN heartbeats USING (id)
        WHERE time >= ? AND (? IS NULL OR namespace = ?)
        """,
        (microseconds(now - LIFETIME), namespace, namespace),
    )
    found = [load_body(body, moment(time), read=now) for body, time in rows]
    return sorted(found, key=lambda instance: (instance.namespace, instance.host, instance.id))


def remove_instance(raw: sqlite3.Connection, id: str) -> None:
    """Delete an instance, if it is there."""
    raw.execute("DELETE FROM instances WHERE id = ?", (id,))


def _record(row: tuple[Any, ...]) -> Record:
    resource, spec, namespace, name, revision, labels, meaning, document, origin = row
    return Record(resource, spec, namespace, name, revision, json.loads(labels), meaning, document, origin)


def _row(record: Record) -> tuple[Any, ...]:
    return (
        record.resource,
        record.id,
        record.namespace,
        record.name,
        record.revision,
        json.dumps(dict(record.labels)),
        record.meaning,
        record.document,
        record.origin,
    )
