"""Several processes on one socket: here they are several sets of listeners in one."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from engine.graph.sockets import Listening, bind
from nodes.network import acceptor
from nodes.network.acceptor import PORTION, Acceptor


class Supervisor:
    """Binds an address once, and hands out its socket to all."""

    def __init__(self):
        self.bound = []
        self.asked = []
        self.released = []
        self.withdraw = []
        self.is_closing = False

    async def listen(self, host, port, *, owner, withdraw):
        self.asked.append((owner, host, port))
        if self.is_closing:
            return Listening((), sharers=2)
        if not self.bound:
            self.bound = await bind(host, port)
        self.withdraw.append(withdraw)
        return Listening([sock.dup() for sock in self.bound], sharers=2, release=lambda: self.released.append(owner))


@pytest.fixture
async def worlds(world):
    """Two processes, and who binds for them."""
    supervisor, other = Supervisor(), type(world)()
    world.sockets = other.sockets = supervisor
    yield world, other, supervisor
    for client in (*world.clients, *other.clients):
        await client.close()
    await other.resources.close()
    for sock in supervisor.bound:
        sock.close()


async def both(worlds):
    """A listener in each; they say who they are."""
    one, two, supervisor = worlds
    first = await one.serve(lambda payload, process: "one")
    second = await two.serve(lambda payload, process: "two")
    return first, second, supervisor


async def ask_anew(world, node):
    client = await world.connect(node)
    answer = await client.ask()
    await client.close()
    return answer.body.decode()


async def test_both_accept_on_one_port(worlds):
    first, second, supervisor = await both(worlds)
    assert first.address == second.address
    assert supervisor.asked == [("default/id-web", "127.0.0.1", 0)] * 2
    assert {await ask_anew(worlds[0], first) for _ in range(20)} <= {"one", "two"}


async def test_an_address_with_a_port_belongs_to_the_namespace(worlds):
    world, _, supervisor = worlds
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    await world.serve(lambda payload, process: "x", port=port)
    assert supervisor.asked == [("default", "127.0.0.1", port)]


async def test_one_that_goes_leaves_the_socket_to_the_other(worlds):
    first, second, supervisor = await both(worlds)
    first.retire()
    assert supervisor.released == ["default/id-web"]
    await first.unload()
    assert {await ask_anew(worlds[1], second) for _ in range(10)} == {"two"}
    assert supervisor.released == ["default/id-web"]


async def test_what_waits_when_one_goes_is_accepted_by_the_other(worlds):
    first, second, _ = await both(worlds)
    clients = []
    for _ in range(8):
        client = socket.create_connection(second.address)  # the loop does not turn: nobody has accepted yet
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        client.setblocking(False)
        clients.append(client)
    first.retire()
    loop = asyncio.get_running_loop()
    for client in clients:
        assert b"200 OK" in await loop.sock_recv(client, 10_000)
        client.close()
    await first.unload()


async def test_one_that_is_withdrawn_answers_what_its_connections_ask(worlds):
    world, _, supervisor = worlds
    first = await world.serve(lambda payload, process: "one")
    kept, fresh = await world.connect(first), await world.connect(first)
    await kept.ask()
    await world.until(lambda: len(world.connections()) == 2)
    withdrawing = asyncio.ensure_future(supervisor.withdraw[0]())
    await asyncio.sleep(0)
    second = await worlds[1].serve(lambda payload, process: "two")
    assert await ask_anew(worlds[1], second) == "two"
    for client in (kept, fresh):
        assert not withdrawing.done()
        answer = await client.ask()
        assert (answer.body, answer["Connection"]) == (b"one", "close")
        assert await client.is_closed()
    async with asyncio.timeout(5):
        await withdrawing
    assert supervisor.released == ["default/id-web"]


async def test_a_connection_that_was_just_accepted_counts(worlds):
    world, _, supervisor = worlds
    node = await world.serve(lambda payload, process: "one")
    [server] = world.resources._entries[next(iter(world.resources._entries))].opening.result()._servers
    client = await world.connect(node)
    await world.until(lambda: server._welcoming or world.connections())
    withdrawing = asyncio.ensure_future(supervisor.withdraw[0]())
    await world.until(world.connections)
    assert not withdrawing.done()
    assert (await client.ask()).body == b"one"
    async with asyncio.timeout(5):
        await withdrawing


async def test_who_asks_for_sockets_on_the_way_out_gets_none_and_fails_nothing(worlds):
    world, _, supervisor = worlds
    supervisor.is_closing = True
    node = await world.serve(lambda payload, process: "one")
    assert node.address == ("127.0.0.1", 0)
    assert not node._endpoint.is_accepting


# --- the acceptor


class Connections:
    """Counts connections, and closes them."""

    def __init__(self):
        self.count = 0
        self.transports = []

    def __call__(self):
        owner = self

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport):
                owner.count += 1
                owner.transports.append(transport)

        return Protocol()

    def close(self):
        for transport in self.transports:
            transport.abort()


async def test_a_burst_is_shared(world):
    [sock] = await bind("127.0.0.1", 0)
    sides = Connections(), Connections()
    acceptors = [Acceptor(sock.dup(), side, sharers=2, log=world.log) for side in sides]
    waiting = [socket.create_connection(sock.getsockname()) for _ in range(8 * PORTION)]
    await world.until(lambda: sum(side.count for side in sides) == len(waiting))
    assert min(side.count for side in sides) >= PORTION
    for each in acceptors:
        each.close()
        each.close()
    for side in sides:
        side.close()
    for client in waiting:
        client.close()
    sock.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize("count", [2, 3])
async def test_connections_that_come_one_by_one_are_shared(world, count):
    [sock] = await bind("127.0.0.1", 0)
    sides = [Connections() for _ in range(count)]
    acceptors = [Acceptor(sock.dup(), side, sharers=count, log=world.log) for side in sides]
    waiting = []
    for number in range(8 * count):
        waiting.append(socket.create_connection(sock.getsockname()))
        await world.until(lambda number=number: sum(side.count for side in sides) == number + 1)
        await world.until(lambda: not any(each._pause for each in acceptors))
    assert min(side.count for side in sides) >= 6
    for each in acceptors:
        each.close()
    for side in sides:
        side.close()
    for client in waiting:
        client.close()
    sock.close()
    await asyncio.sleep(0)


async def test_what_the_others_do_not_take_is_taken(world):
    [sock] = await bind("127.0.0.1", 0)
    side = Connections()
    accepting = Acceptor(sock, side, sharers=4, log=world.log)  # the others hang
    clients = []
    for number in range(5):
        clients.append(socket.create_connection(sock.getsockname()))
        await world.until(lambda number=number: side.count == number + 1)
    accepting.close()
    side.close()
    for client in clients:
        client.close()
    await asyncio.sleep(0)


async def test_it_rests_after_a_whole_portion_and_not_before(world, monkeypatch):
    monkeypatch.setattr(acceptor, "REST", 3600.0)
    [sock] = await bind("127.0.0.1", 0)
    side = Connections()
    accepting = Acceptor(sock, side, sharers=1, log=world.log)
    clients = [socket.create_connection(sock.getsockname()) for _ in range(PORTION - 1)]
    await world.until(lambda: side.count == PORTION - 1)
    assert accepting._pause is None
    clients += [socket.create_connection(sock.getsockname()) for _ in range(PORTION + 1)]
    await world.until(lambda: accepting._pause is not None and side.count == 2 * PORTION - 1)
    accepting.close()
    side.close()
    for client in clients:
        client.close()
    await asyncio.sleep(0)


async def test_without_room_it_rests_and_goes_on(world, monkeypatch):
    monkeypatch.setattr(acceptor, "PAUSE", 0.001)
    [sock] = await bind("127.0.0.1", 0)
    failing = Failing(sock)
    side = Connections()
    accepting = Acceptor(failing, side, sharers=2, log=world.log)
    client = socket.create_connection(sock.getsockname())
    await world.until(lambda: side.count)
    assert len(world.log.of("listener.no_room")) == 2
    accepting.close()
    side.close()
    client.close()
    await asyncio.sleep(0)


async def test_closing_while_it_rests_ends_the_rest(world):
    [sock] = await bind("127.0.0.1", 0)
    accepting = Acceptor(Failing(sock), Connections(), sharers=2, log=world.log)
    client = socket.create_connection(sock.getsockname())
    await world.until(lambda: world.log.of("listener.no_room"))
    rest = accepting._pause
    accepting.close()
    assert rest.cancelled()  # nothing comes back to a closed socket
    client.close()


class Failing:
    """A socket that has no room for the first two connections."""

    def __init__(self, sock):
        self.sock = sock
        self.left = 2

    def accept(self):
        if self.left:
            self.left -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self.sock.accept()

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()


async def test_a_client_that_cannot_be_served_is_lost_alone(world):
    [sock] = await bind("127.0.0.1", 0)
    side = Connections()
    broken = iter([True, False])

    def factory():
        if next(broken):
            raise OSError("broken")
        return side()

    accepting = Acceptor(sock, factory, sharers=2, log=world.log)
    clients = [socket.create_connection(sock.getsockname()) for _ in range(2)]
    await world.until(lambda: side.count)
    assert [fields["reason"] for _, fields in world.log.of("listener.client_lost")] == ["broken"]
    accepting.close()
    side.close()
    for client in clients:
        client.close()
    await asyncio.sleep(0)
