"""Values by key, of which the ones used longest ago are forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Final

_SWEEP: Final = 64
"""Entries below which it is not worth looking for stale ones."""


class Lru:
    """At most `capacity` values (0 is any number), none older than `lifetime` seconds (None is any age).

    Times are handed in. A stale value is forgotten when it is looked for, pushed out, or found by a sweep; a sweep comes
    each time that the number of entries has doubled, so it costs a constant time for each entry.
    """

    def __init__(self, capacity: int, *, lifetime: float | None = None) -> None:
        self.capacity = capacity
        self.lifetime = lifetime
        self._entries: OrderedDict[Hashable, tuple[Any, float]] = OrderedDict()
        self._sweep_at = _SWEEP

    def get(self, key: Hashable, now: float, *, default: Any = None) -> Any:
        """The value of `key`, which counts as used now; `default` where there is none."""
        entry = self._entries.get(key)
        if entry is None:
            return default
        value, since = entry
        if self._is_stale(since, now):
            del self._entries[key]
            return default
        self._entries.move_to_end(key)
        return value

    def put(self, key: Hashable, value: Any, now: float) -> None:
        """Keep `value`, as the one used last."""
        self._entries[key] = (value, now)
        self._entries.move_to_end(key)
        if self.lifetime is not None and len(self._entries) >= self._sweep_at:
            for stale in [key for key, (_, since) in self._entries.items() if self._is_stale(since, now)]:
                del self._entries[stale]
            self._sweep_at = max(_SWEEP, 2 * len(self._entries))
        if self.capacity and len(self._entries) > self.capacity:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def _is_stale(self, since: float, now: float) -> bool:
        return self.lifetime is not None and now - since >= self.lifetime
