"""A listener with a flow behind it, and a client that speaks raw HTTP."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
import uvloop

from engine.errors import Place
from engine.flow import Generation, OneToOne
from engine.graph.context import Clock, Context, Settings
from engine.graph.resources import Resources
from engine.graph.sockets import OwnSockets
from engine.graph.symbol import Site
from nodes.network.listener import ListenerSpec, compile_listener


def pytest_asyncio_loop_factories(config, item):
    """Every coroutine test runs on both loops: they differ in how transports end."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Log:
    """Remembers what is logged."""

    def __init__(self):
        self.entries = []

    def __getattr__(self, level):
        return lambda event, **fields: self.entries.append((level, event, fields))

    def of(self, event):
        return [(level, fields) for level, name, fields in self.entries if name == event]


class Flow(OneToOne):
    """A node whose action is the function that a test gives."""

    def __init__(self, action):
        self.action = action
        super().__init__()


class Answer:
    """A response: status, header lines (names in lower case), and body."""

    def __init__(self, status, reason, lines, body):
        self.status, self.reason, self.lines, self.body = status, reason, lines, body

    def __getitem__(self, name):
        return next((value for key, value in self.lines if key == name.lower()), None)

    def all(self, name):
        return [value for key, value in self.lines if key == name.lower()]

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """One connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def write(self, data):
        self.writer.write(data.encode() if isinstance(data, str) else data)

    async def ask(self, target="/", *, method="GET", body=None, **header):
        lines = {"host": "test", **({} if body is None else {"content-length": len(body)}), **header}
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items() if value is not None)
        self.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + (body or b""))
        return await self.read(method)

    async def read(self, method="GET"):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        version, status, reason = head[0].split(" ", 2)
        assert version == "HTTP/1.1"
        lines = [(n.lower(), v) for n, _, v in (line.partition(": ") for line in head[1:] if line)]
        found = dict(lines)
        if found.get("transfer-encoding") == "chunked" and method != "HEAD":
            body = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
        elif method == "HEAD" or int(status) in (204, 304, 100):
            body = b""
        elif "content-length" in found:
            body = await self.reader.readexactly(int(found["content-length"]))
        else:
            body = await self.reader.read()
        return Answer(int(status), reason, lines, body)

    async def is_closed(self):
        """Wait for the end of the connection: True if nothing more came."""
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True

    async def close(self):
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return


class World:
    """What tests make listeners in."""

    def __init__(self):
        self.log = Log()
        self.resources = Resources()
        self.sockets = OwnSockets()
        self.generation = Generation(1, reporter=lambda process, error: self.reports.append(error))
        self.reports = []
        self.settings = Settings(request_timeout=timedelta(seconds=20))
        self.clients = []

    def context(self, name="web", *, kind="listener"):
        return Context(
            site=Site(kind, "default", name, f"id-{name}", f"{kind}/{name}", Place("flow.yaml", 3, 1), None),
            languages=None,
            generation=lambda: self.generation,
            log=self.log,
            clock=Clock(),
            resources=self.resources,
            settings=self.settings,
            sockets=self.sockets,
        )

    def listener(self, *, name="web", port=0, **fields):
        node = compile_listener(ListenerSpec(port=port, **fields), self.context(name))
        node.label = f"listener/{name}"
        return node

    async def serve(self, action, **fields):
        node = await self.load(action, **fields)
        node.activate()
        return node

    async def load(self, action, *, on_error=None, **fields):
        node = self.listener(**fields)
        node.out.link(self.generation.number, [Flow(action).input])
        if on_error is not None:
            node.error.link(self.generation.number, [Flow(on_error).input])
        await node.load()
        return node

    async def connect(self, node):
        client = Client(*await asyncio.open_connection(*node.address))
        self.clients.append(client)
        return client

    def connections(self):
        """The server's side of every open connection."""
        endpoints = [entry.opening.result() for entry in self.resources._entries.values()]
        return [connection for endpoint in endpoints for connection in endpoint._http.connections]

    @staticmethod
    async def until(condition):
        """Let the event loop turn until something holds."""
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0)

    async def idle(self):
        """Wait until no process is alive."""
        while self.generation.live:
            for process in tuple(self.generation.live):
                await process.join()


@pytest.fixture
async def world():
    world, complaints = World(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    yield world
    for client in world.clients:
        await client.close()
    await world.resources.close()
    assert not world.generation.live, "a process was left behind"
    leaked = asyncio.all_tasks() - {asyncio.current_task()}
    assert not leaked, "a task was left behind"
    assert not complaints
    assert not world.log.of("request.failed"), "an exception came out of a listener"
