"""What a node remembers about one process."""

from __future__ import annotations

from typing import Generic, TypeVar

from engine.flow import Process

T = TypeVar("T")


class Local(Generic[T]):
    """A value of one process at one node.

    The data of a process pass to the children that it forks; a local value does not: its key names the process.
    (A process outlives its children, so the number that names it cannot be given to another meanwhile.)
    """

    __slots__ = ()

    def get(self, process: Process) -> T | None:
        """What :meth:`set` has set in this very process, or None."""
        found: T | None = process.get((self, id(process)))
        return found

    def set(self, process: Process, value: T) -> None:
        """Remember `value` until the process is gone."""
        process.set((self, id(process)), value)
