"""`retry`: asks again when the answer is an error."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

from pydantic import AliasChoices, Field

from engine.errors import Code, ErrorValue, WeirError
from engine.flow import Forward, OneToOne, Payload, Process
from engine.graph.context import Context
from engine.graph.scheme import Codec
from engine.language.protocol import Program
from engine.spec.fields import Duration, Source
from engine.spec.schema import NodeSpec
from nodes.control.expression import ExpressionSpec, is_true, located


class Backoff(NodeSpec):
    """How long to wait between attempts."""

    initial: Duration = Field(timedelta(milliseconds=100), examples=["100ms"])
    """The wait before the first repetition."""
    factor: float = Field(2.0, ge=1, examples=[2])
    """What each wait is multiplied by to give the next."""
    max: Duration = Field(timedelta(seconds=30), examples=["30s"])
    """No wait is longer than this."""
    jitter: float = Field(0.0, ge=0, le=1, examples=[0.5])
    """Which part of each wait is left to chance, from 0 to 1, so that many who failed together do not ask again together."""


class RetrySpec(ExpressionSpec):
    """Sends the packet again when the answer is an error."""

    threshold: int = Field(0, ge=0, validation_alias=AliasChoices("threshold", "count"), examples=[3])
    """How many more attempts are made after the first."""
    backoff: Backoff | None = Field(
        None,
        validation_alias=AliasChoices("backoff", "back_off"),
        examples=[{"initial": "100ms", "factor": 2, "max": "10s", "jitter": 0.5}],
    )
    """How long to wait between attempts. Without it there is no wait."""
    when: Source | None = Field(None, examples=['self.code == "unavailable"', 'self == "connection refused"'])
    """Which errors are worth another attempt: an expression whose `self` is the error. Without it all are."""


class Retry(OneToOne):
    """Sends the packet to `out`, and the same packet again as long as an error comes back and attempts are left.

    The last error goes to `error` if that is linked, and is the answer otherwise. What was cancelled is not asked
    again. Cancelling the process ends the waiting between attempts.
    """

    def __init__(
        self,
        spec: RetrySpec,
        ctx: Context,
        *,
        condition: Program | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.ctx = ctx
        self.condition = condition
        self.chance = chance

    def action(self, payload: Payload, process: Process) -> Generator[Any, Any, Payload]:
        left = self.spec.threshold
        backoff = self.spec.backoff
        delay = backoff.initial.total_seconds() if backoff is not None else 0.0
        while True:
            answer = yield self.out, payload
            if not isinstance(answer, ErrorValue):
                return answer
            if left == 0 or not (yield from self._worth_it(answer)):
                return Forward(self.error, answer) if self.error.at(process.generation.number) else answer
            left -= 1
            if backoff is not None:
                delay = min(delay, backoff.max.total_seconds())
                wait = delay * (1 - backoff.jitter * self.chance())
                if wait > 0:
                    yield self.ctx.clock.sleep(wait)
                delay *= backoff.factor

    def _worth_it(self, error: ErrorValue) -> Generator[Any, Any, bool]:
        if error.code is Code.CANCELLED:
            return False
        if self.condition is None:
            return True
        try:
            result = self.condition(error)
            if self.condition.is_async:
                result = yield result
        except WeirError as failed:
            # The error that was asked about is a cause, or nobody would ever hear of it.
            raise located(failed, self.ctx, ("when",), causes=(error,)) from failed
        return is_true(result)

    async def unload(self) -> None:
        if self.condition is not None:
            self.condition.close()


def compile_retry(spec: RetrySpec, ctx: Context) -> Retry:
    """The node of a `retry`."""
    condition = None
    if spec.when is not None:
        condition = ctx.compile(spec.when, spec.language, path=("when",), timeout=spec.timeout)
    return Retry(spec, ctx, condition=condition)


CODEC = Codec(
    kind="retry",
    spec=RetrySpec,
    compile=compile_retry,
    family="control",
    summary="Sends the packet again when the answer is an error.",
    example="""\
kind: retry
name: again
threshold: 3
backoff: {initial: 100ms, factor: 2, max: 5s, jitter: 0.5}
when: self.code == "unavailable"
ports:
  out:
    - {name: flaky, port: in}
""",
)
