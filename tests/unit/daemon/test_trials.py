"""The keeper of trials, on a clock that is turned by hand."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from engine.daemon.trials import BACKOFF, LOOK, Trials
from engine.errors import NotFoundError, UnavailableError
from engine.graph import context
from engine.spec.model import parse_spec
from engine.store.memory import MemoryStore
from engine.store.protocol import PutSpec


class Clock(context.Clock):
    def __init__(self):
        self.time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        self.passed = 0.0
        self.sleepers = []
        self.slept = []

    def now(self):
        return self.time

    def monotonic(self):
        return self.passed

    async def sleep(self, delay):
        if delay <= 0:
            await asyncio.sleep(0)
            return
        self.slept.append(delay)
        future = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.passed + delay, future))
        await future

    async def turn(self, seconds=0.0):
        """Let so much time pass, and everybody do what he has to do then."""
        self.time += timedelta(seconds=seconds)
        self.passed += seconds
        for due, future in self.sleepers:
            if due <= self.passed and not future.done():
                future.set_result(None)
        self.sleepers = [each for each in self.sleepers if not each[1].done()]
        for _ in range(100):
            await asyncio.sleep(0)


class Store(MemoryStore):
    """Counts looks; `away` and `stuck` make it fail."""

    def __init__(self, clock):
        super().__init__(clock=clock.now)
        self.looks = 0
        self.away = False
        self.stuck = {}

    async def trials(self):
        self.looks += 1
        if self.away:
            raise UnavailableError("the store is away")
        return await super().trials()

    async def revert(self, id, **options):
        if id in self.stuck:
            raise self.stuck[id]
        return await super().revert(id, **options)

    async def begin(self, name="a", seconds=10.0, x=2, **options):
        applied = await self.apply([put(name, x)], trial=timedelta(seconds=seconds), **options)
        return applied.trial

    async def says(self):
        return {spec.name: spec.fields["x"] for spec in await self.specs()}


class Log:
    def __init__(self):
        self.events = []

    def __getattr__(self, level):
        return lambda event, **fields: self.events.append((event, fields))

    def names(self):
        return [event for event, _ in self.events]


def put(name, x):
    return PutSpec(parse_spec({"kind": "print", "name": name, "x": x}))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log():
    return Log()


@pytest.fixture
async def store(clock):
    async with Store(clock) as store:
        await store.apply([put("a", 1), put("b", 1)])
        yield store


@pytest.fixture
def keeper(store, log, clock):
    return Trials(store, log, clock=clock)


@asynccontextmanager
async def kept(keeper, clock):
    task = asyncio.ensure_future(keeper.run())
    await clock.turn()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1


async def test_it_takes_back_at_the_deadline_and_not_before(store, keeper, clock, log):
    trial = await store.begin(seconds=10, author="ada", message="try")
    async with kept(keeper, clock):
        for _ in range(9):
            await clock.turn(1.0)
        await clock.turn(0.999)
        assert await store.says() == {"a": 2, "b": 1}
        await clock.turn(0.001)
        assert await store.says() == {"a": 1, "b": 1}
    newest = (await store.history("default", "a"))[0]
    assert (newest.author, newest.time) == ("weir", trial.deadline)
    assert newest.message == f"not confirmed: back to before trial {trial.id} (try)"
    told = {"trial": trial.id, "author": "ada", "message": "try", "specs": ["print/a"]}
    assert log.events == [
        ("trial.begun", {**told, "deadline": trial.deadline}),
        ("trial.reverted", {**told, "reason": "not confirmed", "reverted": ["default/a"]}),
    ]


@pytest.mark.parametrize("off", [timedelta(hours=-1), timedelta(hours=1)])
async def test_the_clock_of_the_machine_has_no_say(store, log, clock, off):
    class Off(type(clock)):
        now = lambda self: clock.time + off
        monotonic = clock.monotonic
        sleep = clock.sleep

    keeper = Trials(store, log, clock=Off())
    await store.begin(seconds=10)
    async with kept(keeper, clock):
        for _ in range(9):
            await clock.turn(1.0)
        await clock.turn(0.999)
        assert await store.says() == {"a": 2, "b": 1}
        await clock.turn(0.001)
        assert await store.says() == {"a": 1, "b": 1}


async def test_it_hears_of_a_short_one_in_time(store, keeper, clock):
    async with kept(keeper, clock):
        await store.begin(seconds=1)
        await keeper.plan_done(None)
        await clock.turn(0.5)
        await clock.turn(0.5)
        assert await store.says() == {"a": 1, "b": 1}


async def test_it_looks_by_itself(store, keeper, clock, log):
    async with kept(keeper, clock):
        await store.begin(seconds=1)
        await clock.turn(LOOK)
        assert await store.says() == {"a": 1, "b": 1}
        looks = store.looks
        await clock.turn(LOOK - 0.1)
        assert store.looks == looks, "there is no hurry"


async def test_a_clock_that_is_set_is_noticed(store, keeper, clock):
    await store.begin(seconds=3600)
    async with kept(keeper, clock):
        clock.time += timedelta(hours=1)
        await clock.turn(LOOK)
        assert await store.says() == {"a": 1, "b": 1}


async def test_what_is_over_at_the_start_goes_back_in_one_look(store, keeper, clock):
    await store.begin("a")
    await store.begin("b")
    clock.time += timedelta(seconds=10)
    assert await keeper.look()
    assert await store.says() == {"a": 1, "b": 1}


async def test_what_is_confirmed_stays(store, keeper, clock, log):
    trial = await store.begin()
    async with kept(keeper, clock):
        assert await keeper.confirm(trial.id) == trial
        with pytest.raises(NotFoundError):
            await keeper.confirm(trial.id)
        for _ in range(8):
            await clock.turn(LOOK)
    assert await store.says() == {"a": 2, "b": 1}
    assert log.names() == ["trial.begun", "trial.confirmed"]


async def test_what_is_taken_back_at_once(store, keeper, clock, log):
    trial = await store.begin()
    async with kept(keeper, clock):
        reverted = await keeper.revert(trial.id, author="ada", reason="taken back")
        assert reverted.trial == trial
        await clock.turn(LOOK)
    assert (await store.history("default", "a"))[0].author == "ada"
    assert log.names() == ["trial.begun", "trial.reverted"]


async def test_what_others_have_ended_is_told(store, keeper, clock, log):
    trial = await store.begin()
    async with kept(keeper, clock):
        await store.confirm(trial.id)
        await clock.turn(LOOK)
    assert log.names() == ["trial.begun", "trial.ended"]
    assert log.events[1][1]["trial"] == trial.id


async def test_another_daemon_that_was_faster_is_no_failure(store, keeper, clock, log):
    trial = await store.begin()
    clock.time += timedelta(seconds=10)
    store.stuck[trial.id] = NotFoundError("there is no such trial")
    assert await keeper.look()
    assert log.names() == ["trial.begun"]


async def test_what_is_left_is_told(store, keeper, clock, log):
    trial = await store.begin()
    await store.apply([put("a", 3)])
    clock.time += timedelta(seconds=10)
    assert await keeper.look()
    assert await store.says() == {"a": 3, "b": 1}
    event, fields = log.events[-1]
    assert event == "trial.skipped"
    assert (fields["trial"], fields["spec"], fields["namespace"]) == (trial.id, "print/a", "default")
    assert "changed meanwhile" in fields["reason"]


async def test_a_store_that_is_away_is_tried_again_more_and_more_seldom(store, keeper, clock, log):
    await store.begin(seconds=1)
    store.away = True
    async with kept(keeper, clock):
        for _ in range(8):
            await clock.turn(BACKOFF[1])
        assert clock.slept == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0]
        assert log.names() == ["trials.not_read"]
        assert log.events[0][1]["reason"] == "the store is away"
        store.away = False
        await clock.turn(BACKOFF[1])
        assert await store.says() == {"a": 1, "b": 1}
        store.away = True
        clock.slept.clear()
        await clock.turn(LOOK)
        assert clock.slept[0] == BACKOFF[0], "after a success it begins anew"
    assert log.names() == ["trials.not_read", "trial.begun", "trial.reverted", "trials.not_read"]


@pytest.mark.parametrize("error", [UnavailableError("the disk is full"), RuntimeError("the disk is full")])
async def test_one_that_cannot_be_taken_back_holds_up_no_other(store, keeper, clock, log, error):
    stuck = await store.begin("a")
    await store.begin("b")
    store.stuck[stuck.id] = error
    async with kept(keeper, clock):
        for _ in range(7):
            await clock.turn(LOOK)
        assert await store.says() == {"a": 2, "b": 1}
        failures = [fields for event, fields in log.events if event == "trial.not_reverted"]
        assert failures == [{"trial": stuck.id, "reason": "the disk is full"}], "told once"
        store.stuck.clear()
        await clock.turn(BACKOFF[1])
        assert await store.says() == {"a": 1, "b": 1}


async def test_many_changes_do_not_keep_it_busy(store, keeper, clock):
    """A look that has taken time is followed by a rest, however much is heard meanwhile."""
    taken = 0.05

    async def slow():
        clock.passed += taken
        return await MemoryStore.trials(store)

    store.trials = slow
    async with kept(keeper, clock):
        await keeper.plan_done(None)
        await clock.turn()
        assert clock.slept == [pytest.approx(taken * 10)]
