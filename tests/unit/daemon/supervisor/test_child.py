"""A worker's process, with programs that are none of Weir's."""

from __future__ import annotations

import sys

import pytest

from engine.daemon.supervisor import child as children
from engine.daemon.supervisor.child import start
from engine.daemon.supervisor.messages import PROTOCOL, Begin
from engine.errors import WeirError

BEGIN = Begin(PROTOCOL, 3, 4, None, {}, False)

SAYING = """\
import json, socket, struct, sys, time
sock = socket.socket(fileno=int(sys.argv[1]))
def tell(**form):
    body = json.dumps({"tell": form}).encode()
    sock.sendall(struct.pack("!IB", len(body), 0) + body)
"""


class Host:
    def told(self, child, message):
        raise AssertionError(message)

    async def asked(self, child, message):
        raise AssertionError(message)


@pytest.fixture
async def begin(monkeypatch, log):
    started = []

    async def make(program, *, hang=30.0):
        monkeypatch.setattr(children, "_PROGRAM", program)
        monkeypatch.setattr(sys, "path", [])
        child = await start(BEGIN, host=Host(), log=log, hang=hang)
        started.append(child)
        return child

    yield make
    for child in started:
        if not child.ended.done():
            child.kill()
        await child.ended


async def test_it_is_ready_when_it_says_so(begin):
    child = await begin(SAYING + "tell(kind='ready', instances=['a'])\ntime.sleep(60)")
    await child.settled()
    assert (child.state, child.instances, child.number) == ("ready", ["a"], 3)


async def test_its_last_words_are_why_it_could_not_start(begin):
    child = await begin(
        SAYING + "tell(kind='failed', error={'message': 'no key', 'code': 'invalid', 'hint': 'make one'})"
    )
    with pytest.raises(WeirError) as caught:
        await child.settled()
    assert (str(caught.value), caught.value.hint) == ("no key", "make one")
    assert await child.ended == 0


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; sys.exit(3)", "ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
    ],
)
async def test_without_words_it_is_told_how_it_ended(begin, program, words):
    child = await begin(program)
    with pytest.raises(WeirError, match=f"worker 3 {words} before it was ready"):
        await child.settled()
    await child.ended
    assert child.last_words() == words


async def test_one_that_gives_no_sign_of_life_is_killed(begin, log, monkeypatch):
    monkeypatch.setattr(children, "START", 0.01)
    child = await begin("import time; time.sleep(60)", hang=0.01)
    assert await child.ended == -9
    assert child.hung
    [told] = log.of("worker.hung")
    assert (told["worker"], told["pid"]) == (3, child.pid)
    assert child.last_words() == "gave no sign of life and was killed"


async def test_one_that_does_not_end_in_time_is_killed(begin, log):
    child = await begin(SAYING + "tell(kind='ready', instances=[])\ntime.sleep(60)")
    await child.settled()
    child.drain()
    await child.end_within(0.01)
    assert child.ended.result() == -9
    [told] = log.of("worker.killed")
    assert told["pid"] == child.pid
