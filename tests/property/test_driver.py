"""Random graphs against a recursive reference: same answers, and nothing left behind whatever happens on the way.

A payload is `(fuel, trail)`: every node burns one unit of fuel, and every cycle leads through nodes that answer by
themselves when there is none left. The trail tells the way that a packet went. Waits are gates, which the test opens in random order.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engine.errors import Code, ErrorValue, WeirError
from engine.flow import NONE, Forward, Gather, Generation, InPort, Limits, Mode, Node, OutPort, Process, State, join
from engine.flow.frame import failure

GENERATORS = ("try", "pipe", "for", "gather", "late", "tail", "raiser")
KINDS = ("plain", "map", "route", "none", "error", "raise", "coroutine", *GENERATORS)
ENDING = ("route", *GENERATORS)
"""Kinds that end without fuel, so that a cycle may lead through them."""
MOST_HOPS = 400


class Abandoned(BaseException):
    """The reference has walked too far: the graph explodes."""


def digest(*parts: Any) -> int:
    """A short stand-in for a trail, which would double at each turn of a cycle."""
    return zlib.crc32(repr(parts).encode())


def told(answer: Any) -> Any:
    """An answer as plain data that can be compared, and sent on."""
    if isinstance(answer, ErrorValue):
        return digest("error", answer.text)
    if isinstance(answer, list):
        return digest("list", *(told(each) for each in answer))
    return "none" if answer is NONE else answer


class World:
    """What the nodes of one run share: the gates, and the books of what has begun and ended."""

    def __init__(self, *, instant: bool) -> None:
        self.instant = instant
        self.gates: list[Gate] = []
        self.begun = 0
        self.ended = 0
        self.inside: dict[tuple[Process | None, str], int] = {}

    @contextlib.contextmanager
    def book(self) -> Iterator[None]:
        self.begun += 1
        try:
            yield
        finally:
            self.ended += 1

    @contextlib.contextmanager
    def turn(self, process: Process | None, node: Thing) -> Iterator[None]:
        """A turn that must be the only one of its process at this node."""
        key = (process, node.label)
        self.inside[key] = self.inside.get(key, 0) + 1
        try:
            assert node.many or process is None or self.inside[key] == 1, f"two turns at {node.label}"
            yield
        finally:
            self.inside[key] -= 1


def resolve(outcome: str) -> str:
    if outcome == "fail":
        raise ValueError("gate")
    if outcome == "cancel":
        raise asyncio.CancelledError
    return outcome


class Gate:
    """An awaitable that suspends until the test opens it."""

    def __init__(self, world: World, outcome: str) -> None:
        self.world = world
        self.outcome = outcome
        self.future: asyncio.Future[None] | None = None

    def __await__(self) -> Any:
        if self.outcome == "skip":
            return "skip"
        if not self.world.instant:
            self.future = asyncio.get_running_loop().create_future()
            self.world.gates.append(self)
            yield from self.future.__await__()
        return resolve(self.outcome)

    def open(self) -> None:
        assert self.future is not None
        if not self.future.done():
            if self.outcome == "cancel":
                self.future.cancel()
            else:
                self.future.set_result(None)


class Thing(Node):
    """A node of any kind, by what hypothesis has drawn for it."""

    def __init__(self, index: int, kind: str, waits: tuple[str, ...], many: bool, limit: int | None) -> None:
        super().__init__()
        self.label = f"n{index}"
        self.kind = kind
        self.waits = waits
        self.many = many
        self.limit = limit
        self.world = World(instant=True)
        self.a = self._add_out("a")
        self.b = self._add_out("b")
        self.error = self._add_out("error")
        handler: Callable[..., Any] = getattr(self, "_" + kind)
        mode = {"map": Mode.MAP, "route": Mode.ROUTE, "coroutine": Mode.COROUTINE}.get(kind, Mode.CALL)
        if kind in GENERATORS:
            mode = Mode.GENERATOR
        self.input = self._add_in("in", handler, out=self.a, error=self.error, mode=mode, many=many)
        self.stop = self._add_out("stop")

    def burn(self, payload: Any) -> tuple[int, Any]:
        fuel, trail = payload if isinstance(payload, tuple) and len(payload) == 2 else (1, told(payload))
        return fuel - 1, digest(self.label, trail)

    def _plain(self, payload: Any, _process: Process) -> Any:
        return self.burn(payload)

    def _map(self, payload: Any) -> Any:
        return self.burn(payload)

    def _route(self, payload: Any, _process: Process) -> Any:
        fuel, trail = self.burn(payload)
        if fuel <= 0:
            return self.stop, (fuel, trail)
        return (self.a, self.b, self.error)[trail % 3], (fuel, trail)

    def _none(self, _payload: Any, _process: Process) -> Any:
        return NONE

    def _error(self, payload: Any, _process: Process) -> Any:
        return ErrorValue(f"returned by {self.label} after {self.burn(payload)}")

    def _raise(self, payload: Any, _process: Process) -> Any:
        raise WeirError(f"raised by {self.label} after {self.burn(payload)}", code=Code.CONFLICT)

    async def _coroutine(self, payload: Any, process: Process) -> Any:
        with self.world.book(), self.world.turn(process, self):
            for outcome in self.waits:
                await Gate(self.world, outcome)
            return self.burn(payload)

    def _begin(self, process: Process) -> Iterator[Gate]:
        with self.world.turn(process, self):
            for outcome in self.waits:
                yield Gate(self.world, outcome)

    def _try(self, payload: Any, process: Process) -> Any:
        with self.world.book():
            yield from self._begin(process)
            fuel, trail = self.burn(payload)
            if fuel <= 0:
                return fuel, trail
            answer = yield self.a, (fuel, trail)
            if isinstance(answer, ErrorValue):
                answer = yield self.b, (fuel - 1, told(answer))
            return answer

    def _pipe(self, payload: Any, process: Process) -> Any:
        with self.world.book():
            fuel, trail = self.burn(payload)
            if fuel <= 0:
                return fuel, trail
            first = yield self.a, (fuel, trail)
            yield from (Gate(self.world, outcome) for outcome in self.waits)
            if isinstance(first, ErrorValue):
                return first
            return Forward(self.b, (fuel - 1, told(first)))

    def _for(self, payload: Any, process: Process) -> Any:
        with self.world.book():
            fuel, trail = self.burn(payload)
            answers = []
            for index in range(max(0, min(fuel, 3))):
                answers.append((yield self.a, (fuel - 2, (index, trail))))
                for outcome in self.waits:
                    yield Gate(self.world, outcome)
            return told(answers)

    def _gather(self, payload: Any, process: Process) -> Any:
        with self.world.book():
            yield from self._begin(process)
            fuel, trail = self.burn(payload)
            count = max(0, min(fuel, 4))
            sends = [(self.b if i % 3 == 2 else self.a, (fuel - 2, (i, trail))) for i in range(count)]
            answers = yield Gather(sends, limit=self.limit)
            assert len(answers) == count
            return told(answers)

    def _late(self, payload: Any, process: Process) -> Any:
        with self.world.book():
            fuel, trail = self.burn(payload)
            answer = (yield self.a, (fuel, trail)) if fuel > 0 else None
            for outcome in self.waits:
                try:
                    yield Gate(self.world, outcome)
                except ValueError as error:
                    answer = digest(told(answer), str(error))
            return told(answer)

    def _tail(self, payload: Any, process: Process) -> Any:
        with self.world.book():
            yield from self._begin(process)
            fuel, trail = self.burn(payload)
            return Forward(self.a if fuel > 0 else self.stop, (fuel, trail))

    def _raiser(self, payload: Any, process: Process) -> Any:
        with self.world.book():
            fuel, trail = self.burn(payload)
            answer = (yield self.a, (fuel, trail)) if fuel > 0 else None
            yield from (Gate(self.world, outcome) for outcome in self.waits)
            raise WeirError(f"{self.label} does not like {told(answer)}")


class Reference:
    """What should come out: plain recursion, one call a hop."""

    def __init__(self) -> None:
        self.hops = 0

    def send(self, out: OutPort, value: Any) -> Any:
        if not out.targets:
            return value
        answers = [self.deliver(port, value) for port in out.targets]
        return answers[0] if len(answers) == 1 else join(answers)

    def deliver(self, port: InPort, value: Any) -> Any:
        self.hops += 1
        if self.hops > MOST_HOPS:
            raise Abandoned
        handler = port.handler
        try:
            if port.mode is Mode.MAP:
                out, value = port.out, handler(value)
            elif port.mode is Mode.CALL:
                out, value = port.out, handler(value, None)
            elif port.mode is Mode.ROUTE:
                out, value = handler(value, None)
            elif port.mode is Mode.COROUTINE:
                out, value = port.out, self.finish(handler(value, None))
            else:
                return self.run(port, handler(value, None))
        except (Exception, asyncio.CancelledError) as error:
            return self.send(port.error, failure(error, port))
        return self.send(out, value)

    def finish(self, coroutine: Any) -> Any:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        raise AssertionError("a wait in the reference")

    def run(self, port: InPort, generator: Any) -> Any:
        step, value = generator.send, None
        while True:
            try:
                operation = step(value)
            except StopIteration as stop:
                if isinstance(stop.value, Forward):
                    return self.send(stop.value.port, stop.value.payload)
                return stop.value
            except (Exception, asyncio.CancelledError) as error:
                return self.send(port.error, failure(error, port))
            step = generator.send
            if isinstance(operation, tuple):
                value = self.send(*operation)
            elif isinstance(operation, Gather):
                value = [self.send(*each) for each in operation.sends]
            else:
                try:
                    value = self.finish(waiting(operation))
                except (Exception, asyncio.CancelledError) as error:
                    step, value = generator.throw, error


async def waiting(operation: Any) -> Any:
    return await operation


@st.composite
def graphs(draw: st.DrawFn) -> list[Thing]:
    count = draw(st.integers(1, 7))
    outcomes = st.sampled_from(("open", "open", "open", "skip", "skip", "fail", "cancel"))
    things = [
        Thing(
            index,
            draw(st.sampled_from(KINDS)),
            tuple(draw(st.lists(outcomes, max_size=2))),
            draw(st.sampled_from((False, False, True))),
            draw(st.sampled_from((None, 1, 2))),
        )
        for index in range(count)
    ]
    for index, thing in enumerate(things):
        onward = [other.input for other in things[index + 1 :]]
        anywhere = [other.input for other in things] if thing.kind in ENDING else onward
        thing.a.link(1, draw(st.lists(st.sampled_from(anywhere), max_size=3)) if anywhere else [])
        thing.b.link(1, draw(st.lists(st.sampled_from(anywhere), max_size=3)) if anywhere else [])
        thing.error.link(1, draw(st.lists(st.sampled_from(onward), max_size=2)) if onward else [])
    return things


def expected_of(things: list[Thing], fuel: int) -> Any:
    for thing in things:
        thing.world = World(instant=True)
    try:
        return told(Reference().deliver(things[0].input, (fuel, "")))
    except Abandoned:
        assume(False)


def begin(things: list[Thing]) -> World:
    world = World(instant=False)
    for thing in things:
        thing.world = world
    return world


async def settle(steps: int = 4) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)


async def open_gates(world: World, done: Callable[[], bool], choose: Any) -> None:
    """Open gates, one at a time, until it is done."""
    for _ in range(20_000):
        await settle(choose.randint(0, 3))
        if done():
            return
        if world.gates:
            world.gates.pop(choose.randrange(len(world.gates))).open()
        else:
            await asyncio.sleep(0)
    raise AssertionError("it never ends")


def assert_clean(process: Process, world: World) -> None:
    """Nothing of a process that has ended is left."""
    assert process.state.is_over
    assert not process.exchanges
    assert process not in process.generation.live
    assert not process.generation.live
    for reader in (process.readers or {}).values():
        assert not reader.busy, reader.statistics()
        assert not reader.waiting
    assert world.begun == world.ended, "a generator or a coroutine was left open"
    assert not any(world.inside.values())


quick = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@given(things=graphs(), fuel=st.integers(1, 7), choose=st.randoms(use_true_random=False))
@quick
def test_answers_are_those_of_the_reference(run, things, fuel, choose) -> None:
    expected = expected_of(things, fuel)
    world = begin(things)

    async def main() -> None:
        process = Process(Generation(1))
        question = asyncio.ensure_future(process.ask(things[0].input, (fuel, "")))
        await open_gates(world, question.done, choose)
        assert told(question.result()) == expected
        process.exit()
        await process.join()
        assert process.state is State.DONE
        assert_clean(process, world)

    run(main)


@given(things=graphs(), fuel=st.integers(1, 6), asks=st.integers(2, 4), choose=st.randoms(use_true_random=False))
@quick
def test_several_questions_of_one_process_do_not_mix(run, things, fuel, asks, choose) -> None:
    expected = [expected_of(things, fuel + index % 2) for index in range(asks)]
    world = begin(things)

    async def main() -> None:
        process = Process(Generation(1))
        questions = [
            asyncio.ensure_future(process.ask(things[0].input, (fuel + index % 2, ""))) for index in range(asks)
        ]
        await open_gates(world, lambda: all(question.done() for question in questions), choose)
        assert [told(question.result()) for question in questions] == expected
        process.exit()
        await process.join()
        assert_clean(process, world)

    run(main)


@pytest.mark.parametrize("how", ["cancel", "waiter", "exit", "deadline"])
@given(
    things=graphs(),
    fuel=st.integers(2, 7),
    asks=st.integers(1, 3),
    turns=st.integers(0, 40),
    choose=st.randoms(use_true_random=False),
)
@settings(quick, max_examples=80)
def test_an_end_at_any_moment_answers_everything_and_leaves_nothing(
    run, how, things, fuel, asks, turns, choose
) -> None:
    expected = expected_of(things, fuel)
    world = begin(things)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 3600 if how == "deadline" else None
        process = Process(Generation(1), deadline=deadline)
        questions = [asyncio.ensure_future(process.ask(things[0].input, (fuel, ""))) for _ in range(asks)]
        for _ in range(turns):
            await settle(choose.randint(0, 2))
            if world.gates:
                world.gates.pop(choose.randrange(len(world.gates))).open()
        late = {question for question in questions if not question.done()}
        if how == "cancel":
            process.cancel()
        elif how == "deadline":
            process.expire()
        elif how == "exit":
            process.exit()
        else:
            for question in questions:
                question.cancel()
        answers = await asyncio.gather(*questions, return_exceptions=True)
        codes = {"cancel": Code.CANCELLED, "deadline": Code.DEADLINE, "exit": Code.DROPPED}
        for question, answer in zip(questions, answers, strict=True):
            if question not in late:
                assert told(answer) == expected
            elif how == "waiter":
                assert isinstance(answer, asyncio.CancelledError) or told(answer) == expected
            elif told(answer) != expected:
                assert isinstance(answer, ErrorValue)
                assert answer.code is codes[how]
        process.exit()
        await process.join()
        assert_clean(process, world)
        after = await process.ask(things[0].input, (fuel, ""))
        assert isinstance(after, ErrorValue)

    run(main)


class Saboteur(Node):
    """Ends its own process when a packet comes by."""

    def __init__(self) -> None:
        super().__init__()
        self.out = self._add_out("out")
        self.error = self._add_out("error")
        self.input = self._add_in("in", self.action, out=self.out, error=self.error)
        self.armed = True

    def action(self, payload: Any, process: Process) -> Any:
        if self.armed and process is not None:
            process.cancel()
        return payload


@given(
    things=graphs(),
    fuel=st.integers(2, 7),
    where=st.integers(0, 20),
    asks=st.integers(1, 2),
    choose=st.randoms(use_true_random=False),
)
@quick
def test_a_handler_that_cancels_its_own_process(run, things, fuel, where, asks, choose) -> None:
    saboteur = Saboteur()
    things[where % len(things)].a.link(1, [saboteur.input, *things[where % len(things)].a.targets])
    saboteur.out.link(1, [things[where % 3 % len(things)].input])
    saboteur.armed = False
    expected_of(things, fuel)
    saboteur.armed = True
    world = begin(things)

    async def main() -> None:
        process = Process(Generation(1))
        questions = [asyncio.ensure_future(process.ask(things[0].input, (fuel, ""))) for _ in range(asks)]
        await open_gates(world, lambda: all(question.done() for question in questions), choose)
        process.exit()
        begun = world.begun
        await process.join()
        assert begun == world.begun, "a turn began after the end"
        assert_clean(process, world)

    run(main)


@given(things=graphs(), fuel=st.integers(1, 6), choose=st.randoms(use_true_random=False))
@settings(quick, max_examples=100)
def test_small_limits_end_in_an_error_and_leave_nothing(run, things, fuel, choose) -> None:
    expected_of(things, fuel)
    world = begin(things)

    async def main() -> None:
        limits = Limits(depth=choose.randint(1, 4), hops=choose.randint(1, 30), queue=choose.randint(0, 2))
        process = Process(Generation(1, limits=limits))
        questions = [asyncio.ensure_future(process.ask(things[0].input, (fuel, ""))) for _ in range(3)]
        await open_gates(world, lambda: all(question.done() for question in questions), choose)
        process.exit()
        await process.join()
        assert_clean(process, world)

    run(main)
