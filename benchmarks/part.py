"""A part of the benchmarks: what makes one section of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.targets import Reached

Told = Callable[[str], None]
"""Hears how far a part has come."""


class MissingError(Exception):
    """A part cannot run here. The text says what is missing, and how to get it."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done. `rounds` is None for each part's own; `quick` is to see that all works, and no result."""

    rounds: int | None = None
    quick: bool = False

    def times(self, usual: int, *, quick: int = 2) -> int:
        """How many rounds a part makes."""
        return self.rounds if self.rounds is not None else quick if self.quick else usual


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a part has found: Markdown, figures for targets by their keys, and pictures by the names of their files."""

    text: str
    targets: Mapping[str, Reached] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A section: its title, what stands above its figures, and what measures them.

    `programs` are those that must be on the path; `usual` tells whether it runs when nobody has named a part. `takes` is about
    how long it does, in seconds.
    """

    name: str
    title: str
    text: str
    takes: int
    run: Callable[[Effort, Told], Outcome]
    programs: tuple[str, ...] = ()
    usual: bool = True
