"""From the records of a listing to a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from engine.errors import Diagnostic, DiagnosticsError
from engine.spec.model import Spec, Value
from engine.store.query import Page, Query, write_token
from engine.store.record import Record, stand_in, unseal

SubjectT = TypeVar("SubjectT", Spec, Value)


def compose(kind: type[SubjectT], records: Iterable[Record], *, query: Query, revision: int) -> Page[SubjectT]:
    """The page that begins with these records: as many as the query's limit allows, read into specs or values.

    `records` are in order and meet the query; no more of them are taken than needed.
    """
    items: list[SubjectT] = []
    problems: list[Diagnostic] = []
    unreadable: set[str] = set()
    broken: list[Value] = []

    def page(after: str | None = None) -> Page[SubjectT]:
        return Page(
            items,
            revision=revision,
            after=after,
            problems=tuple(problems),
            unreadable=frozenset(unreadable),
            broken=broken,
        )

    last: Record | None = None
    for count, record in enumerate(records):
        if count == query.limit:
            assert last is not None
            return page(write_token(last))
        last = record
        try:
            subject = unseal(record)
        except DiagnosticsError as error:
            problems.extend(error.diagnostics)
            unreadable.add(record.id)
            if record.resource == "value":
                broken.append(stand_in(record, "; ".join(found.message for found in error.diagnostics)))
            continue
        assert isinstance(subject, kind)
        items.append(subject)
    return page()
