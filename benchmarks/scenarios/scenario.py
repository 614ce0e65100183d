"""What a scenario is made of: flows, applications that do the same by hand, requests that check it, and a load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

WAIT = 0.05
"""Seconds that requests wait where it is only tried whether they do."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a server is told: a folder of its own, and how long requests that wait do so, in seconds."""

    folder: Path
    wait: float = WAIT


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow as users write it. `$PORT`, `$FOLDER` and `$WAIT` in its text are filled in.

    `log` is the level of the daemon's log; at `info` it writes a line for each request.
    """

    title: str
    text: str
    log: str = "warning"

    def filled(self, setting: Setting, port: int) -> str:
        """The YAML of a file that `weir start` takes."""
        wait = f"{setting.wait * 1000:.0f}ms"
        return self.text.replace("$PORT", str(port)).replace("$FOLDER", str(setting.folder)).replace("$WAIT", wait)


@dataclass(frozen=True, slots=True)
class ByHand:
    """The same as one writes it with aiohttp. `make` gives the application."""

    title: str
    make: Callable[[Setting], web.Application]


@dataclass(frozen=True, slots=True)
class Floor:
    """What the low-level server answers each request with. `waits` is a path whose requests wait, None for none."""

    body: str
    media: str = "text/plain"
    status: int = 200
    waits: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that all must answer alike. `body` is sent as JSON; bytes are sent as they are, and called JSON."""

    method: str
    path: str
    body: Any = None
    status: int = 200


@dataclass(frozen=True, slots=True)
class Load:
    """What `wrk` asks for: a path, and a script in Lua where it takes more than that."""

    path: str
    script: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One comparison. The first of the flows and of the applications are those whose ratio counts.

    `prepare` makes what each server needs in its folder, such as a database.
    """

    name: str
    title: str
    text: str
    flows: Mapping[str, Flow]
    applications: Mapping[str, ByHand]
    floor: Floor
    probes: tuple[Probe, ...]
    load: Load
    prepare: Callable[[Path], None] = field(default=lambda _folder: None)
    rounds: int = 9


def posting(body: str) -> str:
    """The script of a load that posts the same JSON all the time."""
    return f"""
wrk.method = "POST"
wrk.body = [==[{body}]==]
wrk.headers["Content-Type"] = "application/json"
"""
