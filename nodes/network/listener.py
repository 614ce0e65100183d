"""`listener`: answers HTTP requests with what the flow behind it answers.

For each request it makes a process, sends the request's payload (:mod:`nodes.network.request`) to `out`, and writes the
answer (:mod:`nodes.network.response`). An error goes to `error`, if that is linked, and what comes back from there is
the answer; otherwise the answer is problem JSON (:mod:`nodes.network.problem`).

A response with a status of 400 or above ends its process with an error, so that transactions roll back. They do so,
or commit, *before* the first byte is written: a client that was told of success can rely on it.

A client that goes away cancels its process. Once the response is written nothing can: the process has ended.

The socket is not the node's own: see :mod:`nodes.network.endpoint`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import monotonic, perf_counter
from typing import Any, Literal

from multidict import istr
from pydantic import Field

from engine.errors import Code, ErrorValue, WeirError
from engine.flow import Process, ZeroToOne
from engine.graph.context import Context
from engine.graph.resources import Lease
from engine.graph.scheme import Codec
from engine.spec.fields import Duration, Size
from engine.spec.schema import NodeSpec
from nodes.network.body import decode_body
from nodes.network.connection import HttpRequest, Sent
from nodes.network.endpoint import Endpoint
from nodes.network.problem import problem, problem_of
from nodes.network.request import payload_of
from nodes.network.response import Response, problem_response, response_of

ACCEPT = istr("Accept")


class ListenerSpec(NodeSpec):
    """Where a listener listens, and what it puts up with."""

    protocol: Literal["http"] = Field("http", examples=["http"])
    """The protocol that it speaks. `http` is HTTP/1.1."""
    host: str = Field("127.0.0.1", min_length=1, examples=["127.0.0.1", "0.0.0.0", "::1"])  # noqa: S104
    """The address or name that it listens on. `0.0.0.0` is every IPv4 address of the machine."""
    port: int = Field(ge=0, le=65535, examples=[8000])
    """The TCP port. 0 takes any free one; the log tells which."""
    timeout: Duration | None = Field(None, examples=["30s"])
    """How long a request may take, after which it is answered with 504. The configured limit where it is left out."""
    body_limit: Size | None = Field(None, examples=["1MiB"])
    """The largest body, also when unpacked; beyond it is 413. The configured limit where it is left out."""


class Listener(ZeroToOne):
    """The node. `address` is the bound host and port, None while nothing is bound."""

    def __init__(self, spec: ListenerSpec, ctx: Context) -> None:
        super().__init__()
        self._spec = spec
        self._ctx = ctx
        self._lease: Lease[Endpoint] | None = None
        self._endpoint: Endpoint | None = None
        self._time: Callable[[], float] = monotonic
        timeout = spec.timeout or ctx.settings.request_timeout or ctx.settings.process_timeout
        self._timeout = timeout.total_seconds() if timeout is not None else None
        self._body_limit = spec.body_limit if spec.body_limit is not None else ctx.settings.body_limit
        self._development = ctx.settings.development
        self._access_log = ctx.settings.access_log

    @property
    def address(self) -> tuple[str, int] | None:
        """The bound host and port."""
        return self._endpoint.address if self._endpoint is not None else None

    @property
    def claim(self) -> tuple[str, ...] | None:
        """The address. None for "any free port"."""
        return ("address", f"{self._spec.host}:{self._spec.port}") if self._spec.port else None

    # --- life

    async def load(self) -> None:
        """Bind the address, or join who has it open. Raises `unavailable`, with the address, when it is taken."""
        spec, ctx = self._spec, self._ctx
        self._time = asyncio.get_running_loop().time
        key = ("http", spec.host, spec.port, None if spec.port else ctx.site.id)

        # Of several processes, those that run the same listener share its sockets, and nobody else does.
        namespace = ctx.site.namespace.partition("/")[0]
        owner = namespace if spec.port else f"{namespace}/{ctx.site.id}"

        async def opener() -> Endpoint:
            return Endpoint(spec.host, spec.port, log=ctx.log, sockets=ctx.sockets, owner=owner)

        lease = await ctx.resources.take(key, opener)
        try:
            await lease.resource.join(self)
        except WeirError as error:
            await lease.release()
            value = replace(error.value, message=f"{ctx.site.label} {error.value.message}", node=ctx.site.label)
            raise WeirError.from_value(value.at(ctx.site.place)) from error
        except BaseException:
            await lease.release()
            raise
        self._lease, self._endpoint = lease, lease.resource

    def activate(self) -> None:
        if self._endpoint is not None:
            self._endpoint.activate(self)
            host, port = self._endpoint.address
            self._ctx.log.info("listener.bound", node=self.label, host=host, port=port)

    def retire(self) -> None:
        if self._endpoint is not None:
            self._endpoint.retire(self)

    async def unload(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.resource.leave(self)
            await lease.release()

    # --- requests

    def serve(self, request: HttpRequest) -> Awaitable[Sent]:
        """Answer one request. Raises nothing but CancelledError (the client is gone) and ConnectionError (likewise)."""
        message = request.message
        began = perf_counter()
        try:
            payload = payload_of(message, request.connection.remote)
        except WeirError as error:
            request.is_last = request.has_body
            return self._run(request, {}, error.value, began)
        if request.has_body:
            return self._receive(request, payload, began)
        if message.method == "CONNECT":
            return refused(request, 501, "this is no proxy")
        return self._run(request, payload, None, began)

    async def _receive(self, request: HttpRequest, payload: dict[str, Any], began: float) -> Sent:
        """Read the body, and go on with whoever answers then."""
        error: ErrorValue | None = None
        if request.message.method == "CONNECT":
            return await refused(request, 501, "this is no proxy")
        try:
            data = await request.read(self._body_limit)
            payload["body"] = decode_body(data, payload["header"], limit=self._body_limit)
            payload["header"].pop("Content-Encoding", None)
        except TimeoutError:
            return await refused(request, 408, "the body did not arrive in time")
        except WeirError as exc:
            error = exc.value
            # What is left of a body that was refused is not worth a connection.
            request.is_last = not request.content.is_eof()
        # The flow may have been changed while the body came: the request has no process yet, and gets the new one.
        answerer = self._endpoint.listener if self._endpoint is not None else None
        if not isinstance(answerer, Listener):
            return await refused(request, 503)
        return await answerer._run(request, payload, error, began)

    async def _run(self, request: HttpRequest, payload: dict[str, Any], error: ErrorValue | None, began: float) -> Sent:
        """Run the flow for a request that has arrived as a whole (or has an `error`), and write the answer."""
        process = self._ctx.process(deadline=None if self._timeout is None else self._time() + self._timeout)
        if request.id_is_ours:
            # A client may use its own id as often as it likes; that of a process is unique.
            process.id = request.id
        failure: ErrorValue | None = None
        try:
            if error is None:
                exchange = process.start(self.out, payload)
                answer = exchange.answer if exchange.done else await exchange.wait()
            else:
                answer = replace(error, node=error.node or self.label)
            if isinstance(answer, ErrorValue):
                answer, failure = await self._recover(answer, process)
            response, failure = self._respond(answer, failure, request)
            outcome = failure
            if outcome is None and response.status >= 400:
                outcome = ErrorValue(f"answered with status {response.status}", _code_of(response.status))
            broken = await self._settle(process, outcome) if process.must_settle else None
            if broken is not None:
                outcome = failure = ErrorValue("the process could not be completed", causes=(broken,))
                response = self._problem(failure, request)
            if isinstance(response.body, bytes):
                sent = request.send(response)
            else:
                sent = await request.stream(response)
        except asyncio.CancelledError:
            gone = ErrorValue("the client is gone", Code.CANCELLED)
            process.cancel(gone)
            process.exit(gone)
            self._log_request(request, 499, 0, began)
            raise
        except Exception as exc:
            self._end_badly(exc, process, request, began)
            raise ConnectionResetError("the response could not be written") from exc
        process.exit(outcome)
        if failure is not None or response.status >= 500:
            self._ctx.process_failed(failure or outcome, chosen=failure is None, request=request.id)
        if self._access_log:
            self._log_request(request, response.status, sent.size, began)
        return sent

    def _end_badly(self, error: Exception, process: Process, request: HttpRequest, began: float) -> None:
        """The response could not be written as a whole: the client went, or its stream failed."""
        if isinstance(error, ConnectionError):
            value = ErrorValue("the client is gone", Code.CANCELLED)
            process.cancel(value)
        else:
            value = replace(ErrorValue.of(error), node=self.label)
            self._ctx.process_failed(value, request=request.id)
        process.exit(value)
        self._log_request(request, value.code.http, 0, began)

    async def _settle(self, process: Process, outcome: ErrorValue | None) -> ErrorValue | None:
        """Commit or roll back, to the end: a client that goes away meanwhile must not leave a commit half done."""
        failed, rest = process.start_to_settle(outcome)
        if rest is None:
            return failed
        settling = asyncio.get_running_loop().create_task(rest)
        cancelled: asyncio.CancelledError | None = None
        while not settling.done():
            try:
                await asyncio.shield(settling)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
        return settling.result()

    async def _recover(self, error: ErrorValue, process: Process) -> tuple[Any, ErrorValue | None]:
        """What the `error` port makes of an error, and the error that nobody has handled, if any."""
        if not self.error.at(process.generation.number):
            return error, error
        answer = await process.ask(self.error, error)
        return answer, answer if isinstance(answer, ErrorValue) else None

    def _respond(
        self, answer: Any, failure: ErrorValue | None, request: HttpRequest
    ) -> tuple[Response, ErrorValue | None]:
        """The response, and the error that is behind it, if any."""
        if failure is None:
            try:
                return response_of(answer, request.message.headers.get(ACCEPT)), None
            except WeirError as exc:
                failure = replace(exc.value, code=Code.INTERNAL, node=self.label)
            except Exception as exc:
                failure = replace(ErrorValue.of(exc), node=self.label)
        return self._problem(failure, request), failure

    def _problem(self, failure: ErrorValue, request: HttpRequest) -> Response:
        return problem_response(problem_of(failure, request_id=request.id, development=self._development))

    def _log_request(self, request: HttpRequest, status: int, size: int, began: float) -> None:
        if not self._access_log:
            return
        message = request.message
        self._ctx.log.info(
            "request.served",
            method=message.method,
            path=message.path.partition("?")[0],
            status=status,
            duration_ms=round((perf_counter() - began) * 1000, 3),
            bytes=size,
            remote=request.connection.remote,
            request=request.id,
        )


async def refused(request: HttpRequest, status: int, detail: str | None = None) -> Sent:
    """Answer without a process: there is nothing that a flow could do about it."""
    return request.refuse(problem(status, detail))


def _code_of(status: int) -> Code:
    """The code whose HTTP status this is, or the nearest in meaning."""
    found = next((code for code in Code if code.http == status), None)
    return found or (Code.INTERNAL if status >= 500 else Code.INVALID)


def compile_listener(spec: ListenerSpec, ctx: Context) -> Listener:
    """The node of a spec. It binds nothing yet."""
    return Listener(spec, ctx)


CODEC = Codec(
    kind="listener",
    spec=ListenerSpec,
    compile=compile_listener,
    family="network",
    trigger=True,
    summary="Answers HTTP requests with what the flow behind it answers.",
    example="""
kind: listener
name: web
protocol: http
host: 127.0.0.1
port: 8000
ports:
  out:
    - {name: router, port: in}
  error:
    - {name: catch, port: in}
""".lstrip(),
)
