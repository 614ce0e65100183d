"""What a watch yields, and what a history holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Self, TypeAlias

from engine.errors import Diagnostic, DiagnosticsError, InvalidError
from engine.spec.model import Spec, Value
from engine.spec.origin import Origin
from engine.store.clock import moment
from engine.store.record import Record, Resource, read_origin, restore

ChangeAction: TypeAlias = Literal["put", "delete"]


@dataclass(frozen=True, slots=True)
class Change:
    """One write of one document. `document` is the whole as written, None for a deletion.

    `name` is the name it has now; of a deletion, the one it had. `problem` tells why the document cannot be opened; there
    is none then.
    """

    revision: int
    action: ChangeAction
    resource: Resource
    namespace: str
    id: str
    name: str | None
    document: Mapping[str, Any] | None = None
    origin: Origin | None = None
    problem: Diagnostic | None = None

    def subject(self) -> Spec | Value | None:
        """The spec or value as stored; None for a deletion.

        Raises DiagnosticsError if it has a `problem`, or if another version of Weir wrote something that this one cannot
        read.
        """
        if self.problem is not None:
            raise DiagnosticsError([self.problem])
        if self.document is None:
            return None
        return restore(
            self.resource,
            self.document,
            origin=self.origin,
            id=self.id,
            namespace=self.namespace,
            name=self.name,
            revision=self.revision,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """All changes of one `apply`, in order, as far as the watch is about them. Never empty.

    `revision` is the last one of the whole apply.
    """

    revision: int
    changes: tuple[Change, ...]

    def within(self, namespaces: frozenset[str] | None) -> Batch | None:
        """The part about these namespaces, None if there is none."""
        if namespaces is None:
            return self
        changes = tuple(change for change in self.changes if change.namespace in namespaces)
        return replace(self, changes=changes) if changes else None


@dataclass(frozen=True, slots=True)
class Resync:
    """Changes may be missing: list again. All later changes follow. `reason` is a sentence for the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One revision of a spec. `document` is None where it was deleted. `author` and `message` say who, and why."""

    revision: int
    action: ChangeAction
    namespace: str
    id: str
    name: str | None
    time: datetime
    author: str | None
    message: str | None
    document: Mapping[str, Any] | None
    origin: Origin | None = None

    def to_json(self) -> dict[str, Any]:
        """The public form; where the document stood in its file is not part of it."""
        return {
            "revision": self.revision,
            "action": self.action,
            "id": self.id,
            "namespace": self.namespace,
            "name": self.name,
            "time": self.time.isoformat(),
            "author": self.author,
            "message": self.message,
            "document": self.document,
        }

    @classmethod
    def from_json(cls, form: Any) -> Self:
        """Read :meth:`to_json`'s form. Raises InvalidError for another."""
        try:
            return cls(
                revision=form["revision"],
                action=form["action"],
                namespace=form["namespace"],
                id=form["id"],
                name=form["name"],
                time=datetime.fromisoformat(form["time"]),
                author=form["author"],
                message=form["message"],
                document=form["document"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidError(f"the form of a revision is wrong: {type(error).__name__} {error}") from error


@dataclass(frozen=True, slots=True)
class Retention:
    """How much history a store keeps: the last `count` revisions of each spec, none older than `age` (None: any age).

    Values have no history: they may be secrets.
    """

    count: int = 1_000
    age: timedelta | None = None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A change as a store keeps it. `batch` is the first revision of its apply, `time` microseconds since 1970."""

    revision: int
    batch: int
    action: ChangeAction
    resource: Resource
    id: str
    namespace: str
    name: str | None
    document: str | None
    origin: str | None
    time: int
    author: str | None
    message: str | None

    @classmethod
    def put(cls, record: Record, *, batch: int, time: int, author: str | None, message: str | None) -> LogEntry:
        """The entry of a record that was written."""
        return cls(
            record.revision,
            batch,
            "put",
            record.resource,
            record.id,
            record.namespace,
            record.name,
            record.document,
            record.origin,
            time,
            author,
            message,
        )

    @classmethod
    def deletion(
        cls, record: Record, revision: int, *, batch: int, time: int, author: str | None, message: str | None
    ) -> LogEntry:
        """The entry of a record that was deleted."""
        return cls(
            revision,
            batch,
            "delete",
            record.resource,
            record.id,
            record.namespace,
            record.name,
            None,
            None,
            time,
            author,
            message,
        )

    def change(self) -> Change:
        """What a watch shows of it."""
        document = json.loads(self.document) if self.document is not None else None
        return Change(
            self.revision,
            self.action,
            self.resource,
            self.namespace,
            self.id,
            self.name,
            document,
            read_origin(self.origin),
        )

    def history(self) -> HistoryEntry:
        """What a history shows of it."""
        return HistoryEntry(
            self.revision,
            self.action,
            self.namespace,
            self.id,
            self.name,
            moment(self.time),
            self.author,
            self.message,
            json.loads(self.document) if self.document is not None else None,
            read_origin(self.origin),
        )
