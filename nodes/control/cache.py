"""`cache`: answers from memory what has been asked before.

The problem. Many processes ask the same at the same time, one of them goes away, and the others must not notice.

The choice. A *flight* fetches one answer in a task and a process of its own, which belong to the node and not to
whoever asked first. All who ask meanwhile wait for the flight behind a shield; the last of them who gives up ends it.

The cost. What lies behind a cache does not see the data or the open transaction of the process that asks. That is as
it should be: an answer that is kept for others must not rest on what may yet be rolled back.

A graph may lead from a cache back to itself. A flight that waits for its own answer, be it through other flights,
would never end; it is found by following who waits for whom, and gets an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Hashable
from typing import Any, Final

from pydantic import Field

from engine.errors import Code, ErrorValue, InvalidError, WeirError
from engine.flow import OneToOne, Payload, Process
from engine.graph.context import Context
from engine.graph.scheme import Codec
from engine.language.protocol import Program
from engine.spec.fields import Duration, Source
from nodes.control.expression import ExpressionSpec, located
from nodes.control.key import is_plain, key_of
from nodes.control.lru import Lru

_FLIGHT: Final = "cache.flight"
_MISSING: Final = object()


class CacheSpec(ExpressionSpec):
    """Answers from memory what has been asked before."""

    capacity: int = Field(1024, ge=0, examples=[100])
    """How many answers are kept; the one used longest ago is forgotten first. 0 is any number."""
    interval: Duration | None = Field(None, examples=["1h"])
    """How long an answer is good. Without it, until it is pushed out or the node is replaced."""
    key: Source | None = Field(None, examples=["self.path", "[method, path]"])
    """What tells requests apart: an expression over the payload. Without it, the whole payload with its types."""


class Flight:
    """One answer on its way. `waits_for` are the flights that its process is waiting for."""

    __slots__ = ("askers", "task", "waits_for")

    def __init__(self, task: asyncio.Task[Payload]) -> None:
        self.task = task
        self.askers = 0
        self.waits_for: list[Flight] = []

    def leads_to(self, other: Flight) -> bool:
        """Whether this flight is `other`, or waits for it, be it through others."""
        seen: set[Flight] = set()
        waiting = [self]
        while waiting:
            flight = waiting.pop()
            if flight is other:
                return True
            if flight not in seen:
                seen.add(flight)
                waiting.extend(flight.waits_for)
        return False


class Cache(OneToOne):
    """Answers from memory, or sends the packet to `out` and keeps the answer.

    Errors are not kept, *none* is. Requests with the same key that come while the answer is on its way share it. A
    stream cannot be kept: it is answered with an error. Without a link at `out` the packet is the answer.
    """

    many = True

    def __init__(self, spec: CacheSpec, ctx: Context, *, key: Program | None = None) -> None:
        super().__init__()
        self.ctx = ctx
        self.key = key
        self.answers = Lru(spec.capacity, lifetime=spec.interval.total_seconds() if spec.interval is not None else None)
        self.flights: dict[Hashable, Flight] = {}

    def action(self, payload: Payload, process: Process) -> Generator[Any, Any, Payload]:
        if not self.out.at(process.generation.number):
            return payload
        key = key_of((yield from self._key(payload)))
        answer = self.answers.get(key, self.ctx.clock.monotonic(), default=_MISSING)
        if answer is not _MISSING:
            return answer
        number = (process.generation.number, key)  # each generation has flights of its own
        flight = self.flights.get(number) or self._depart(number, payload, process)
        mine: Flight | None = process.get(_FLIGHT)
        if mine is not None:
            if flight.leads_to(mine):
                raise WeirError(
                    "the cache waits for its own answer", code=Code.LIMIT, hint="a cycle leads back to the same request"
                )
            mine.waits_for.append(flight)
        flight.askers += 1
        try:
            return (yield asyncio.shield(flight.task))
        except asyncio.CancelledError as error:
            raise WeirError("the request was cancelled", code=Code.CANCELLED) from error
        finally:
            flight.askers -= 1
            if flight.askers == 0 and not flight.task.done():
                self._land(number, flight)
                flight.task.cancel()
            if mine is not None:
                mine.waits_for.remove(flight)

    async def unload(self) -> None:
        tasks = [flight.task for flight in self.flights.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self.answers.clear()
        if self.key is not None:
            self.key.close()

    def _key(self, payload: Payload) -> Generator[Any, Any, Payload]:
        if self.key is None:
            return payload
        try:
            result = self.key(payload)
            if self.key.is_async:
                result = yield result
        except WeirError as error:
            raise located(error, self.ctx, ("key",)) from error
        return result

    def _depart(self, number: tuple[int, Hashable], payload: Payload, process: Process) -> Flight:
        # The process is made now, so that its generation cannot be unloaded before the task begins.
        fetcher = Process(process.generation, origin=process.origin)
        fetcher.maker = process.maker
        task = asyncio.get_running_loop().create_task(self._fetch(number[1], payload, fetcher))
        flight = self.flights[number] = Flight(task)
        fetcher.set(_FLIGHT, flight)

        def over(task: asyncio.Task[Payload]) -> None:
            self._land(number, flight)
            if task.cancelled() or task.exception() is not None:
                fetcher.cancel()
                fetcher.exit()

        task.add_done_callback(over)
        return flight

    def _land(self, number: tuple[int, Hashable], flight: Flight) -> None:
        if self.flights.get(number) is flight:
            del self.flights[number]

    async def _fetch(self, key: Hashable, payload: Payload, fetcher: Process) -> Payload:
        answer = await fetcher.ask(self.out, payload)
        if not isinstance(answer, ErrorValue) and not is_plain(answer):
            unfit = InvalidError("a stream cannot be cached", hint="read it before it reaches the cache")
            answer = self.locate(unfit.value)
        error = answer if isinstance(answer, ErrorValue) else None
        failed = await fetcher.settle(error)
        fetcher.exit(error or failed)
        if failed is not None:
            return failed
        if error is None:
            self.answers.put(key, answer, self.ctx.clock.monotonic())
        return answer


def compile_cache(spec: CacheSpec, ctx: Context) -> Cache:
    """The node of a `cache`."""
    key = None
    if spec.key is not None:
        key = ctx.compile(spec.key, spec.language, path=("key",), timeout=spec.timeout)
    return Cache(spec, ctx, key=key)


CODEC = Codec(
    kind="cache",
    spec=CacheSpec,
    compile=compile_cache,
    family="control",
    summary="Answers from memory what has been asked before.",
    example="""\
kind: cache
name: users
capacity: 100
interval: 1h
key: self.id
ports:
  out:
    - {name: lookup, port: in}
""",
)
