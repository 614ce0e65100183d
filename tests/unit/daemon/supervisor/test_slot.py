"""One worker follows another, with children that are none."""

from __future__ import annotations

import asyncio

import pytest

from engine.daemon.supervisor import slot as slots
from engine.daemon.supervisor.addresses import Addresses, Key
from engine.daemon.supervisor.backoff import FIRST, Backoff
from engine.daemon.supervisor.slot import Slot
from engine.errors import UnavailableError


class Child:
    """A worker that does what the test says."""

    def __init__(self, number, stale):
        self.number = number
        self.stale = stale
        self.pid = id(self)
        self.state = "starting"
        self.failure = None
        self.instances = [f"row of {self.pid}"]
        self.lived = 0.0
        self.orders = []
        self.ended = asyncio.get_running_loop().create_future()
        self._settled = asyncio.Event()

    def get_ready(self):
        self.state = "ready"
        self._settled.set()

    def die(self, failure=None):
        self.failure = failure
        self._settled.set()
        if not self.ended.done():
            self.ended.set_result(1)

    async def settled(self):
        await self._settled.wait()
        if self.state == "starting":
            raise self.failure or UnavailableError("it ended")

    def drain(self, *, linger=False):
        self.state = "draining"
        self.orders.append(("drain", linger))

    def kill(self):
        self.orders.append("kill")
        self.die()

    async def end_within(self, seconds):
        self.orders.append(seconds)
        await asyncio.shield(self.ended)

    def last_words(self):
        return "ended with exit code 1"


class World:
    """A slot, the children that it started, and the times that it waited."""

    def __init__(self, log):
        self.children = []
        self.waits = []
        self.refuse = []
        self.log = log
        self.addresses = Addresses()
        self.slot = Slot(
            1,
            self.start,
            addresses=self.addresses,
            backoff=Backoff(lambda: 1.0),
            log=log,
            end_limit=lambda: 7.0,
            sleep=self.sleep,
        )

    async def start(self, number, stale):
        if self.refuse:
            raise self.refuse.pop()
        self.children.append(Child(number, stale))
        return self.children[-1]

    async def sleep(self, seconds):
        self.waits.append(seconds)
        await asyncio.sleep(0)

    async def child(self, count):
        """The child of this number, from 1, once it is there."""
        while len(self.children) < count:
            await asyncio.sleep(0)
        return self.children[count - 1]

    async def opened(self):
        opening = asyncio.ensure_future(self.slot.open())
        child = await self.child(1)
        child.get_ready()
        await opening
        self.slot.keep()
        return child

    async def until(self, is_so):
        while not is_so():
            await asyncio.sleep(0)


@pytest.fixture
async def world(log):
    made = World(log)
    yield made
    for child in made.children:
        child.die()
    closing = asyncio.ensure_future(made.slot.close())
    while not closing.done():
        for child in made.children:
            child.die()
        await asyncio.sleep(0)
    made.addresses.close()


async def test_one_that_cannot_start_first_is_an_error(world):
    opening = asyncio.ensure_future(world.slot.open())
    (await world.child(1)).die(UnavailableError("no room"))
    with pytest.raises(UnavailableError, match="no room"):
        await opening
    assert len(world.children) == 1


async def test_a_death_is_told_and_another_follows(world):
    first = await world.opened()
    assert world.slot.state == "ready"
    first.lived = 100.0
    first.die()
    second = await world.child(2)
    assert world.slot.state == "starting"
    second.get_ready()
    await world.until(lambda: len(world.log.of("worker.ready")) == 2)
    [died] = world.log.of("worker.died")
    assert (died["reason"], died["again_in"]) == ("it ended with exit code 1", 0.0)
    assert second.stale == first.instances


async def test_quick_deaths_wait(world):
    await world.opened()
    for count in (1, 2, 3):
        (await world.child(count)).die()
    await world.child(4)
    assert world.waits == [0.0, FIRST, 2 * FIRST]


async def test_one_that_cannot_start_later_is_tried_again(world):
    (await world.opened()).die()
    (await world.child(2)).die(UnavailableError("the store is away", hint="start it"))
    (await world.child(3)).get_ready()
    await world.until(lambda: world.slot.state == "ready")
    [told] = world.log.of("worker.not_started")
    assert (told["reason"], told["hint"]) == ("the store is away", "start it")


async def test_a_system_that_has_no_process_left_is_asked_again(world):
    first = await world.opened()
    world.refuse = [OSError(11, "no more processes")] * 2
    first.die()
    await world.child(2)
    assert len(world.log.of("worker.not_started")) == 2
    assert all(wait >= FIRST for wait in world.waits[1:])


async def test_addresses_of_the_dead_are_kept_for_the_successor(world):
    first = await world.opened()
    key = Key("default", "127.0.0.1", 0)
    [sock] = await world.addresses.take(key, first)
    first.die()
    second = await world.child(2)
    assert sock.fileno() >= 0
    assert await world.addresses.take(key, second) == [sock]
    second.get_ready()
    await world.until(lambda: not world.addresses.held(first))
    assert sock.fileno() >= 0
    world.addresses.release(key, second)
    assert sock.fileno() < 0


async def test_the_old_one_goes_when_the_new_one_is_ready(world):
    old = await world.opened()
    replacing = asyncio.ensure_future(world.slot.replace())
    new = await world.child(2)
    assert (world.slot.current, old.orders) == (old, [])
    new.get_ready()
    await world.until(lambda: old.orders)
    assert world.slot.current is new
    await asyncio.sleep(0)
    assert old.orders == [("drain", True), 7.0]
    assert not replacing.done()
    old.die()
    await replacing
    assert world.log.of("worker.died") == []
    assert len(world.children) == 2


async def test_the_old_one_stays_if_the_new_one_dies(world):
    old = await world.opened()
    replacing = asyncio.ensure_future(world.slot.replace())
    (await world.child(2)).die(UnavailableError("bad config"))
    with pytest.raises(UnavailableError, match="bad config"):
        await replacing
    assert (world.slot.current, old.orders) == (old, [])


async def test_the_old_one_stays_if_the_new_one_takes_too_long(world, monkeypatch):
    monkeypatch.setattr(slots, "PATIENCE", 0.001)
    old = await world.opened()
    with pytest.raises(UnavailableError, match="not ready within"):
        await world.slot.replace()
    assert world.children[1].orders == ["kill"]
    assert (world.slot.current, old.orders) == (old, [])


async def test_the_old_one_stays_if_the_new_one_does_not_listen_where_it_does(world):
    old = await world.opened()
    await world.addresses.take(Key("default", "127.0.0.1", 0), old)
    replacing = asyncio.ensure_future(world.slot.replace())
    (await world.child(2)).get_ready()
    with pytest.raises(UnavailableError, match=r"does not listen on 127\.0\.0\.1:0"):
        await replacing
    assert world.children[1].orders == ["kill"]
    assert (world.slot.current, old.orders) == (old, [])
    world.addresses.drop(old)


async def test_a_death_while_it_is_replaced_starts_no_third(world):
    old = await world.opened()
    replacing = asyncio.ensure_future(world.slot.replace())
    new = await world.child(2)
    old.die()
    await asyncio.sleep(0)
    new.get_ready()
    await replacing
    for _ in range(10):
        await asyncio.sleep(0)
    assert (world.slot.current, len(world.children)) == (new, 2)


async def test_a_place_that_is_given_up_starts_nobody(world):
    child = await world.opened()
    closing = asyncio.ensure_future(world.slot.close())
    await world.until(lambda: child.orders)
    child.die()
    await closing
    assert child.orders[0] == ("drain", True)
    assert len(world.children) == 1
