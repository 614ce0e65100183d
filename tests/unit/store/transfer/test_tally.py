from __future__ import annotations

from dataclasses import fields, replace

import pytest

from engine.store.change import LogEntry
from engine.store.record import Record
from engine.store.transfer.tally import Tally, amount

ENTRY = LogEntry(1, 1, "put", "spec", "id", "default", "a", "{}", None, 0, "ada", "why")
RECORD = Record("spec", "id", "default", "a", 1, {"l": "1", "m": "2"}, "hash", "{}", None)


def tally(*items: LogEntry | Record) -> Tally:
    made = Tally()
    for item in items:
        if isinstance(item, LogEntry):
            made.add_changes([item])
        else:
            made.add_records([item])
    return made


def test_the_same_is_the_same():
    assert tally(ENTRY, RECORD) == tally(replace(ENTRY), replace(RECORD, labels={"m": "2", "l": "1"}))
    assert tally(ENTRY, RECORD).digest == tally(ENTRY, RECORD).digest


@pytest.mark.parametrize("field", [field.name for field in fields(LogEntry)])
def test_each_field_of_a_change_counts(field):
    assert tally(ENTRY) != tally(replace(ENTRY, **{field: 77}))


@pytest.mark.parametrize("field", ["id", "namespace", "name", "revision", "labels", "meaning", "document", "origin"])
def test_each_field_of_a_record_counts(field):
    changed = {"l": "other"} if field == "labels" else "other"
    assert tally(RECORD) != tally(replace(RECORD, **{field: changed}))


def test_the_hash_of_a_value_is_the_stores_own_affair():
    value = replace(RECORD, resource="value")
    assert tally(value) == tally(replace(value, meaning=""))
    assert tally(value) != tally(replace(value, document="[]"))


def test_the_order_counts():
    other = replace(ENTRY, revision=2)
    assert tally(ENTRY, other) != tally(other, ENTRY)


def test_what_has_other_boundaries_is_not_the_same():
    assert tally(replace(ENTRY, author="a", message="bc")) != tally(replace(ENTRY, author="ab", message="c"))


def test_in_words():
    assert str(tally(ENTRY, RECORD)) == "1 spec, 0 values and 1 revision of specs"
    assert amount(2000, "spec") == "2,000 specs"
