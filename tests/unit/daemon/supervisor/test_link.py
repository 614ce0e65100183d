"""What a worker asks of its supervisor, who is the test here."""

from __future__ import annotations

import asyncio
import socket

import pytest

from engine.daemon.supervisor import link as links
from engine.daemon.supervisor.channel import Answer, Channel
from engine.daemon.supervisor.link import Link
from engine.daemon.supervisor.messages import Gather, Listen, Ready, Release, Siblings, refusal
from engine.errors import WeirError
from engine.graph.sockets import bind


class Supervisor:
    def __init__(self):
        self.heard = []
        self.told_of = asyncio.Event()
        self.answers = {}
        self.silent = False
        self.asked_for = asyncio.Event()
        self.going_on = asyncio.Event()
        self.going_on.set()

    def told(self, message):
        self.heard.append(message)
        self.told_of.set()

    async def asked(self, message):
        self.heard.append(message)
        self.asked_for.set()
        await self.going_on.wait()
        return self.answers[type(message)]

    def gone(self):
        """The worker has ended."""


class Worker:
    def told(self, message):
        raise AssertionError(message)

    def asked(self, message):
        raise AssertionError(message)

    def gone(self):
        """The supervisor has ended."""


class Ends:
    def __init__(self):
        one, two = socket.socketpair()
        self.supervisor = Supervisor()
        self.channels = Channel(one, self.supervisor), Channel(two, Worker())
        self.link = Link(2, self.channels[1], sharers=2)


@pytest.fixture
async def ends():
    made = Ends()
    [sock] = await bind("127.0.0.1", 0)
    made.sock = sock
    made.supervisor.answers[Listen] = Answer(None, [sock.fileno()])
    yield made
    for channel in made.channels:
        channel.close()
    sock.close()


async def gone():
    """Nobody is connected."""


async def test_sockets_are_the_supervisors(ends):
    listening = await ends.link.sockets.listen("127.0.0.1", 0, owner="default", withdraw=gone)
    [sock] = listening.sockets
    assert listening.sharers == 2
    assert sock.getsockname() == ends.sock.getsockname()
    assert not sock.get_inheritable()
    sock.close()
    assert ends.sock.fileno() >= 0
    listening.release()
    await ends.supervisor.told_of.wait()
    assert ends.supervisor.heard == [Listen("default", "127.0.0.1", 0), Release("default", "127.0.0.1", 0)]


async def test_a_refusal_is_that_of_the_system(ends):
    ends.supervisor.answers[Listen] = Answer(refusal(OSError(98, "Address already in use")))
    with pytest.raises(OSError, match="already in use") as caught:
        await ends.link.sockets.listen("127.0.0.1", 80, owner="default", withdraw=gone)
    assert caught.value.errno == 98


async def test_what_came_too_late_is_given_back(ends):
    ends.supervisor.going_on.clear()
    asking = asyncio.ensure_future(ends.link.sockets.listen("127.0.0.1", 0, owner="default", withdraw=gone))
    await ends.supervisor.asked_for.wait()
    asking.cancel()
    assert (await asyncio.gather(asking, return_exceptions=True))[0].__class__ is asyncio.CancelledError
    ends.supervisor.going_on.set()
    await ends.supervisor.told_of.wait()
    assert ends.supervisor.heard[-1] == Release("default", "127.0.0.1", 0)


async def test_withdrawing_asks_every_endpoint_and_gives_no_more_sockets(ends):
    called = []

    async def leave():
        called.append("left")

    async def stay():
        called.append("stays")
        await asyncio.Event().wait()

    sockets = ends.link.sockets
    held = [await sockets.listen("127.0.0.1", 0, owner="default", withdraw=each) for each in (leave, stay)]
    await sockets.withdraw(0.001)
    assert sorted(called) == ["left", "stays"]
    assert (await sockets.listen("127.0.0.1", 0, owner="default", withdraw=gone)).sockets == ()
    for listening in held:
        for sock in listening.sockets:
            sock.close()


async def test_an_address_that_was_given_back_is_not_withdrawn(ends):
    async def never():
        raise AssertionError("it was given back")

    listening = await ends.link.sockets.listen("127.0.0.1", 0, owner="default", withdraw=never)
    listening.release()
    listening.sockets[0].close()
    await ends.link.sockets.withdraw(1.0)


async def test_news_of_the_siblings(ends):
    ends.supervisor.answers |= {Siblings: Answer([{"number": 1}]), Gather: Answer([{"worker": 1}])}
    assert await ends.link.siblings() == [{"number": 1}]
    assert await ends.link.gather("cancel", "id") == [{"worker": 1}]
    assert ends.supervisor.heard[-1] == Gather("cancel", "id")
    ends.link.ready(["row"])
    await ends.supervisor.told_of.wait()
    assert ends.supervisor.heard[-1] == Ready(["row"])


async def test_a_supervisor_that_was_stopped_holds_up_no_health_check(ends, monkeypatch):
    monkeypatch.setattr(links, "ANSWER", 0.001)
    ends.supervisor.going_on.clear()
    with pytest.raises(WeirError, match="does not answer"):
        await ends.link.siblings()
