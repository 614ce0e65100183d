"""A bench for `sql` nodes: compiled and loaded for real, on one runtime's resources."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import ErrorValue
from engine.flow import Generation, Process
from engine.graph.context import Clock, Context, Settings
from engine.graph.resources import Resources
from engine.spec.model import parse_specs
from engine.spec.schema import decode
from nodes.data.sql import CODEC


class Bench:
    def __init__(self, folder: Any) -> None:
        self.folder = folder
        self.resources = Resources()
        self.reports: list[BaseException] = []
        self.generation = Generation(1, reporter=lambda _process, error: self.reports.append(error))
        self.nodes: list[Any] = []

    def compile(self, fields: str = "source: 'file:@TMP@/a.db'") -> Any:
        text = f"{{kind: sql, name: q, {fields.replace('@TMP@', str(self.folder))}}}"
        [spec] = parse_specs(text, file="flow.yaml")
        site: Any = SimpleNamespace(label=spec.label, name=spec.name, origin=spec.origin)
        ctx = Context(
            site=site,
            languages=SimpleNamespace(),  # type: ignore[arg-type]
            generation=lambda: self.generation,
            log=SimpleNamespace(),  # type: ignore[arg-type]
            clock=Clock(),
            resources=self.resources,
            settings=Settings(),
        )
        node = CODEC.compile(decode(CODEC.spec, spec.fields, origin=spec.origin, kind="sql"), ctx)
        node.label = spec.label
        return node

    async def node(self, fields: str = "source: 'file:@TMP@/a.db'") -> Any:
        node = self.compile(fields)
        await node.load()
        self.nodes.append(node)
        return node

    def process(self) -> Process:
        return Process(self.generation)

    async def ask(self, node: Any, payload: Any, *, process: Process | None = None) -> Any:
        """The answer, in a process of its own that ends with it unless one is given."""
        own = process or self.process()
        answer = await own.ask(node.in_port("in"), payload)
        if process is None:
            failed = await self.end(own, answer if isinstance(answer, ErrorValue) else None)
            return failed or answer
        return answer

    async def end(self, process: Process, error: ErrorValue | None = None) -> ErrorValue | None:
        failed = await process.settle(error)
        process.exit(error or failed)
        await process.join()
        return failed

    async def close(self) -> None:
        """Unload all nodes; no process and no thread may be left."""
        for node in self.nodes:
            await node.unload()
        assert not self.generation.live
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("sqlite")]


@pytest.fixture(scope="session")
def new_bench(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Bench]:
    """Gives a bench with a folder of its own at each call, for tests of many examples."""
    return lambda: Bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)
