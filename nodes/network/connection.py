"""One connection, as aiohttp's low-level server drives it, and one request on it.

aiohttp does what is hard about HTTP/1.1 on the wire: parsing, pipelining, flow control, keep-alive. This module is the
only one that knows its classes. Two things are done here instead of there, because they are half of the cost of a
request: a request is a plain record (:class:`HttpRequest`) instead of a `web.BaseRequest`, and a response of known
length is written to the transport in one piece instead of through a `web.Response`. aiohttp allows both: the first is
`request_factory`; of the second it asks only `prepare`, `write_eof` and `keep_alive`.

Patience with slow clients: :data:`HEAD_TIMEOUT` for the head of a request, :data:`STALL_TIMEOUT` between two pieces of
a body, either way, and :data:`KEEP_ALIVE` between two requests.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpProcessingError, HttpVersion10, RawRequestMessage
from aiohttp.http_exceptions import LineTooLong
from aiohttp.streams import StreamReader

from engine.errors import Code, InvalidError, WeirError
from engine.graph.context import Log
from nodes.network.body import too_large
from nodes.network.head import Clock, head_of
from nodes.network.identity import REQUEST_ID, RequestIds, is_sane
from nodes.network.problem import problem
from nodes.network.response import Response, problem_response

HEAD_TIMEOUT = 30.0
"""Seconds that the head of a request may take from its first byte on."""
STALL_TIMEOUT = 30.0
"""Seconds without a single byte of a body, after which the connection is given up."""
KEEP_ALIVE = 75.0
"""Seconds that a connection may be idle."""
MAX_LINE = 16_384
"""Bytes of a request line, and of one header."""

_RESET = struct.pack("ii", 1, 0)


class HttpServer(web.Server):
    """The connections of one address. `handler` answers one request and never raises but when it is cancelled."""

    def __init__(self, handler: Callable[[HttpRequest], Awaitable[Sent]], *, log: Log) -> None:
        super().__init__(
            handler,  # type: ignore[arg-type]  # a plain request and a plain response: see above
            request_factory=HttpRequest,  # type: ignore[arg-type]
            handler_cancellation=True,
            keepalive_timeout=KEEP_ALIVE,
            access_log=None,
            auto_decompress=False,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
        )
        self.log = log
        self.clock = Clock()
        self.ids = RequestIds()
        self.draining = False
        """Whether responses ask the client to go away."""
        self._quiet: asyncio.Future[None] | None = None

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)

    async def quiet(self) -> None:
        """Wait until there is no connection."""
        while self.connections:
            if self._quiet is None:
                self._quiet = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._quiet)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """A connection is gone: aiohttp calls this, and forgets it when its task has ended."""
        super().connection_lost(handler, exc)
        task = handler._task_handler
        if task is not None:
            task.add_done_callback(self._look_whether_quiet)
        else:
            self._look_whether_quiet()

    def _look_whether_quiet(self, _task: asyncio.Task[None] | None = None) -> None:
        if self._quiet is not None and not self.connections:
            self._quiet.set_result(None)
            self._quiet = None

    def wind_up(self) -> None:
        """Close what is idle; what is busy closes once it has answered."""
        self.draining = True
        for connection in self.connections:
            assert isinstance(connection, Connection)
            connection.wind_up()


class Connection(web.RequestHandler):
    """The protocol of one connection."""

    __slots__ = ("_head_timer", "reading", "remote", "server")

    def __init__(self, server: HttpServer, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(server, loop=loop, **options)
        self.server = server
        self.remote = ""
        self.reading: StreamReader | None = None
        """The body that is being read."""
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple) and peer:
            self.remote = str(peer[0])
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages or self._request_in_progress:
            self._stop_head_timer()
        elif self._head_timer is None and data:
            # Something has come, and it is not a whole head yet.
            self._head_timer = self._loop.call_later(HEAD_TIMEOUT, self._head_is_late)

    @property
    def is_idle(self) -> bool:
        """Whether the connection waits for a request."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def is_closing(self) -> bool:
        """Whether the connection ends after the present request."""
        return self._close or self._force_close or self.server.draining

    def wind_up(self) -> None:
        """Close now if idle, else once the present request is answered. A body that is still coming is refused."""
        if self.is_idle:
            self.force_close()
            return
        if self.reading is not None:
            self.reading.set_exception(WeirError("the listener is gone", code=Code.UNAVAILABLE))
        self.close()

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport. Raises ConnectionResetError if it is gone."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has taken what was written. One that takes nothing for too long is cut off."""
        if not self.writing_paused:
            return
        try:
            async with asyncio.timeout(STALL_TIMEOUT):
                await self._drain_helper()
        except TimeoutError:
            self.abort()
            raise ConnectionResetError("the client does not read the response") from None

    def abort(self) -> None:
        """Cut the connection, so that the client sees that what it got is not the whole."""
        transport = self.transport
        if transport is None:
            return
        sock = transport.get_extra_info("socket")
        if sock is not None:
            # An end in good order would tell a client without chunks that this was all: reset it instead.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()

    def handle_error(  # type: ignore[override]  # a plain response: see above
        self,
        request: HttpRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> Sent:
        """Answer what aiohttp could not parse, and what a handler has failed to handle."""
        if request.begun or isinstance(exc, ConnectionError):
            self.abort()
            raise ConnectionResetError("no response can be written any more") from exc
        if exc is not None and not isinstance(exc, HttpProcessingError):
            self.server.log.error("request.failed", remote=self.remote, exc_info=exc)
            return request.refuse(problem(status))
        if isinstance(exc, LineTooLong):
            line = exc.args[0]
            is_target = isinstance(line, (bytes, bytearray)) and line[:1] == b"/"
            status, message = (414 if is_target else 431), f"longer than {MAX_LINE} bytes"
        elif message == "Too many headers received":
            status = 431
        detail = message.splitlines()[0].rstrip(":") if message else None
        self.server.log.debug("request.refused", status=status, reason=detail, remote=self.remote)
        return request.refuse(problem(status, detail))

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.is_idle and self.transport is not None:
            self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.force_close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class HttpRequest:
    """One request: `message` is its head, `content` its body."""

    __slots__ = ("_task", "begun", "connection", "content", "id", "id_is_ours", "is_last", "message")

    def __init__(
        self,
        message: RawRequestMessage,
        content: StreamReader,
        connection: Connection,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> None:
        self.message = message
        self.content = content
        self.connection = connection
        self._task: asyncio.Task[None] | None = task
        self.begun = False
        """Whether something of the response has been written."""
        self.is_last = False
        """Whether the connection ends with this request."""
        given = message.headers.get(REQUEST_ID)
        self.id: str = given if given is not None and is_sane(given) else connection.server.ids.make()
        """What the client calls the request in `X-Request-Id`, if that is sane, else an id of our own."""
        self.id_is_ours = self.id is not given

    @property
    def has_body(self) -> bool:
        """Whether a body has come or is still coming, be it an empty one."""
        return isinstance(self.content, StreamReader) and not self.content.at_eof()

    async def read(self, limit: int) -> bytes:
        """The whole body, as it was sent.

        Raises TimeoutError when it does not go on, :class:`~engine.errors.WeirError` when it is larger than `limit`
        bytes or malformed, and ConnectionResetError when the client is gone.
        """
        headers = self.message.headers
        announced = headers.get("Content-Length", "")
        if announced.isdecimal() and (len(announced) > 18 or int(announced) > limit):
            raise too_large(limit)
        if headers.get("Expect", "").lower() == "100-continue" and not self.content.total_bytes:
            self.connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.content.is_eof() and self.content.exception() is None:
            data: bytes = self.content.read_nowait()
            if len(data) > limit:
                raise too_large(limit)
            return data
        self.connection.reading = self.content
        try:
            return await self._read(limit)
        except (web.RequestPayloadError, HttpProcessingError) as error:
            raise InvalidError(f"malformed body: {error}") from None
        finally:
            self.connection.reading = None

    def send(self, response: Response) -> Sent:
        """Write a response whose body is bytes, in one piece. Raises ConnectionResetError when the client is gone."""
        body = response.body
        assert isinstance(body, bytes)
        keep_alive = self._keep_alive(response)
        head = self._head(response, len(body), keep_alive=keep_alive)
        self.begun = True
        if response.has_no_body or self.message.method == "HEAD":
            body = b""
        self.connection.write(head + body)
        return Sent(self.connection, response.status, len(body), keep_alive=keep_alive)

    async def stream(self, response: Response) -> Sent:
        """Write a response whose body is a stream, chunked (to HTTP/1.0: until the connection ends).

        When the stream fails the connection is cut and the error is raised.
        """
        stream = response.body
        assert isinstance(stream, AsyncIterable)
        connection = self.connection
        chunked = self.message.version != HttpVersion10
        keep_alive = chunked and self._keep_alive(response)
        size = 0
        try:
            self.begun = True
            connection.write(self._head(response, None, keep_alive=keep_alive))
            if self.message.method != "HEAD":
                async for piece in stream:
                    data = piece.encode() if isinstance(piece, str) else bytes(piece)
                    if not data:
                        continue
                    connection.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
                    size += len(data)
                    await connection.drain()
                if chunked:
                    connection.write(b"0\r\n\r\n")
        except BaseException:
            connection.abort()
            raise
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()
        return Sent(connection, response.status, size, keep_alive=keep_alive)

    def refuse(self, form: dict[str, Any]) -> Sent:
        """Answer with a problem, and end the connection."""
        self.is_last = True
        return self.send(problem_response(form))

    def _keep_alive(self, response: Response) -> bool:
        if self.is_last or self.message.should_close or self.connection.is_closing:
            return False
        if response.lines:
            return not any(name == "Connection" and value.lower() == "close" for name, value in response.lines)
        return True

    def _head(self, response: Response, length: int | None, *, keep_alive: bool) -> bytes:
        return head_of(
            response,
            length,
            date=self.connection.server.clock.date(),
            request_id=self.id,
            keep_alive=keep_alive,
            is_old=self.message.version == HttpVersion10,
        )

    async def _read(self, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            async with asyncio.timeout(STALL_TIMEOUT):
                part = await self.content.readany()
            if not part:
                return b"".join(parts)
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)

    # --- what aiohttp asks of a request

    def _finish(self) -> None:
        """There is nothing to clean up."""

    def _cancel(self, error: BaseException) -> None:
        self.content.set_exception(error)


class Sent:
    """A response that has been written: its status, and the bytes of its body."""

    __slots__ = ("connection", "keep_alive", "size", "status")

    def __init__(self, connection: Connection, status: int, size: int, *, keep_alive: bool) -> None:
        self.connection = connection
        self.status = status
        self.size = size
        self.keep_alive = keep_alive

    # --- what aiohttp asks of a response

    async def prepare(self, request: HttpRequest) -> None:
        """All is written already."""

    async def write_eof(self) -> None:
        """All is written; a client that is slow to take it is waited for."""
        if self.connection.writing_paused:
            await self.connection.drain()
