"""`fork`: goes on beside the caller, in a child process.

The packet starts its way inside the call of whoever sent it, as every packet does; only where it must wait, or its error
has to be handled, does a task carry it on. A cycle through a fork would nest those calls, so every few levels a child
starts in a task, on a fresh stack.
"""

from __future__ import annotations

import asyncio
from typing import Final

from engine.errors import Code, ErrorValue
from engine.flow import NONE, Exchange, Mode, OneToOne, OutPort, Payload, Process
from engine.graph.context import Context
from engine.graph.scheme import Codec
from engine.spec.schema import NodeSpec

_INLINE_LEVELS: Final = 8
"""Forks within forks that start on one Python stack."""


class ForkSpec(NodeSpec):
    """Answers none at once and goes on in a child process."""


class Fork(OneToOne):
    """Sends each packet to `out` in a child process, and answers *none* at once.

    An error that comes back goes to `error`, in the child, if that is linked. The child ends with the error that is left,
    or clean, and only then are its transactions committed. A process waits for its children before it ends, and
    cancels them when it is cancelled. Without a link at `out` nothing is forked.
    """

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._ctx = ctx
        self.tasks: set[asyncio.Task[None]] = set()
        # The caller's answer does not come from `out`: it goes where no link can lead.
        self.input.out = OutPort(self, "none")
        self.input.mode = Mode.CALL

    def action(self, payload: Payload, process: Process) -> Payload:
        number = process.generation.number
        if not self.out.at(number):
            return NONE
        child = process.fork()
        if child.level % _INLINE_LEVELS == 0:
            self._carry_on(child, None, payload)
            return NONE
        exchange = child.start(self.out, payload)
        if not exchange.done or (isinstance(exchange.answer, ErrorValue) and self.error.at(number)):
            self._carry_on(child, exchange, payload)
        else:
            # Nothing was awaited, so nothing can have been opened that wants an end before the children's.
            self._end(child, _error_of(exchange.answer))
        return NONE

    async def unload(self) -> None:
        """End the children that are still under way, when the time to drain is up."""
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)

    def _carry_on(self, child: Process, exchange: Exchange | None, payload: Payload) -> None:
        task = asyncio.get_running_loop().create_task(self._run(child, exchange, payload))
        self.tasks.add(task)

        def over(task: asyncio.Task[None]) -> None:
            # Here, because a task that is cancelled before its first step never runs its `finally`.
            self.tasks.discard(task)
            if task.cancelled():
                child.cancel()
                child.exit()
            elif (error := task.exception()) is not None:
                child.generation.report(child, error)
                child.exit(ErrorValue.of(error))

        task.add_done_callback(over)

    async def _run(self, child: Process, exchange: Exchange | None, payload: Payload) -> None:
        exchange = exchange if exchange is not None else child.start(self.out, payload)
        answer = await exchange.wait()
        if isinstance(answer, ErrorValue) and self.error.at(child.generation.number):
            answer = await child.ask(self.error, answer)
        error = _error_of(answer)
        failed = await child.settle(error)
        self._end(child, error or failed)

    def _end(self, child: Process, error: ErrorValue | None) -> None:
        """End the child. Nobody waits for its answer, so an error that nobody has handled is logged here."""
        child.exit(error)
        if error is not None and error.code is not Code.CANCELLED:
            self._ctx.process_failed(error, process=child.id)


def _error_of(answer: Payload) -> ErrorValue | None:
    return answer if isinstance(answer, ErrorValue) else None


def compile_fork(_spec: ForkSpec, ctx: Context) -> Fork:
    """The node of a `fork`."""
    return Fork(ctx)


CODEC = Codec(
    kind="fork",
    spec=ForkSpec,
    compile=compile_fork,
    family="control",
    summary="Answers none at once and goes on in a child process.",
    example="""\
kind: fork
name: audit
ports:
  out:
    - {name: write_audit, port: in}
  error:
    - {name: log_error, port: in}
""",
)
