"""The worker's own side, before it serves; what it does then is tested with real ones."""

from __future__ import annotations

import asyncio
import socket

import pytest

from engine.daemon.supervisor.channel import Channel
from engine.daemon.supervisor.messages import PROTOCOL, Begin, Failed, Ping, Pong, Report
from engine.daemon.supervisor.worker import Worker
from engine.errors import WeirError


class Supervisor:
    def __init__(self):
        self.heard = []
        self.news = asyncio.Event()
        self.ended = asyncio.Event()

    def told(self, message):
        self.heard.append(message)
        self.news.set()

    async def asked(self, message):
        raise AssertionError(message)

    def gone(self):
        self.ended.set()


@pytest.fixture
async def both():
    """The supervisor's end of a channel, who hears there, and the worker's code when it has ended."""
    one, two = socket.socketpair()
    supervisor = Supervisor()
    channel = Channel(one, supervisor)
    running = asyncio.ensure_future(Worker(two).run())
    yield channel, supervisor, running
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    channel.close()


async def test_it_answers_for_its_loop_before_it_serves(both):
    channel, supervisor, _ = both
    channel.tell(Ping())
    await supervisor.news.wait()
    assert supervisor.heard == [Pong()]
    with pytest.raises(WeirError, match="cannot answer"):
        await channel.ask(Report("processes"))


async def test_another_version_of_the_protocol_is_told(both):
    channel, supervisor, running = both
    channel.tell(Begin(PROTOCOL + 1, 1, 2, None, {}, False))
    assert await running == 1
    await supervisor.ended.wait()
    [failed] = supervisor.heard
    assert isinstance(failed, Failed)
    assert f"version {PROTOCOL} of the supervisor's protocol" in failed.error["message"]


async def test_a_config_that_cannot_be_read_is_told(both, tmp_path):
    channel, supervisor, running = both
    file = tmp_path / "weir.yaml"
    file.write_text("nonsense: 1\n")
    channel.tell(Begin(PROTOCOL, 1, 2, str(file), {}, False))
    assert await running == 1
    await supervisor.ended.wait()
    assert "nonsense" in supervisor.heard[-1].error["message"]
