"""The row that a daemon writes of each namespace: short, exact, and how old its view is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from engine.daemon import beacon
from engine.daemon.beacon import Beacon
from engine.errors import Diagnostic, UnavailableError
from engine.graph.status import Status
from engine.store.instance import SpecState, dump_body
from engine.store.memory import MemoryStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Log:
    def __init__(self):
        self.said = []

    def warning(self, event, **fields):
        self.said.append((event, fields["reason"]))


class Table:
    def __init__(self, *statuses):
        self.list = list(statuses)
        self.current = SimpleNamespace(number=3)

    @property
    def entries(self):
        return {status.id: SimpleNamespace(status=status) for status in self.list}

    def statuses(self):
        return iter(self.list)


def status(id, state="active", revision=4, serving=4, **fields):
    return Status(id, "default", "probe", id, state, revision, serving, **fields)


def runtime(*statuses, **loader):
    told = {"revision": 5, "age": 0.0, "lost": None, "unreadable": {}, **loader}
    return SimpleNamespace(namespace="default", table=Table(*statuses), loader=SimpleNamespace(**told))


@pytest.fixture
async def store():
    async with MemoryStore(clock=lambda: NOW) as store:
        yield store


async def row(store, made, *, log=None):
    """The first row that a beacon writes."""
    light = Beacon(store, [made], log or Log())
    await light._write_all()
    [found] = [each for each in await store.instances() if each.id in light.ids]
    return found


async def test_a_row_names_only_what_there_is_something_to_say_about(store):
    wrong = Diagnostic("load", "no such file")
    found = await row(
        store,
        runtime(
            status("a"),
            status("b", "failed", 5, 4, reason="boom", diagnostics=(wrong,)),
            status("c", "pending", 5, None, reason="no node"),
            status("d", "draining"),
            status("e"),
        ),
    )
    assert found.states == {
        "b": SpecState(5, "failed", "boom", (wrong.to_json(),), 4),
        "c": SpecState(5, "pending", "no node"),
        "d": SpecState(4, "draining"),
    }
    assert (found.active, found.count, found.revision, found.generation) == (2, 2, 5, 3)
    assert found.state_of("a", 4) == SpecState(4, "active")


async def test_ten_thousand_specs_are_few_bytes(store):
    found = await row(store, runtime(*(status(f"0192f0c1-2345-7abc-8def-{n:012}") for n in range(10_000))))
    assert found.count == 10_000
    assert len(dump_body(found)) < 400


async def test_a_mistake_in_very_many_specs_is_told_of_all_with_findings_for_some(store, monkeypatch):
    monkeypatch.setattr(beacon, "FINDINGS", 2)
    wrong = (Diagnostic("load", "x" * 1000),)
    found = await row(store, runtime(*(status(f"s{n}", "failed", reason="boom", diagnostics=wrong) for n in range(5))))
    assert [state.reason for state in found.states.values()] == ["boom"] * 5
    assert sum(bool(state.diagnostics) for state in found.states.values()) == 2


async def test_what_cannot_be_read_has_failed_though_the_table_knows_nothing_of_it(store):
    found = await row(store, runtime(status("a"), unreadable={"a": 5, "b": 5}))
    assert found.states == {
        "a": SpecState(5, "failed", beacon.UNREADABLE, serving=4),
        "b": SpecState(5, "failed", beacon.UNREADABLE),
    }
    assert found.active == 0


async def test_how_old_the_view_is(store):
    found = await row(store, runtime(status("a"), age=35.04, lost="no answer"))
    assert (found.view_age, found.lost) == (35.0, "no answer")
    found = await row(store, runtime(status("a")))
    assert (found.view_age, found.lost) == (0.0, None)


async def test_a_store_that_takes_no_row_is_told_once(store):
    log = Log()
    light = Beacon(store, [runtime(status("a"))], log)
    await store.close()
    for _ in range(2):
        await light._write_all()
    assert log.said == [("instance.not_written", UnavailableError("the store in memory is not open").value.text)]
    await store.open()
    await light._write_all()
    assert len(await store.instances()) == 1


async def test_it_writes_at_once_and_again_with_each_plan_and_goes_out_at_the_end(store, monkeypatch):
    made = runtime(status("a"))
    light = Beacon(store, [made], Log())
    wrote = asyncio.Queue()
    real = store.put_instance

    async def put(instance):
        await real(instance)
        wrote.put_nowait(instance.revision)

    monkeypatch.setattr(store, "put_instance", put)
    task = asyncio.create_task(light.run())
    assert await wrote.get() == 5
    made.loader.revision = 6
    await light.plan_done(None)
    assert await wrote.get() == 6
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await light.put_out()
    assert await store.instances() == []


def test_a_row_is_renewed_twice_before_it_counts_as_late():
    from engine.store.instance import LATE, LIFETIME

    assert timedelta(seconds=2 * beacon.HEARTBEAT) <= LATE < LIFETIME


async def test_rows_that_take_long_do_not_make_the_next_one_late(store, monkeypatch):
    monkeypatch.setattr(beacon, "HEARTBEAT", 0.01)
    monkeypatch.setattr(beacon, "SHARE", 1e12)  # as if each had taken hours
    written = asyncio.Semaphore(0)

    class Slow(MemoryStore):
        async def put_instance(self, instance):
            await super().put_instance(instance)
            written.release()

    async with Slow() as slow:
        task = asyncio.ensure_future(Beacon(slow, [runtime(status("a"))], Log()).run())
        async with asyncio.timeout(20):
            for _ in range(3):
                await written.acquire()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
