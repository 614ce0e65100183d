from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.store.change import LogEntry
from engine.store.transfer.parts import COUNT, LENGTH, cut


def entry(length: int) -> LogEntry:
    return LogEntry(1, 1, "put", "spec", "id", "default", "a", "x" * length, None, 0, None, None)


def test_parts_are_bounded_by_count():
    assert [len(part) for part in cut([entry(1)] * (2 * COUNT + 1))] == [COUNT, COUNT, 1]
    assert list(cut([])) == []


def test_parts_are_bounded_by_length():
    half = entry(LENGTH // 2)
    assert [len(part) for part in cut([half, half, half])] == [2, 1]
    assert [len(part) for part in cut([entry(2 * LENGTH), half])] == [1, 1]


@given(st.lists(st.integers(0, 3)))
def test_nothing_is_lost(lengths):
    entries = [entry(length) for length in lengths]
    assert [each for part in cut(entries) for each in part] == entries


def test_what_is_not_asked_for_is_not_read():
    read = []

    def items():
        for number in range(3 * COUNT):
            read.append(number)
            yield entry(1)

    next(cut(items()))
    assert len(read) == COUNT
