"""Every answer that a plan allows, and when it is right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.reload.flow import ROUTES, Flow


@dataclass(frozen=True, slots=True)
class Span:
    """The transactions, first to last, after which an answer is right."""

    first: int
    last: int


class Book:
    """Answers by route and body. `flows` are the states in order: the one at index n holds after transaction n."""

    def __init__(self, flows: Iterable[Flow]) -> None:
        self.pages: dict[str, dict[bytes, Span]] = {route: {} for route in ROUTES}
        self.changed: list[frozenset[str]] = []
        """By transaction: the routes whose answer it changes."""
        before: dict[str, bytes] = {}
        for number, flow in enumerate(flows):
            changed = set()
            for route, page in self.pages.items():
                body = flow.answer(route)
                if before.get(route) == body:
                    page[body] = Span(page[body].first, number)
                    continue
                assert body not in page, f"the answer of {route} comes back at {number}: it would not tell its time"
                page[body] = Span(number, number)
                before[route] = body
                changed.add(route)
            self.changed.append(frozenset(changed))
