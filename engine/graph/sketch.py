"""A table to think with: it begins as another one stands, and what is decided in it changes nothing there.

A sketch costs nothing to make. What is looked at is copied when it is looked at, so a thought costs time in proportion
to what it is about, not to the table; symbols and nodes are never copied, because nobody changes them before a plan is
laid.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from copy import copy
from typing import Any, TypeVar

from engine.graph.table import Table, Unsettled

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Silence:
    """A log that nobody reads."""

    def debug(self, event: str, **fields: Any) -> None:
        """Say nothing."""

    info = warning = error = debug


class Copies(MutableMapping[KeyT, ValueT]):
    """A mapping over another one, which stays as it is: values are copied when they are first asked for."""

    def __init__(self, base: MutableMapping[KeyT, ValueT]) -> None:
        self._base = base
        self._own: dict[KeyT, ValueT] = {}
        self._gone: set[KeyT] = set()

    def __getitem__(self, key: KeyT) -> ValueT:
        if key in self._own:
            return self._own[key]
        if key in self._gone:
            raise KeyError(key)
        value = self._own[key] = copy(self._base[key])
        return value

    def __setitem__(self, key: KeyT, value: ValueT) -> None:
        self._own[key] = value

    def __delitem__(self, key: KeyT) -> None:
        if key not in self:
            raise KeyError(key)
        self._own.pop(key, None)
        self._gone.add(key)

    def __contains__(self, key: object) -> bool:
        return key in self._own or (key not in self._gone and key in self._base)

    def __iter__(self) -> Iterator[KeyT]:
        yield from (key for key in self._base if key not in self._gone and key not in self._own)
        yield from tuple(self._own)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Sketch(Table):
    """A table over `base`, for :func:`~engine.graph.intake.take_in` and :func:`~engine.graph.choose.choose`.

    It cannot be published; what it would need for that it does not have.
    """

    def __init__(self, base: Table) -> None:  # not Table's own: nothing here runs
        self.namespace = base.namespace
        self.compiler = base.compiler
        self.log = Silence()
        self.environment = base.environment
        self.passive = base.passive
        self.entries = Copies(base.entries)
        self.values = dict(base.values)
        self.claims = dict(base.claims)
        self.unloadable = set(base.unloadable)
        self.flawed = set(base.flawed)
        self.needed = set(base.needed)
        self.unsettled = Unsettled()
        self.unsettled.ids |= base.unsettled.ids
        self.unsettled.keys |= base.unsettled.keys
        self.current = base.current
        self._names = Copies(base._names)
        self._referrers = Copies(base._referrers)
