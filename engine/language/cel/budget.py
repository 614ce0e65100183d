"""How long one evaluation may go on: steps, which are the same on every machine, and the processor's time.

CEL runs inline, in the thread of whoever calls, and nobody can interrupt it. So it looks itself. Every loop, and every
function whose work grows with its arguments, takes *steps* off a budget: one for each element, one for each
:data:`TEXT_STEP` characters. That bounds what is usual. But the body of a loop may be long and its values large, so a
loop goes over its list in chunks and looks at the clock between them. The clock is the thread's own processor time: an
evaluation never waits for anything, and a busy machine must not make it fail.

A budget is a plain list, because one is made for each evaluation with a loop in it: the steps left, the seconds
allowed, the clock at which they end (`None` until somebody has looked once), and a count of looks that were saved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import length_hint
from time import thread_time
from typing import Any

from engine.errors import Code, ExpressionError
from engine.language.cel.values import limit_reached, type_name

STEPS, SECONDS, END, LOOKS = range(4)

TEXT_STEP = 64
"""So many characters or bytes are one step for a function that goes over all of them."""

CHUNK = 64
_LARGEST_CHUNK = 256
_GROW_BELOW = 0.001
_EVERY = 16


def budget_of(steps: int, seconds: float) -> list[Any]:
    """A fresh budget."""
    return [steps, seconds, None, 0]


def take(budget: list[Any], steps: int) -> None:
    """Take steps off the budget; `ExpressionError` when there are not so many."""
    left = budget[STEPS] - steps
    if left < 0:
        raise limit_reached(
            "too many steps: the loops of the expression are too long", "filter earlier, nest less, or split the work"
        )
    budget[STEPS] = left
    budget[LOOKS] += 1
    if steps > CHUNK or budget[LOOKS] % _EVERY == 0:
        look(budget)


def look(budget: list[Any]) -> float:
    """The clock. `ExpressionError` when the time is over; it begins with the first look."""
    now = thread_time()
    if budget[END] is None:
        budget[END] = now + budget[SECONDS]
    if now >= budget[END]:
        raise ExpressionError(
            f"the expression ran longer than {budget[SECONDS] * 1000:g} ms",
            code=Code.DEADLINE,
            hint="raise the node's `timeout`, or do less in one expression",
        )
    return now


def _check(budget: list[Any], value: Any) -> int:
    if not isinstance(value, (list, tuple, dict)):
        raise ExpressionError(f"a macro goes over a list or a map, not over a {type_name(value)}")
    count = len(value)
    if count > budget[STEPS]:
        take(budget, count)
    return count


def chunks(budget: list[Any], value: Any) -> Iterable[Iterable[Any]]:
    """The elements of a list or the keys of a map, in pieces, each taken off the budget when its turn comes."""
    if value.__class__ is list:
        # Most loops are short, and this is all that happens before them.
        count = len(value)
        if count <= CHUNK and count <= budget[STEPS]:
            budget[STEPS] -= count
            budget[LOOKS] += 1
            if budget[LOOKS] % _EVERY == 0:
                look(budget)
            return (value,)
    if _check(budget, value) > CHUNK:
        return _cut(budget, iter(value))
    take(budget, len(value))
    return (value,)


def pair_chunks(budget: list[Any], value: Any) -> Iterable[Iterable[Any]]:
    """Index and element of a list, or key and value of a map, in pieces."""
    count = _check(budget, value)
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    if count > CHUNK:
        return _cut(budget, iter(pairs))
    take(budget, count)
    return (list(pairs),)


def _cut(budget: list[Any], items: Iterator[Any]) -> Iterator[list[Any]]:
    """Pieces that grow as long as they are quick, so that looking at the clock costs next to nothing."""
    size = CHUNK
    before = look(budget)
    while piece := list(islice(items, size)):
        take(budget, len(piece))
        yield piece
        now = look(budget)
        if now - before < _GROW_BELOW:
            size = min(size * 2, _LARGEST_CHUNK)
        elif now - before > 4 * _GROW_BELOW:
            size = max(size // 4, 1)
        before = now


def refund(budget: list[Any], left: Iterator[Any]) -> None:
    """Give back the steps of elements that a loop did not visit because it stopped early."""
    budget[STEPS] += length_hint(left)


def spend(budget: list[Any], weight: int, function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)`, taking steps for going over its arguments, `weight` for each element, and for what it makes."""
    steps = 0
    for arg in args:
        kind = arg.__class__
        if kind is str or kind is bytes:
            steps += len(arg) // TEXT_STEP
        elif kind is list or kind is dict or kind is tuple:
            steps += len(arg)
    take(budget, steps * weight)
    result = function(*args)
    kind = result.__class__
    if kind is list:
        take(budget, len(result))
    elif kind is str and len(result) > TEXT_STEP:
        take(budget, len(result) // TEXT_STEP)
    return result
