"""Why a spec cannot be active."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.errors import Diagnostic, DiagnosticsError, ErrorValue, Place


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One reason, in words, and what it means for the spec's state.

    *pending*: it can pass by itself, when something else comes. *failed*: somebody must change this spec. `cause` is
    the first reason in a chain of nodes that wait for each other.
    """

    state: Literal["pending", "failed"]
    reason: str
    diagnostics: tuple[Diagnostic, ...] = ()
    cause: str = ""
    needed: bool = False
    """The revision that runs is kept because another spec needs a port of it: to be decided anew with every change."""

    def __post_init__(self) -> None:
        if not self.cause:
            object.__setattr__(self, "cause", self.reason)

    @classmethod
    def of(cls, error: DiagnosticsError) -> Obstacle:
        """The obstacle of a spec that does not compile."""
        return cls("failed", "; ".join(each.message for each in error.diagnostics), error.diagnostics)

    @classmethod
    def of_load(cls, error: ErrorValue) -> Obstacle:
        """The obstacle of a spec whose node could not be loaded."""
        found = Diagnostic("load", error.text, error.place or Place(), error.hint, code=error.code)
        return cls("failed", error.text, (found,))
