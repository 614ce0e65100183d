"""A store of any size, in parts that fit into memory: by count, and by the length of their texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from engine.store.change import LogEntry
from engine.store.record import Record

ItemT = TypeVar("ItemT", Record, LogEntry)

COUNT: Final = 500
"""Items that a part has at most."""

LENGTH: Final = 4 * 1024 * 1024
"""Characters after which a part takes no more; one document may have as many by itself."""


def cut(items: Iterable[ItemT]) -> Iterator[list[ItemT]]:
    """The items in parts, none of them empty."""
    part: list[ItemT] = []
    length = 0
    for item in items:
        part.append(item)
        length += size(item)
        if is_full(len(part), length):
            yield part
            part, length = [], 0
    if part:
        yield part


def is_full(count: int, length: int) -> bool:
    """Whether a part of so many items and characters takes no more."""
    return count >= COUNT or length >= LENGTH


def size(item: Record | LogEntry) -> int:
    """The characters of an item's texts."""
    return len(item.document or "") + len(item.origin or "")
