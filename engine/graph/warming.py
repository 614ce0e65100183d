"""Languages are slow once: to load V8, or what takes types out of TypeScript, takes longer than the loop may be held.

So before specs are compiled, the languages that they name are warmed up in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.graph.context import Languages
from engine.spec.model import Spec

_FIELDS = ("language", "lang")


async def warm_up(languages: Languages, specs: Iterable[Spec]) -> None:
    """Have everything there that compiling these specs needs. What cannot be loaded is told when they are compiled."""
    named = {name for spec in specs for name in _languages(spec.fields)}
    cold = sorted(name for name in named if languages.is_cold(name))
    if cold:
        await asyncio.to_thread(languages.warm, cold)


def _languages(fields: Mapping[str, Any]) -> Iterator[str]:
    """The text of every field of that name, at any depth: too many do no harm."""
    todo: list[Any] = [fields]
    while todo:
        data = todo.pop()
        parts: Iterable[Any] = data
        if isinstance(data, Mapping):
            parts = data.values()
            yield from (name for field in _FIELDS if isinstance(name := data.get(field), str))
        todo += [part for part in parts if isinstance(part, (dict, list, tuple))]
