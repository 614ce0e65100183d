"""A bench for control nodes: specs are read and compiled for real, and linked by hand to stubs."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import ErrorValue, ExpressionError, InvalidError, Place
from engine.flow import Generation, Node, OneToOne, Process
from engine.flow.generation import Limits
from engine.graph.context import Clock, Context, Settings
from engine.graph.resources import Resources
from engine.language.protocol import Options
from engine.spec.model import Spec, parse_specs
from engine.spec.schema import decode

MODULES = [
    "block",
    "cache",
    "for_",
    "fork",
    "if_",
    "merge",
    "nop",
    "pipe",
    "reduce",
    "retry",
    "sleep",
    "snippet",
    "split",
    "step",
    "switch",
    "throw",
    "try_",
]


class TurnedClock(Clock):
    """Time that tests turn by hand. With `jumps` a sleep takes no time at all, and the clock shows its end."""

    def __init__(self) -> None:
        self.time = 0.0
        self.jumps = False
        self.slept: list[float] = []
        self.sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, delay: float) -> None:
        self.slept.append(round(delay, 9))
        if self.jumps:
            self.time += delay
            await asyncio.sleep(0)
            return
        sleeper = (self.time + delay, asyncio.get_running_loop().create_future())
        self.sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            self.sleepers.remove(sleeper)

    def advance(self, seconds: float) -> None:
        self.time += seconds
        for until, future in self.sleepers:
            if until <= self.time and not future.done():
                future.set_result(None)


@dataclass
class PyProgram:
    """A Python expression over `self`, as a stand-in for a language."""

    code: Any
    is_async: bool
    closed: int = 0

    def __call__(self, payload: Any) -> Any:
        return self.later(payload) if self.is_async else self.now(payload)

    def now(self, payload: Any) -> Any:
        try:
            return eval(self.code, {"self": payload, "ErrorValue": ErrorValue})
        except Exception as error:
            raise ExpressionError(str(error), place=Place(None, 1, 3)) from error

    async def later(self, payload: Any) -> Any:
        await asyncio.sleep(0)
        return self.now(payload)

    def close(self) -> None:
        self.closed += 1


class PyLanguages:
    """`cel` (really Python) answers at once, `slow` must be awaited, `text` is a constant. `made` are all programs."""

    def __init__(self) -> None:
        self.made: list[PyProgram] = []
        self.options: list[Options] = []

    def compile(self, language: str, source: str, options: Options = Options()) -> PyProgram:
        self.options.append(options)
        if language == "text":
            source = repr(source)
        elif language not in ("cel", "slow"):
            raise InvalidError(f"unknown language {language!r}")
        try:
            code = compile(source, "<test>", "eval")
        except SyntaxError as error:
            raise ExpressionError("bad syntax", place=Place(None, error.lineno or 1, error.offset or 1)) from error
        program = PyProgram(code, language == "slow")
        self.made.append(program)
        return program


class Stub(OneToOne):
    """A node that answers with a plain function of the payload."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.map(function)


class WaitingStub(OneToOne):
    """A node that answers with a coroutine function of the payload."""

    many = True

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    async def action(self, payload: Any, process: Process) -> Any:
        return await self.function(payload)


class GivenStub(OneToOne):
    """A node that sees the process too: a plain function, a coroutine function or a generator function of both."""

    def __init__(self, function: Callable[[Any, Process], Any]) -> None:
        self.action = function  # type: ignore[method-assign]
        super().__init__()


def stub(function: Callable[..., Any]) -> Node:
    if len(inspect.signature(function).parameters) == 2:
        return GivenStub(function)
    return WaitingStub(function) if inspect.iscoroutinefunction(function) else Stub(function)


class Flow:
    """Nodes by name, on one generation."""

    def __init__(self, bench: Bench, nodes: dict[str, Node], specs: list[Spec]) -> None:
        self.bench = bench
        self.nodes = nodes
        self.reports: list[BaseException] = []
        self.generation = self.make_generation()
        self.link(specs, 1)

    def make_generation(self, number: int = 1, limits: Limits = Limits()) -> Generation:
        return Generation(number, limits=limits, reporter=lambda _process, error: self.reports.append(error))

    def __getitem__(self, name: str) -> Any:
        return self.nodes[name]

    def link(self, specs: list[Spec], number: int) -> None:
        fed: set[Any] = set()
        for spec in specs:
            for port, links in spec.ports.items():
                out = self.nodes[spec.name or ""].out_port(port)
                assert out is not None, f"{spec.label} has no port {port}"
                targets = [self.nodes[link.name or ""].in_port(link.port) for link in links]
                assert all(targets), f"{spec.label}.{port} leads nowhere"
                out.link(number, targets)
                fed.update(targets)
        for port in fed:
            port.feed(number, True)

    def process(self) -> Process:
        return Process(self.generation)

    async def ask(self, name: str, payload: Any = None, *, port: str = "in", process: Process | None = None) -> Any:
        """The answer of a packet, in a process of its own that ends with it unless one is given."""
        own = process or self.process()
        target = self.nodes[name].in_port(port)
        assert target is not None
        answer = await own.ask(target, payload)
        if process is None:
            await self.end(own, answer)
        return answer

    async def end(self, process: Process, answer: Any = None) -> None:
        error = answer if isinstance(answer, ErrorValue) else None
        await process.settle(error)
        process.exit(error)
        await process.join()

    async def close(self) -> None:
        for node in self.nodes.values():
            await node.unload()
        assert not self.generation.live
        assert not self.reports


class Bench:
    """Compiles specs. What is not a control kind is a stub, given by name."""

    def __init__(self) -> None:
        self.clock = TurnedClock()
        self.languages = PyLanguages()
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.codecs = {}
        for name in MODULES:
            codec = import_module(f"nodes.control.{name}").CODEC
            self.codecs |= dict.fromkeys((codec.kind, *codec.aliases), codec)

    def context(self, spec: Spec) -> Context:
        site: Any = SimpleNamespace(
            kind=spec.kind,
            namespace="test",
            name=spec.name,
            id="",
            label=spec.label,
            place=spec.place,
            origin=spec.origin,
        )

        def note(event: str, **fields: Any) -> None:
            self.logged.append((event, fields))

        log: Any = SimpleNamespace(debug=note, info=note, warning=note, error=note)
        return Context(
            site=site,
            languages=self.languages,
            generation=lambda: Generation(1),
            log=log,
            clock=self.clock,
            resources=Resources(),
            settings=Settings(),
        )

    def compile(self, spec: Spec) -> Any:
        codec = self.codecs[spec.kind]
        fields = decode(codec.spec, spec.fields, origin=spec.origin, kind=spec.kind)
        if codec.expand is not None:
            return codec.expand(fields)
        node = codec.compile(fields, self.context(spec))
        node.label, node.place = spec.label, spec.place
        return node

    def one(self, text: str) -> Any:
        """What a single spec compiles to."""
        [spec] = parse_specs(text, file="flow.yaml")
        return self.compile(spec)

    def flow(self, text: str, **stubs: Callable[..., Any]) -> Flow:
        """The nodes of specs, linked; `stubs` are further nodes, as functions."""
        specs = parse_specs(text, file="flow.yaml")
        nodes = {spec.name or "": self.compile(spec) for spec in specs}
        for name, function in stubs.items():
            nodes[name] = stub(function)
            nodes[name].label = f"stub/{name}"
        return Flow(self, nodes, specs)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def _turn(turns: int = 20) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


@pytest.fixture
def turn() -> Callable[..., Any]:
    """Lets everything that is ready run: `await turn()`."""
    return _turn


def _fail(payload: Any) -> Any:
    if isinstance(payload, ErrorValue):
        return payload
    return ErrorValue(str(payload))


@pytest.fixture
def fail() -> Callable[[Any], Any]:
    """A stub that answers with an error whose message is the payload."""
    return _fail
