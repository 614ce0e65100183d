"""Questions and answers between two processes, here both in one."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from engine.daemon.supervisor.channel import Answer, Channel
from engine.daemon.supervisor.messages import Gather, Ping, Pong, Ready, Report
from engine.errors import Code, InvalidError, WeirError


class Peer:
    def __init__(self):
        self.heard = []
        self.ended = asyncio.Event()
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()
        self.reply = Answer("yes")

    def told(self, message):
        self.heard.append(message)
        self.arrived.set()

    async def asked(self, message):
        self.heard.append(message)
        self.arrived.set()
        if message == Report("wait"):
            await self.release.wait()
        if message == Report("fail"):
            raise InvalidError("not this", hint="another")
        return self.reply

    def gone(self):
        self.ended.set()


@pytest.fixture
async def ends():
    one, two = socket.socketpair()
    peers = Peer(), Peer()
    channels = Channel(one, peers[0]), Channel(two, peers[1])
    yield channels, peers
    for channel in channels:
        channel.close()


async def test_what_is_told_arrives_in_order(ends):
    (ours, _), (_, peer) = ends
    said = [Ready([str(number)]) for number in range(100)]
    for message in said:
        ours.tell(message)
    ours.tell(Ping())
    while Ping() not in peer.heard:
        peer.arrived.clear()
        await peer.arrived.wait()
    assert peer.heard == [*said, Ping()]


async def test_both_sides_ask(ends):
    (ours, theirs), (mine, peer) = ends
    mine.reply, peer.reply = Answer([1]), Answer({"a": 2})
    assert [(await ours.ask(Report("x"))).value, (await theirs.ask(Gather("y"))).value] == [{"a": 2}, [1]]


async def test_a_slow_answer_holds_up_nobody(ends):
    (ours, _), (_, peer) = ends
    slow = asyncio.ensure_future(ours.ask(Report("wait")))
    assert (await ours.ask(Report("x"))).value == "yes"
    assert not slow.done()
    peer.release.set()
    assert (await slow).value == "yes"


async def test_an_error_is_raised_at_the_other_end(ends):
    (ours, _), _ = ends
    with pytest.raises(WeirError) as caught:
        await ours.ask(Report("fail"))
    assert (str(caught.value), caught.value.code, caught.value.hint) == (
        "invalid argument: not this",
        Code.INVALID,
        "another",
    )


async def test_an_answer_that_cannot_be_sent_is_an_error(ends):
    (ours, _), (_, peer) = ends
    peer.reply = Answer({1, 2})
    with pytest.raises(WeirError, match="JSON"):
        await ours.ask(Report("x"))
    peer.reply = Answer(None, [-1])
    with pytest.raises(WeirError, match="descriptor"):
        await ours.ask(Report("x"))


async def test_descriptors_come_with_an_answer(ends):
    (ours, _), (_, peer) = ends
    read, write = os.pipe()
    peer.reply = Answer(None, [read])
    answer = await ours.ask(Report("x"))
    os.close(read)
    os.write(write, b"hello")
    assert os.read(answer.descriptors[0], 10) == b"hello"
    os.close(answer.descriptors[0])
    os.close(write)


async def test_an_answer_that_nobody_waits_for_leaves_no_descriptor_open(ends):
    (ours, _), (_, peer) = ends
    read, write = os.pipe()
    peer.reply = Answer(None, [read])
    asking = asyncio.ensure_future(ours.ask(Report("wait")))
    await peer.arrived.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    peer.release.set()
    peer.reply = Answer()
    await ours.ask(Report("x"))  # it comes behind the other answer, whose descriptors it does not have
    os.close(read)
    with pytest.raises(BrokenPipeError):
        os.write(write, b"x")  # nobody has the other end
    os.close(write)


async def test_who_waits_hears_that_the_other_side_is_gone(ends):
    (ours, theirs), (mine, peer) = ends
    asking = asyncio.ensure_future(ours.ask(Report("wait")))
    await peer.arrived.wait()
    theirs.close()
    with pytest.raises(WeirError, match="gone"):
        await asking
    await mine.ended.wait()
    assert not ours.is_open
    ours.tell(Ping())  # into the void
    with pytest.raises(WeirError, match="gone"):
        await ours.ask(Report("x"))
    assert not peer.ended.is_set()


async def test_last_words_arrive(ends):
    (ours, theirs), (_, peer) = ends
    said = Ready(["x" * 3_000_000])
    ours.tell(said)  # more than the socket takes at once

    async def read_on():
        while said not in peer.heard:
            await peer.arrived.wait()

    reading = asyncio.ensure_future(read_on())
    await asyncio.wait_for(reading, 30)
    ours.tell(Pong())
    ours.flush()
    ours.close()
    await peer.ended.wait()
    assert peer.heard[-1] == Pong()
    assert not theirs.is_open


async def test_nonsense_ends_it(ends):
    one, two = socket.socketpair()
    peer = Peer()
    channel = Channel(one, peer)
    two.sendall(b"\xff" * 100)
    await peer.ended.wait()
    assert not channel.is_open
    two.close()
