"""The order in which nodes are loaded: each behind everything that it leads to.

Links may form cycles. The members of a cycle have no order among themselves, but what the cycle leads to comes before all
of them, and what leads to the cycle after all of them. So the order is that of the strongly connected components, as
Tarjan's algorithm finds them; here with a stack of its own, since a chain may be longer than Python's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator


def inner_first(keys: Iterable[str], below: Callable[[str], Iterable[str]]) -> list[str]:
    """All `keys`, and whatever they lead to, inner ones first. Takes time in proportion to keys and links."""
    order: list[str] = []
    found: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_keys: list[str] = []  # found, and not in `order` yet
    is_open: set[str] = set()

    def enter(key: str) -> tuple[str, Iterator[str]]:
        found[key] = lowest[key] = len(found)
        open_keys.append(key)
        is_open.add(key)
        return key, iter(below(key))

    for start in keys:
        path = [] if start in found else [enter(start)]
        while path:
            key, rest = path[-1]
            for other in rest:
                if other not in found:
                    path.append(enter(other))
                    break
                if other in is_open:
                    lowest[key] = min(lowest[key], found[other])
            else:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[key])
                if lowest[key] == found[key]:
                    member = ""
                    while member != key:
                        member = open_keys.pop()
                        is_open.remove(member)
                        order.append(member)
    return order
