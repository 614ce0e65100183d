"""Who answers on an address, while listeners come and go."""

from __future__ import annotations

import asyncio
import socket

import pytest

from engine.errors import Code, WeirError
from nodes.network.endpoint import Endpoint


def says(text):
    return lambda payload, process: text


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


async def serving(world, text, **fields):
    """A listener that answers with a text."""
    return await world.serve(says(text), **fields)


async def loaded(world, text, **fields):
    """A listener that is part of a candidate."""
    return await world.load(says(text), **fields)


async def test_a_replaced_listener_keeps_connections(world):
    port = free_port()
    old = await serving(world, "old", port=port)
    client = await world.connect(old)
    assert (await client.ask()).body == b"old"
    new = await loaded(world, "new", port=port)
    assert (await client.ask()).body == b"old"
    new.activate()
    old.retire()
    assert (await client.ask()).body == b"new"
    await old.unload()
    assert (await client.ask()).body == b"new"
    assert (await (await world.connect(new)).ask()).body == b"new"


async def test_retiring_before_activating_is_as_good(world):
    port = free_port()
    old = await serving(world, "old", port=port)
    client = await world.connect(old)
    await client.ask()
    new = await loaded(world, "new", port=port)
    old.retire()
    new.activate()
    await old.unload()
    assert (await client.ask()).body == b"new"
    assert (await (await world.connect(new)).ask()).body == b"new"


async def test_two_listeners_swap_their_ports(world):
    ports = free_port(), free_port()
    old = [await serving(world, f"old{n}", name=f"n{n}", port=ports[n]) for n in (0, 1)]
    clients = [await world.connect(node) for node in old]
    assert [(await client.ask()).body for client in clients] == [b"old0", b"old1"]
    new = [await loaded(world, f"new{n}", name=f"n{n}", port=ports[1 - n]) for n in (0, 1)]
    for node in new:
        node.activate()
    for node in old:
        node.retire()
    for node in old:
        await node.unload()
    assert [(await client.ask()).body for client in clients] == [b"new1", b"new0"]
    assert [node.address[1] for node in new] == [ports[1], ports[0]]


async def test_port_0_is_kept_by_the_spec_that_has_it(world):
    old = await serving(world, "old")
    new = await loaded(world, "new")
    other = await loaded(world, "other", name="other")
    assert new.address == old.address
    assert other.address != old.address
    assert (new.claim, old.claim) == (None, None)
    for node in (new, other):
        await node.unload()


async def test_a_candidate_that_is_never_published_changes_nothing(world):
    port = free_port()
    old = await serving(world, "old", port=port)
    client = await world.connect(old)
    await client.ask()
    new = await loaded(world, "new", port=port)
    await new.unload()
    assert (await client.ask()).body == b"old"
    assert (await (await world.connect(old)).ask()).body == b"old"


async def test_a_candidate_of_its_own_address_lets_go_of_it(world):
    new = await loaded(world, "new")
    address = new.address
    await new.unload()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


async def test_a_request_before_publish_waits_for_it(world):
    new = await loaded(world, "new")
    client = await world.connect(new)
    asked = asyncio.ensure_future(client.ask())
    await world.until(lambda: new._endpoint._change is not None)
    assert not asked.done()
    new.activate()
    assert (await asked).body == b"new"


async def test_a_request_before_a_publish_that_fails_is_503(world):
    new = await loaded(world, "new")
    client = await world.connect(new)
    asked = asyncio.ensure_future(client.ask())
    await world.until(lambda: new._endpoint._change is not None)
    new.retire()
    assert (await asked).status == 503
    await new.unload()


async def test_a_removed_listener_stops_at_once(world):
    node = await serving(world, "old")
    client, idle = await world.connect(node), await world.connect(node)
    await client.ask()
    await idle.ask()
    node.retire()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*node.address)
    answer = await client.ask()
    assert (answer.status, answer["Connection"]) == (503, "close")
    assert await client.is_closed()
    await node.unload()
    assert await idle.is_closed()


async def test_a_listener_added_again_while_the_old_one_drains(world):
    port = free_port()
    old = await serving(world, "old", port=port)
    client = await world.connect(old)
    await client.ask()
    old.retire()
    new = await loaded(world, "new", port=port)
    new.activate()
    assert (await client.ask()).body == b"new"
    await old.unload()
    assert (await (await world.connect(new)).ask()).body == b"new"


async def test_what_is_in_flight_is_answered_before_the_connection_ends(world):
    entered, go = asyncio.Event(), asyncio.Event()

    async def action(payload, process):
        entered.set()
        await go.wait()
        return "done"

    node = await world.serve(action)
    client = await world.connect(node)
    asked = asyncio.ensure_future(client.ask())
    await entered.wait()
    node.retire()
    unloading = asyncio.ensure_future(node.unload())
    await world.until(lambda: not world.resources._entries)
    go.set()
    answer = await asked
    assert (answer.status, answer.body, answer["Connection"]) == (200, b"done", "close")
    await unloading
    assert await client.is_closed()


async def test_what_is_in_flight_for_too_long_is_cancelled(world, monkeypatch):
    monkeypatch.setattr("nodes.network.endpoint.GRACE", 0.001)
    entered = asyncio.Event()

    async def action(payload, process):
        entered.set()
        await asyncio.Event().wait()

    node = await world.serve(action)
    client = await world.connect(node)
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await entered.wait()
    node.retire()
    await node.unload()
    await world.idle()
    assert await client.is_closed()


async def test_a_body_that_comes_while_the_listener_is_replaced_goes_to_the_new_one(world):
    port = free_port()
    old = await serving(world, "old", port=port)
    client = await world.connect(old)
    client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
    await world.until(lambda: any(each.reading for each in world.connections()))
    new = await loaded(world, "new", port=port)
    new.activate()
    old.retire()
    await old.unload()
    client.write("b")
    assert (await client.read()).body == b"new"


async def test_a_body_that_comes_while_the_listener_goes_is_refused(world):
    node = await serving(world, "old")
    client = await world.connect(node)
    client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
    await world.until(lambda: any(each.reading for each in world.connections()))
    node.retire()
    unloading = asyncio.ensure_future(node.unload())
    assert (await client.read()).status == 503
    await unloading


async def test_two_listeners_that_stay_on_one_address_are_reported(world):
    port = free_port()
    one = await serving(world, "one", name="one", port=port)
    two = await serving(world, "two", name="two", port=port)
    client = await world.connect(one)
    assert (await client.ask()).body == b"two"
    [(level, fields)] = world.log.of("listener.conflict")
    assert (level, fields["nodes"]) == ("error", ["listener/one", "listener/two"])
    assert one.claim == two.claim
    two.retire()
    assert (await client.ask()).body == b"one"


async def test_a_port_in_use_is_an_error_with_address_spec_and_place(world):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        node = world.listener(port=port)
        with pytest.raises(WeirError) as caught:
            await node.load()
    error = caught.value
    assert error.code is Code.UNAVAILABLE
    assert error.value.message == f"listener/web cannot listen on 127.0.0.1:{port}: address already in use"
    assert str(error.place) == "flow.yaml:3:1"
    assert "port" in error.hint
    assert not world.resources._entries
    await node.unload()


async def test_a_successor_that_cannot_bind_leaves_nothing_behind(world):
    port = free_port()
    old = await serving(world, "old", port=port)
    client = await world.connect(old)
    await client.ask()
    old.retire()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(WeirError):
            await loaded(world, "new", port=port)
    assert (await client.ask()).status == 503


@pytest.mark.parametrize("host", ["203.0.113.77", "no.such.host.invalid"])
async def test_a_host_that_is_not_here_is_an_error(world, host):
    with pytest.raises(WeirError, match=f"cannot listen on {host}:0") as caught:
        await world.listener(host=host).load()
    assert "host" in caught.value.hint


async def test_a_name_with_several_addresses_has_one_port(world):
    endpoint = Endpoint("localhost", 0, log=world.log)

    class Nobody:
        label = "listener/nobody"

    nobody = Nobody()
    await endpoint.join(nobody)
    ports = {server.sockets[0].getsockname()[1] for server in endpoint._servers}
    assert ports == {endpoint.address[1]}
    endpoint.leave(nobody)
    assert not endpoint.is_accepting
    await endpoint.close()
