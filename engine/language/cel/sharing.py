"""Values that stand in a result many times: how many, as far as the source tells, and how large that makes it.

Values are shared, never copied, so `cel.bind(a, [x, x], cel.bind(b, [a, a], …))` takes a few bytes a line, and each line
doubles what it is when somebody writes it out. Whoever walks such a value (JSON, `==`, `format`) never ends.

So the generator keeps count while it writes: :class:`Held` says how often a part of a value may stand in it. Up to
:data:`FEW` times is no more than what is written in the source, and nothing is asked while running. Beyond that
the program weighs the value, before it is walked or given back: :func:`weigh` counts a part each time it appears,
but visits it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.language.cel.values import Optional, limit_reached

FEW = 32
MANY = 2**31
_ANYWHERE = 2**31
_ELEMENT = 8


@dataclass(frozen=True, slots=True)
class Held:
    """How often the same part may stand in a value, and the outermost loop (0: none) around which that part was made."""

    times: int = 0
    level: int = _ANYWHERE

    def beside(self, other: Held) -> Held:
        """What a list of both holds."""
        return Held(min(self.times + other.times, MANY), min(self.level, other.level))

    def either(self, other: Held) -> Held:
        """What one of both holds, nobody knows which."""
        return Held(max(self.times, other.times), min(self.level, other.level))

    def collected(self, level: int) -> Held:
        """What a loop collects in which this value is made each time; `level` is that of the loop's inside."""
        return Held(MANY if self.times and self.level < level else self.times, self.level)

    @property
    def many(self) -> bool:
        """Whether the value must be weighed before it is walked."""
        return self.times > FEW


NOTHING = Held()
"""What a number holds, or a text that was made just now."""


def weigh(value: Any, limit: int) -> Any:
    """`value`, or an error when written out it would have more than `limit` characters, counting 8 for each element."""
    _weight(value, {}, limit)
    return value


def _weight(value: Any, known: dict[int, int], limit: int) -> int:
    kind = value.__class__
    if kind is str or kind is bytes:
        return _ELEMENT + len(value)
    if kind is dict:
        parts: Any = value.values()
        total = sum(map(_key_weight, value))
    elif kind is list or kind is tuple:
        parts, total = value, 0
    elif kind is Optional:
        return _weight(value.value, known, limit)
    else:
        return _ELEMENT
    found = known.get(id(value))
    if found is not None:
        return found
    total += _ELEMENT
    for part in parts:
        kind = part.__class__
        if kind is str:
            total += _ELEMENT + len(part)
        elif kind is dict or kind is list or kind is tuple or kind is bytes or kind is Optional:
            total += _weight(part, known, limit)
        else:
            total += _ELEMENT
        if total > limit:
            raise limit_reached(
                f"the value would be larger than {limit} when written out", "it holds the same parts many times"
            )
    # Whatever is in `value` stays alive while it is weighed, so no other object gets its id.
    known[id(value)] = total
    return total


def _key_weight(key: Any) -> int:
    return len(key) if key.__class__ is str else _ELEMENT
