"""The rules of the history: revisions, applies, and what became of each spec."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.store.check.finding import RESTORE, Finding, called
from engine.store.check.protocol import Glance, Row
from engine.store.record import said


@dataclass(slots=True)
class Newest:
    """The newest change of a spec. `said` is the hash of its document, None for a deletion or what cannot be read."""

    row: Row
    said: str | None
    ordinal: int | None
    met: bool = False
    """Whether the spec is stored."""

    @property
    def revision(self) -> int:
        return int(self.row["revision"])


@dataclass(slots=True)
class History:
    """Takes the rows of `changes`, by revision. Keeps the newest of each spec, without its document."""

    glance: Glance
    newest: dict[str, Newest] = field(default_factory=dict)
    count: int = 0
    _last: Row | None = None

    def look(self, row: Row) -> Iterator[Finding]:
        """What is wrong with a change."""
        yield from self._numbers(row)
        yield from self._apply(row)
        document, problem = _document(row)
        if problem is not None:
            subject = f"revision {row['revision']} of {called(row)}"
            yield Finding("unreadable-change", subject, problem, f"{RESTORE}, or live without that revision")
        if row["resource"] == "spec":
            self.count += 1
            yield from self._course(row)
            self._keep(row, document)
        self._last = {key: row[key] for key in ("revision", "batch", "time", "author", "message")}

    def end(self) -> Iterator[Finding]:
        """What is wrong with the whole of them."""
        last = self._last["revision"] if self._last is not None else 0
        floor = self.glance.floor
        if floor is not None and max(last, floor) < self.glance.revision:
            yield _gap(max(last, floor) + 1, self.glance.revision)

    def meet(self, id: str) -> Newest | None:
        """The newest change of a spec that is stored; None if the history knows nothing of it."""
        newest = self.newest.get(id)
        if newest is not None:
            newest.met = True
        return newest

    def lost(self) -> Iterator[Finding]:
        """Specs that should be stored, by the history, and are not."""
        for newest in self.newest.values():
            if newest.row["action"] == "put" and not newest.met:
                subject = called(newest.row)
                name = newest.row["name"] or newest.row["id"]
                yield Finding(
                    "lost-document",
                    subject,
                    f"it is not stored, but nothing in the history has deleted it since revision {newest.revision}",
                    f"apply it again: `weir history {name} -n {newest.row['namespace']} -o yaml` has its text",
                )

    def _numbers(self, row: Row) -> Iterator[Finding]:
        revision, batch = row["revision"], row["batch"]
        subject = f"revision {revision} of {called(row)}"
        if not 0 < revision <= self.glance.revision:
            yield Finding(
                "revision-out-of-range",
                subject,
                f"the store counts from 1 and has come to {self.glance.revision}",
                f"{RESTORE}: the next write would give a number twice",
            )
        if not 0 < batch <= revision:
            yield Finding("broken-batch", subject, f"it says that its apply began with revision {batch}", RESTORE)
        before = self._last["revision"] if self._last is not None else 0
        floor = self.glance.floor
        if floor is not None and revision > max(before, floor) + 1:
            yield _gap(max(before, floor) + 1, revision - 1)

    def _apply(self, row: Row) -> Iterator[Finding]:
        """An apply is whole: its changes follow each other, and were made by one person at one time."""
        last = self._last
        if last is None:
            return
        subject = f"revision {row['revision']} of {called(row)}"
        if row["batch"] != last["batch"]:
            if row["batch"] <= last["revision"]:
                told = f"its apply began with revision {row['batch']}, but revision {last['revision']} is of another"
                yield Finding("broken-batch", subject, told, RESTORE)
            return
        if any(row[key] != last[key] for key in ("time", "author", "message")):
            told = f"its time, author or message is not that of revision {last['revision']}, of the same apply"
            yield Finding("broken-batch", subject, told, RESTORE)

    def _course(self, row: Row) -> Iterator[Finding]:
        """What happens to one spec makes sense, one change after another."""
        before = self.newest.get(row["id"])
        if before is None:
            return
        subject = f"revision {row['revision']} of {called(row)}"
        if before.row["namespace"] != row["namespace"]:
            told = (
                f"at revision {before.revision} its id was that of {called(before.row)}; an id stays in its namespace"
            )
            yield Finding("broken-history", subject, told, RESTORE)
        if row["action"] == before.row["action"] == "delete":
            told = f"it deletes what revision {before.revision} has deleted already; what made it again is missing"
            yield Finding("broken-history", subject, told, RESTORE)
        ordinal = row.get("ordinal")
        if ordinal is not None and before.ordinal is not None and ordinal != before.ordinal + 1:
            told = f"it is change {ordinal} of its spec, and the one before it, revision {before.revision}, is {before.ordinal}"
            yield Finding("broken-history", subject, told, f"{RESTORE}, if the revisions in between matter")

    def _keep(self, row: Row, document: Any) -> None:
        kept = {key: value for key, value in row.items() if key not in ("document", "origin")}
        self.newest[row["id"]] = Newest(
            kept, said(document) if isinstance(document, dict) else None, row.get("ordinal")
        )


def _document(row: Row) -> tuple[Any, str | None]:
    """The document of a change of a spec, and what is wrong with it. That of a value is sealed."""
    action, text = row["action"], row["document"]
    if action not in ("put", "delete"):
        return None, f"its action is {action!r}, neither put nor delete"
    if action == "delete":
        return None, "it is a deletion, and has a document" if text is not None else None
    if text is None:
        return None, "its document is missing"
    if row["resource"] == "value":
        return None, None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        return None, f"its document is no JSON: {error}"
    return document, None if isinstance(document, dict) else "its document is no map"


def _gap(first: int, last: int) -> Finding:
    which = f"revision {first}" if first == last else f"revisions {first} to {last}"
    return Finding(
        "missing-change", which, "missing from the changes, though none as new as that was forgotten", RESTORE
    )
