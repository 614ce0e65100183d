"""Collects everything that is wrong with one document, each finding with its place."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.errors import Diagnostic, DiagnosticsError, Place
from engine.spec.origin import Origin, Path


@dataclass(slots=True)
class Problems:
    """The findings about one document whose values stand where `origin` says."""

    origin: Origin | None = None
    found: list[Diagnostic] = field(default_factory=list)

    def add(self, rule: str, message: str, path: Path = (), *, key: bool = False, hint: str | None = None) -> None:
        """Note a finding about the value at `path`, or about its key."""
        self.found.append(Diagnostic(rule, message, self.place(path, key=key), hint, path=tuple(path)))

    def place(self, path: Path = (), *, key: bool = False) -> Place:
        return self.origin.place(path, key=key) if self.origin is not None else Place()

    def check(self) -> None:
        """Raise DiagnosticsError if anything was found."""
        if self.found:
            raise DiagnosticsError(self.found)
