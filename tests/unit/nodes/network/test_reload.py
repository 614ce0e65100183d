"""Listeners in a runtime: what a change of specs does to connections that are open."""

from __future__ import annotations

import asyncio
import dataclasses
import socket

import pytest

from engine.flow import OneToOne
from engine.graph.scheme import Codec, Scheme
from engine.runtime import Runtime, Services
from engine.spec.model import parse_specs
from engine.spec.schema import NodeSpec
from nodes.network import listener, router


class TextSpec(NodeSpec):
    """A text, and whether it takes until the test says so."""

    text: str
    slow: bool = False


@pytest.fixture
def gate():
    return asyncio.Event()


@pytest.fixture
async def runtime(world, gate):
    class Text(OneToOne):
        def __init__(self, spec):
            self.spec = spec
            super().__init__()

        async def action(self, payload, process):
            if self.spec.slow:
                await gate.wait()
            return self.spec.text

    text = Codec(kind="text", spec=TextSpec, compile=lambda spec, ctx: Text(spec))
    scheme = Scheme.of([listener.CODEC, router.CODEC, text])
    runtime = Runtime("default", Services(scheme=scheme, languages=None, log=world.log))
    yield runtime
    gate.set()
    await runtime.close()


@pytest.fixture
def apply(runtime):
    """Applies specs, written in YAML, under ids made of kind and name; `delete` names some to delete with them."""
    from engine.graph.reconcile import Changes, reconcile

    revision = 0  # every spec that is applied has a new one

    async def apply(text, *, delete=()):
        nonlocal revision
        revision += 1
        specs = [
            dataclasses.replace(spec, id=f"id-{spec.kind}-{spec.name}", namespace="default", revision=revision)
            for spec in (parse_specs(text) if text else [])
        ]
        report = await reconcile(runtime.table, Changes(specs=specs, deleted=[f"id-{each}" for each in delete]))
        return [str(status.reason) for status in report.failed]

    return apply


class At:
    """An address to connect to."""

    def __init__(self, port):
        self.address = ("127.0.0.1", port)


@pytest.fixture
def ports():
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def web(port, target, name="web"):
    return f"""
- {{kind: listener, name: {name}, protocol: http, port: {port}, ports: {{out: [{{name: {target}, port: in}}]}}}}
"""


def text(name, value, slow=False):
    return f"- {{kind: text, name: {name}, text: {value}, slow: {str(slow).lower()}}}\n"


async def test_a_change_behind_a_listener_keeps_the_connection(world, apply, ports):
    assert await apply(web(ports[0], "a") + text("a", "one")) == []
    client = await world.connect(At(ports[0]))
    assert (await client.ask()).body == b"one"
    await apply(text("a", "two"))
    assert (await client.ask()).body == b"two"


async def test_a_request_in_flight_ends_on_the_old_definition(world, runtime, apply, ports, gate):
    await apply(web(ports[0], "a") + text("a", "one", slow=True))
    client = await world.connect(At(ports[0]))
    asked = asyncio.ensure_future(client.ask())
    await world.until(lambda: runtime.table.current.live)
    await apply(text("a", "two"))
    other = await world.connect(At(ports[0]))
    assert (await other.ask()).body == b"two"
    gate.set()
    assert (await asked).body == b"one"


async def test_two_listeners_swap_ports_in_one_plan(world, apply, ports):
    one, two = ports
    await apply(web(one, "a", "wa") + web(two, "b", "wb") + text("a", "a") + text("b", "b"))
    clients = [await world.connect(At(port)) for port in ports]
    assert [(await client.ask()).body for client in clients] == [b"a", b"b"]
    assert await apply(web(two, "a", "wa") + web(one, "b", "wb")) == []
    assert [(await client.ask()).body for client in clients] == [b"b", b"a"]
    assert not world.log.of("listener.conflict")


async def test_a_listener_is_renamed(world, apply, ports):
    await apply(web(ports[0], "a", "before") + text("a", "one"))
    client = await world.connect(At(ports[0]))
    await client.ask()
    assert await apply(web(ports[0], "a", "after"), delete=["listener-before"]) == []
    assert (await client.ask()).body == b"one"
    assert not world.log.of("listener.conflict")


async def test_a_listener_moves_to_another_port(world, apply, ports):
    await apply(web(ports[0], "a") + text("a", "one"))
    client = await world.connect(At(ports[0]))
    await client.ask()
    await apply(web(ports[1], "a"))
    assert await client.is_closed()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", ports[0])
    assert (await (await world.connect(At(ports[1]))).ask()).body == b"one"


async def test_a_port_that_is_taken_leaves_the_old_listener(world, apply, ports):
    await apply(web(ports[0], "a") + text("a", "one"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports[1]))
        taken.listen()
        [reason] = await apply(web(ports[1], "a"))
    assert f"listener/web cannot listen on 127.0.0.1:{ports[1]}: address already in use" in reason
    assert (await (await world.connect(At(ports[0]))).ask()).body == b"one"


async def test_a_listener_that_changes_only_its_host_serves_on_where_it_was(world, runtime, apply, ports):
    elsewhere = web(ports[0], "a").replace("port:", "host: 0.0.0.0, port:", 1)
    await apply(web(ports[0], "a") + text("a", "one"))
    client = await world.connect(At(ports[0]))
    await client.ask()
    [reason] = await apply(elsewhere)
    assert f"listener/web cannot listen on 0.0.0.0:{ports[0]}: address already in use" in reason
    status = runtime.table.find("web").status
    assert any("must be deleted first" in (each.hint or "") for each in status.diagnostics)
    assert (await client.ask()).body == b"one"
    await apply("", delete=["listener-web"])
    await runtime.table.departures.join()
    assert await apply(elsewhere) == []
    assert (await (await world.connect(At(ports[0]))).ask()).body == b"one"


async def test_no_request_is_lost_while_everything_changes(world, apply, ports):
    await apply(web(ports[0], "a") + text("a", "0"))
    stop, seen = asyncio.Event(), []

    async def keep_asking():
        client = await world.connect(At(ports[0]))
        while not stop.is_set():
            answer = await client.ask()
            assert answer.status == 200
            seen.append(answer.body)

    asking = [asyncio.ensure_future(keep_asking()) for _ in range(4)]
    for turn in range(1, 31):
        name = f"w{turn % 2}"
        before = "web" if turn == 1 else f"w{(turn - 1) % 2}"
        await apply(web(ports[0], "a", name) + text("a", turn), delete=[f"listener-{before}"])
        await world.until(lambda turn=turn: seen and seen[-1] == str(turn).encode())
    stop.set()
    await asyncio.gather(*asking)
    assert [int(body) for body in seen] == sorted(int(body) for body in seen)
