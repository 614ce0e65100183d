"""Who takes part in a scenario, and how each is started."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.scenarios.scenario import WAIT, Flow, Scenario, Setting
from benchmarks.scenarios.servers import Server, data_folder, free_port, weir

FLOOR = "floor"
"""The name of aiohttp's low-level server, in every scenario."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One that takes part. `part` is what it stands for: floor, hand, weir or peer. `start` starts it in a folder."""

    name: str
    title: str
    part: str
    start: Callable[[Setting], Server]


def contenders(scenario: Scenario) -> list[Contender]:
    """The floor, then those by hand, then the flows."""
    floor = Contender(FLOOR, "aiohttp, the low-level server (floor)", "floor", partial(_child, scenario, FLOOR))
    by_hand = [
        Contender(name, each.title, "hand", partial(_child, scenario, name))
        for name, each in scenario.applications.items()
    ]
    flows = [Contender(name, each.title, "weir", partial(_daemon, each)) for name, each in scenario.flows.items()]
    return [floor, *by_hand, *flows]


@contextmanager
def running(scenario: Scenario, taking_part: Sequence[Contender], *, wait: float = WAIT) -> Iterator[dict[str, Server]]:
    """All of them, ready, each in a folder that is prepared for it; they are killed at the end."""
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for each in taking_part:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="weir-bench-", dir=data_folder())))
            scenario.prepare(folder)
            servers[each.name] = stack.enter_context(each.start(Setting(folder, wait)))
        for server in servers.values():
            server.until_ready()
        yield servers


def _child(scenario: Scenario, name: str, setting: Setting) -> Server:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.scenarios.serve", scenario.name, name]
    return Server([*command, str(port), str(setting.folder), str(setting.wait)], port, folder=setting.folder)


def _daemon(flow: Flow, setting: Setting) -> Server:
    """A real daemon, as its users start it, on specs from a file."""
    port = free_port()
    file, config = setting.folder / "flow.yaml", setting.folder / "weir.yaml"
    file.write_text(flow.filled(setting, port), encoding="utf-8")
    config.write_text(f"admin: {{listen: 'off'}}\nlog: {{level: {flow.log}, format: json}}\n", encoding="utf-8")
    command = weir("start", "--config", str(config), "--store", "memory://", "--from-specs", str(file))
    return Server(command, port, folder=setting.folder)
