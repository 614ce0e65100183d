"""What a JavaScript engine has to offer, and nothing of how it does it.

Everything else in this package (modules, values, errors, batches, the ceiling) is written against these protocols, so
that an engine is one file: it checks a script, and it makes isolates that answer text with text as `prelude.js` says.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from functools import cache
from importlib import resources
from typing import Protocol

from engine.language.javascript.module import Module


@dataclass(frozen=True, slots=True)
class Settings:
    """What the prelude of one isolate is told."""

    memory: int
    """Bytes."""
    log: bool
    """Whether anybody reads what `console` prints."""
    slice: int = 5
    """Milliseconds after which a batch is not continued, so that a deadline always means the call that runs."""
    result: int = 8 * 2**20
    """Characters of JSON that a result may have: to read it holds up the event loop."""


class Status(Enum):
    """How a text was answered."""

    DONE = "done"
    STOPPED = "stopped"
    """Interrupted, before or after it finished some calls."""
    MEMORY = "memory"
    """Stopped because the isolate's memory was used up."""
    BROKEN = "broken"
    """The prelude itself failed; the text says how."""
    DIED = "died"
    """The isolate is gone, and what was in it; the text says how. Nobody knows how far the text came."""
    STARVED = "starved"
    """The same, for want of memory."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: Status
    text: str


class Isolate(Protocol):
    """One heap with one module, off the event loop. It works on one text at a time; its makers see to that."""

    grace: float
    """Seconds that it has to come back when it was interrupted. To wait longer than that is worse than to lose it."""

    def run(self, text: str, done: Callable[[Reply], None]) -> None:
        """Send `text`; `done` is called once, on a thread of the engine's, unless the isolate is closed before."""
        ...

    def progress(self) -> int | None:
        """How many calls of the text that runs are finished; None if it has not even begun. Never blocks."""
        ...

    def interrupt(self) -> None:
        """End the text that runs. If it has begun, `done` is called soon, but not while a builtin holds the engine."""
        ...

    def lift_limit(self) -> None:
        """Let the isolate use more memory, to answer one last text."""
        ...

    def close(self) -> None:
        """Free everything, ending what runs. Blocks until then, so never call it where `done` is called."""
        ...


class Engine(Protocol):
    """One JavaScript engine."""

    def check(self, module: Module) -> None:
        """Parse, without running anything. Raises :class:`~engine.errors.ExpressionError` with the place."""
        ...

    def isolate(self, module: Module, settings: Settings) -> Isolate:
        """A new isolate with the prelude and the module; the module's top level has not run yet. Blocks for a few ms."""
        ...

    def close(self) -> None:
        """Free what checking holds."""
        ...


def prelude(module: Module, settings: Settings) -> str:
    """The script that makes `dispatch`; its value is `[dispatch, progress]`."""
    form = {**asdict(settings), "common": module.common}
    parts = f"({_source('prelude.js')})({json.dumps(form)})"
    return f"((parts) => (({_source('web.js')})(), parts))({parts})\n//# sourceURL=prelude.js"


@cache
def _source(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")
