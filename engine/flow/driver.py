"""The driver: one loop that walks packets along the links.

The problem. A packet goes from node to node, and its answer comes all the way back. Written as nested calls, a chain of
ten thousand nodes overflows the stack, and a cycle does so sooner or later; written as a task and two queues per node,
a hop costs several microseconds whether it waits or not.

The choice. Nodes do not call each other. :func:`walk` holds *one* packet and a stack of those who wait for its answer,
as a plain list on the heap. It calls the handler of an in port, looks at the links of the out port that the result
belongs to, and goes on there. When a packet has nowhere to go it *is* the answer, and is given to the top of the stack:
a :class:`~engine.flow.frame.Frame` of a handler that goes on with it, or a :class:`~engine.flow.frame.Slot` of a
:class:`~engine.flow.frame.Fan`, the meeting point of several packets that were sent at the same time. A node whose
answer is its downstream's answer (most of them) leaves nothing on the stack, so chains and cycles of such nodes take
constant memory.

Waiting. Up to the first await everything runs inside the call of whoever asked. What must be awaited goes to a
:class:`~engine.flow.exchange.Lane`, an asyncio task that awaits it and then walks on. A fan whose branch waits goes on
with its next branch; the branch that answers last takes over the stack of whoever fanned out. No task ever awaits
another task.

Fairness. The loop of asyncio gets a turn after 2,000 hops, or after `limits.loop_budget` seconds of inline work; a lane
counts on where its awaits did not suspend.

Errors. Whatever a handler raises becomes an error packet, a `CancelledError` too: nobody can cancel the driver while it
walks, so that one comes from something that the handler looked at. A handler that breaks the rules of its mode (a
generator that yields a malformed send, say) ends the whole exchange with an error.

Cost. About 0.15 µs a hop without an await, beside 0.07 µs of a bare recursive Python call; the task of a first await
costs some 4 µs. `make bench` measures both.
"""

from __future__ import annotations

from asyncio import CancelledError
from time import perf_counter
from typing import TYPE_CHECKING, Any

from engine.errors import Code, WeirError
from engine.flow.frame import Fan, Forward, Frame, Gather, Slot, failure, next_branch, unwind
from engine.flow.packet import Payload, join
from engine.flow.port import InPort, Mode, OutPort, Reader, Wait

if TYPE_CHECKING:
    from engine.flow.exchange import Exchange, Lane

SLICE = 2_000
"""Hops after which the event loop gets a turn, whatever the clock says."""
GLANCE = 50
"""Hops between two looks at the clock, at most; fewer where the hops so far were slow ones."""
FIRST_GLANCE = 4
"""Hops before the first two looks: a short flow of quick nodes pays for none."""

# The modes, as plain integers: a look-up of an enum member costs as much as the rest of a hop.
_MAP, _CALL, _ROUTE, _COROUTINE = int(Mode.MAP), int(Mode.CALL), int(Mode.ROUTE), int(Mode.COROUTINE)
_TURN, _STEP = Wait.TURN, Wait.STEP


FAILURES = (Exception, CancelledError)
"""What becomes an error packet when a handler raises it."""


def walk(
    exchange: Exchange,
    stack: list[Any],
    lane: Lane | None,
    opened: list[Fan],
    to: InPort | OutPort | None,
    value: Payload,
    *,
    error: BaseException | None = None,
    held: Reader | None = None,
) -> Lane | None:
    """Walk until the exchange is answered or must wait.

    It begins by sending `value` to a port, or, where `to` is None, by answering with it; `error` is what the generator
    on top of the stack awaited and which failed. `opened` are the fans of which this strand still has to start
    branches, innermost last. `held` is the reader whose turn the packet for the in port `to` has already.

    Returns the lane with which the caller goes on (`lane`, where there is one), or None when this strand is over.
    """
    process = exchange.process
    number = process.generation.number
    hops = 0
    glance = FIRST_GLANCE
    began = 0.0
    out: OutPort | None = None
    port: InPort | None = None
    if type(to) is OutPort:
        out = to
    else:
        port = to  # type: ignore[assignment]

    try:
        while True:
            # 1. Send `value` on `out`: to one in port, to several, or nowhere; then it is the answer.
            if out is not None:
                if out.since <= number:
                    port = out.single
                    targets = out.targets
                else:
                    targets = out.at(number)
                    port = targets[0] if len(targets) == 1 else None
                out = None
                if port is None and targets:
                    refused = exchange.deepen()
                    if refused is None:
                        sends = [(target, value) for target in targets]
                        opened.append(Fan(sends, stack, joined=True, limit=len(sends)))
                        out, port, value, stack = next_branch(opened)
                    else:
                        value = refused

            # 2. Deliver `value` to `port` and see what its handler makes of it.
            if port is not None:
                hops += 1
                if hops >= glance:
                    now = perf_counter()
                    if began == 0.0:
                        began = now
                        glance += FIRST_GLANCE
                    else:
                        left = process.generation.limits.loop_budget - (now - began)
                        if hops >= SLICE or left < 0.0:
                            hops -= 1  # it counts when it is made
                            lane = lane if lane is not None else exchange.lane()
                            lane.pause(stack, opened, port, value, held)
                            return lane
                        glance += max(1, min(GLANCE, int(left * (hops - FIRST_GLANCE) / (now - began + 1e-9))))

                mode = port.mode
                if mode == _MAP:
                    try:
                        value = port.handler(value)
                        out = port.out
                    except FAILURES as exc:
                        value, out = failure(exc, port), port.error
                    continue
                if mode == _CALL:
                    try:
                        value = port.handler(value, process)
                        out = port.out
                    except FAILURES as exc:
                        value, out = failure(exc, port), port.error
                    continue
                if mode == _ROUTE:
                    try:
                        out, value = port.handler(value, process)
                    except FAILURES as exc:
                        value, out = failure(exc, port), port.error
                    port = None
                    continue

                # A turn that may last. One at a time: whoever comes meanwhile waits at the reader.
                if held is None and process.readers is not None:
                    reader = process.readers.get(port)
                    if reader is not None and reader.busy:
                        if len(reader.waiting) < process.generation.limits.queue:
                            exchange.lane().queue(reader, stack, port, value)
                            if not opened:
                                return None
                            out, port, value, stack = next_branch(opened)
                        else:
                            error_ = WeirError("too many packets wait", code=Code.LIMIT)
                            value, out = failure(error_, port), port.error
                        continue

                try:
                    begun = port.handler(value, process)
                except FAILURES as exc:
                    if held is not None:
                        held.release()
                        held = None
                    value, out = failure(exc, port), port.error
                    continue

                if mode == _COROUTINE:
                    if held is None and not port.many:
                        held = process.reader(port)
                        held.busy = True
                    waiting = lane if lane is not None and not opened else exchange.lane()
                    waiting.wait_for(_TURN, stack, port, begun, held)
                    held = None
                    if not opened:
                        return waiting
                    waiting.start()
                    out, port, value, stack = next_branch(opened)
                    continue

                # A generator: it becomes the top of the stack, and its first step is an answer to nothing.
                refused = exchange.deepen()
                if refused is None:
                    stack.append(Frame(begun, port, held))
                    value = None
                else:
                    value = refused
                    if held is not None:
                        held.release()
                held = None
                port = None

            # 3. `value` is an answer: give it to whoever is on top of the stack.
            if not stack:
                exchange.finish(value)
                return None
            top = stack[-1]
            if type(top) is Slot:
                fan = top.fan
                fan.answers[top.index] = value
                fan.active -= 1
                if fan.blocked:
                    fan.blocked = False
                    opened.append(fan)
                elif fan.active == 0 and fan.next == len(fan.sends):
                    exchange.depth -= 1
                    stack = fan.stack
                    value = join(fan.answers) if fan.joined else fan.answers
                    continue
                # This branch is over: others of the fan are under way, or still to be started.
                if not opened:
                    return None
                out, port, value, stack = next_branch(opened)
                continue

            try:
                if error is None:
                    operation = top.step.send(value)
                else:
                    failed, error = error, None
                    operation = top.step.throw(failed)
            except StopIteration as stop:
                stack.pop()
                exchange.depth -= 1
                if top.reader is not None:
                    top.end_turn()
                value = stop.value
                if type(value) is Forward:
                    out, value = value.port, value.payload
                continue
            except FAILURES as exc:
                stack.pop()
                exchange.depth -= 1
                if top.reader is not None:
                    top.end_turn()
                value, out = failure(exc, top.port), top.port.error
                continue

            # 4. The generator goes on: it sends a packet, sends several, or awaits something.
            if type(operation) is tuple:
                out, value = operation
                if not top.sent:
                    top.end_turn()
            elif type(operation) is Gather:
                if not top.sent:
                    top.end_turn()
                sends = operation.sends  # type: ignore[assignment]
                if not sends:
                    value = []
                    continue
                refused = exchange.deepen()
                if refused is not None:
                    value = [refused] * len(sends)
                    continue
                opened.append(Fan(sends, stack, joined=False, limit=operation.limit or len(sends)))
                out, port, value, stack = next_branch(opened)
            else:
                if top.reader is None and not top.sent and not top.port.many:
                    top.reader = process.reader(top.port)
                    top.reader.busy = True
                waiting = lane if lane is not None and not opened else exchange.lane()
                waiting.wait_for(_STEP, stack, top.port, operation, None)
                if not opened:
                    return waiting
                waiting.start()
                out, port, value, stack = next_branch(opened)
    except Exception:
        # Nobody waits for this strand any more; the caller aborts the exchange.
        if held is not None:
            held.release()
        unwind(stack, process)
        raise
    finally:
        process.hops += hops
