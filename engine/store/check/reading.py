"""One stored document: whether it can be read, and whether its columns say what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import DiagnosticsError
from engine.spec.model import Spec, Value, parse_spec, parse_value
from engine.store.check.finding import RESTORE, Finding, called
from engine.store.check.protocol import Row
from engine.store.record import Record, read_origin, said
from engine.store.vault import Vault

APPLY: Final = "apply it again, or go back with `weir rollback`"


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of it. `document` and `subject` are None if it cannot be read."""

    findings: tuple[Finding, ...]
    document: Mapping[str, Any] | None = None
    subject: Spec | Value | None = None


def read(row: Row, vault: Vault) -> Reading:
    """Read the document of a row. A value is opened."""
    text, places = row["document"], row["origin"]
    if row["resource"] == "value":
        opened = vault.open(_bare(row))
        if opened.problem is not None:
            return _failed("sealed-value", row, opened.problem.message, opened.problem.hint or RESTORE)
        text, places = opened.document, opened.origin
    parse = parse_spec if row["resource"] == "spec" else parse_value
    try:
        document = json.loads(text)
        read_origin(places)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        return _failed("unreadable-document", row, f"its document or the places of it are no JSON: {error}", APPLY)
    try:
        subject: Spec | Value = parse(document, namespace=row["namespace"])
    except DiagnosticsError as error:
        # What is wrong may quote the document, and that of a value is a secret.
        wrong = "; ".join(each.message for each in error.diagnostics) if row["resource"] == "spec" else "it is no value"
        return _failed("unreadable-document", row, f"its document cannot be read: {wrong}", APPLY)
    return Reading(tuple(_columns(row, document, subject)), document, subject)


def _columns(row: Row, document: Mapping[str, Any], subject: Spec | Value) -> list[Finding]:
    found: list[Finding] = []
    for column, written in (("id", subject.id), ("name", subject.name), ("namespace", subject.namespace)):
        if document.get(column) is not None and written != row[column]:
            told = f"its {column} is {row[column]!r}, and {written!r} in its document"
            found.append(Finding("wrong-column", called(row), told, APPLY))
    try:
        labels = json.loads(row["labels"])
    except (ValueError, TypeError) as error:
        labels = f"no JSON ({error})"
    if labels != dict(subject.labels):
        told = f"its labels are {labels}, and {dict(subject.labels)} in its document: listings by label miss it"
        found.append(Finding("wrong-column", called(row), told, APPLY))
    found += _meaning(row, document)
    return found


def _meaning(row: Row, document: Mapping[str, Any]) -> list[Finding]:
    """The hash of a spec is that of its document; a value has none, for that would give a short secret away."""
    if row["resource"] == "value":
        told, hint = "a hash of what it says is kept, which gives a short secret away", "delete it, and apply it again"
        return [Finding("wrong-column", called(row), told, hint)] if row["meaning"] else []
    meaning = said(document)
    if row["meaning"] == meaning:
        return []
    told = f"its hash is {row['meaning']!r}, and that of its document {meaning!r}: an apply takes it for another"
    return [Finding("wrong-column", called(row), told, APPLY)]


def _failed(code: str, row: Row, message: str, hint: str) -> Reading:
    return Reading((Finding(code, called(row), message, hint),))


def _bare(row: Row) -> Record:
    """As much of a record as it takes to open it."""
    return Record(
        row["resource"],
        row["id"],
        row["namespace"],
        row["name"],
        row["revision"],
        {},
        "",
        row["document"],
        row["origin"],
    )
