"""A table with small kinds, which write down what happens to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import Place
from engine.flow import Forward, Generation, Limits, Mode, Node, OneToMany, OutPort, Process
from engine.graph.compile import SpecCompiler
from engine.graph.context import Clock, Context, Settings
from engine.graph.reconcile import Changes, Report, reconcile
from engine.graph.resources import Resources
from engine.graph.scheme import Codec, Composite, Scheme
from engine.graph.symbol import Site
from engine.graph.table import Table
from engine.spec.model import Link, Spec, parse_specs
from engine.spec.schema import NodeSpec


class RecordSpec(NodeSpec):
    tag: str = ""
    fail: str = ""


class Record(Node):
    def __init__(self, spec: RecordSpec, bench: Bench, *, fed: bool = True) -> None:
        super().__init__()
        self.spec = spec
        self.bench = bench
        self.out = self._add_out("out")
        self.error = self._add_out("error")
        if fed:
            self._add_in("in", self.action, out=self.out, error=self.error, mode=Mode.GENERATOR)

    def note(self, event: str) -> None:
        self.bench.diary.append(f"{event} {self.spec.tag}")
        if self.spec.fail == event:
            raise RuntimeError(f"{event} of {self.spec.tag} fails")

    async def load(self) -> None:
        self.note("load")

    def activate(self) -> None:
        self.note("activate")

    def retire(self) -> None:
        self.note("retire")

    async def unload(self) -> None:
        self.note("unload")

    def action(self, payload: Any, _process: Process) -> Any:
        if isinstance(payload, dict):
            self.note("hook")
            payload = []
        if self.spec.fail == "packet":
            raise RuntimeError("no packets please")
        if self.spec.tag.startswith("hold") and payload != ["free"]:
            gate = asyncio.get_running_loop().create_future()
            self.bench.gates.append(gate)
            yield gate
        return Forward(self.out, [*payload, self.spec.tag])


class Fork(OneToMany):
    """Sends numbers to out[0], everything else to out[1]."""

    def action(self, payload: Any, _process: Process) -> Any:
        return self.out_at(0 if payload == [1] else 1), payload


class SequenceSpec(NodeSpec):
    specs: list[dict[str, Any]]


class GraphSpec(NodeSpec):
    specs: list[dict[str, Any]]
    inbounds: dict[str, list[dict[str, str]]] = {}
    outbounds: dict[str, list[dict[str, str]]] = {}


class ForkSpec(NodeSpec):
    pass


def expand(spec: GraphSpec) -> Composite:
    def read(ports: dict[str, list[dict[str, str]]]) -> dict[str, tuple[Link, ...]]:
        return {
            port: tuple(Link(each.get("port", "in"), each["name"]) for each in links) for port, links in ports.items()
        }

    return Composite(tuple(spec.specs), inbounds=read(spec.inbounds), outbounds=read(spec.outbounds))


class Log:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def debug(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    info = warning = error = debug


class Bench:
    """A table, and ways to change it and to ask it."""

    def __init__(self, *, passive: bool = False, drain: float = 3600.0) -> None:
        self.diary: list[str] = []
        self.gates: list[asyncio.Future[None]] = []
        self.log = Log()
        self.revision = 0
        self.scheme = Scheme.of(
            [
                Codec(kind="record", spec=RecordSpec, compile=lambda spec, _ctx: Record(spec, self)),
                Codec(
                    kind="trigger", spec=RecordSpec, trigger=True, compile=lambda spec, _: Record(spec, self, fed=False)
                ),
                Codec(kind="fork", spec=ForkSpec, compile=lambda _spec, _ctx: Fork()),
                Codec(kind="sequence", spec=SequenceSpec, expand=lambda spec: Composite(tuple(spec.specs))),
                Codec(kind="graph", spec=GraphSpec, expand=expand),
            ]
        )
        self.context = Context(
            site=Site("", "", None, "", "", Place(), None),
            languages=None,  # type: ignore[arg-type]
            generation=Generation,
            log=self.log,
            clock=Clock(),
            resources=Resources(),
            settings=Settings(),
        )
        self.compiler = SpecCompiler(self.scheme, self.context)
        self.table = Table(
            "default",
            self.compiler,
            log=self.log,
            limits=Limits(),
            drain=timedelta(seconds=drain),
            passive=passive,
        )

    def specs(self, text: str) -> list[Spec]:
        """Specs from YAML; the label `id`, or the name, is its id."""
        self.revision += 1
        return [
            spec.replace(id=spec.labels.get("id") or spec.name or "", revision=self.revision)
            for spec in parse_specs(text, file="specs.yaml")
        ]

    async def put(self, text: str, *, deleted: Sequence[str] = ()) -> Report:
        return await reconcile(self.table, Changes(specs=self.specs(text) if text else (), deleted=deleted))

    def process(self) -> Process:
        return Process(self.table.current)

    async def ask(self, name: str, payload: Any = (), *, process: Process | None = None, port: str = "in") -> Any:
        entry = self.table.find(name)
        assert entry is not None
        assert entry.running is not None
        mine = process or self.process()
        answer = await mine.ask(OutPort.to(*entry.running.in_ports(port)), list(payload))
        mine.exit()
        await mine.join()
        return answer

    def states(self) -> dict[str, tuple[str, int | None]]:
        return {status.name or status.id: (status.state, status.serving) for status in self.table.statuses()}

    def take_diary(self) -> list[str]:
        diary, self.diary[:] = list(self.diary), []
        return diary

    async def close(self) -> None:
        await reconcile(self.table, Changes(deleted=list(self.table.entries)))
        await self.table.departures.join()


@pytest.fixture
def bench() -> Callable[..., Bench]:
    return Bench
