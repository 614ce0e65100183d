"""Processes that share a database: nobody waits for one who waits for him, and nothing is lost when they end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from engine.errors import Code
from nodes.data.connection import Connection
from nodes.data.pace import LESSONS

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
FILE = "source: 'file:@TMP@/a.db', timeout: 2s"


async def _turns_of_the_loop() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("fields", "first"),
    [
        (f"{FILE}, isolation: serializable", "SELECT n FROM t"),
        (FILE, "WITH x(n) AS (SELECT 1) INSERT INTO t SELECT 0 FROM x WHERE n = 2"),
        (FILE, "PRAGMA user_version = 7"),
        ("source: ':memory:', timeout: 2s", "SELECT n FROM t"),
    ],
)
@pytest.mark.parametrize("known", [False, True])
def test_who_has_the_lock_does_not_wait_for_one_who_waits_for_it(run, bench, fields, first, known):
    async def main():
        q = await bench.node(fields)
        await bench.ask(q, "CREATE TABLE t (n)")
        for _ in range(LESSONS if known else 0):
            await bench.ask(q, first)
            await bench.ask(q, "INSERT INTO t VALUES (0)")
        one, other = bench.process(), bench.process()
        await bench.ask(q, first, process=one)
        asking = asyncio.ensure_future(bench.ask(q, "INSERT INTO t VALUES (2)", process=other))
        await _turns_of_the_loop()
        assert await bench.ask(q, "INSERT INTO t VALUES (1)", process=one) == []
        assert await bench.end(one) is None
        assert await asking == []
        assert await bench.end(other) is None
        assert await bench.ask(q, "SELECT n FROM t WHERE n > 0") == [{"n": 1}, {"n": 2}]
        await bench.close()

    run(main)


def test_a_turn_survives_whoever_gets_no_connection(run, bench, monkeypatch):
    async def main():
        q = await bench.node("source: ':memory:', timeout: 20ms")
        await bench.ask(q, "CREATE TABLE t (n)")
        for _ in range(LESSONS):
            await bench.ask(q, "SELECT 1")
        holder, unlucky = bench.process(), bench.process()
        await bench.ask(q, "SELECT n FROM t", process=holder)
        assert (await bench.ask(q, "INSERT INTO t VALUES (1)", process=unlucky)).code is Code.UNAVAILABLE
        await bench.end(holder)
        await bench.ask(q, "SELECT 1", process=unlucky)
        await bench.end(unlucky)
        assert await bench.ask(q, "INSERT INTO t VALUES (1)") == []
        await bench.close()

    run(main)


def test_who_writes_does_not_wait_for_threads_that_read(run, bench, monkeypatch):
    monkeypatch.setattr("nodes.data.sqlite.THREADS", 1)

    async def main():
        q = await bench.node("source: 'file:@TMP@/a.db', timeout: 5s")
        await bench.ask(q, "CREATE TABLE t (n)")
        writer, reader = bench.process(), bench.process()
        await bench.ask(q, "SELECT n FROM t", process=writer)
        reading = asyncio.ensure_future(bench.ask(q, ENDLESS, process=reader))
        await _turns_of_the_loop()
        assert await asyncio.wait_for(bench.ask(q, "INSERT INTO t VALUES (1)", process=writer), 5) == []
        assert await asyncio.wait_for(bench.end(writer), 5) is None
        assert not reading.done()
        reader.cancel()
        await bench.end(reader, await reading)
        await bench.close()

    run(main)


def test_who_waits_for_a_thread_can_be_cancelled(run, bench, monkeypatch):
    monkeypatch.setattr("nodes.data.sqlite.THREADS", 1)

    async def main():
        q = await bench.node("source: 'file:@TMP@/a.db', timeout: 5s")
        await bench.ask(q, "CREATE TABLE t (n)")
        reader, late = bench.process(), bench.process()
        reading = asyncio.ensure_future(bench.ask(q, ENDLESS, process=reader))
        await _turns_of_the_loop()
        waiting = asyncio.ensure_future(bench.ask(q, "SELECT n FROM t", process=late))
        await _turns_of_the_loop()
        late.cancel()
        answer = await asyncio.wait_for(waiting, 5)
        assert answer.code is Code.CANCELLED
        await asyncio.wait_for(bench.end(late, answer), 5)
        assert not reading.done()
        reader.cancel()
        await bench.end(reader, await reading)
        await bench.close()

    run(main)


def test_a_commit_has_the_time_of_its_node(run, bench, monkeypatch):
    times = []
    commit = Connection.commit

    def watched(connection, *, timeout):
        times.append(timeout)
        commit(connection, timeout=timeout)

    monkeypatch.setattr(Connection, "commit", watched)
    monkeypatch.setattr("nodes.data.sqlite.BUDGET", 3600.0)
    monkeypatch.setattr("nodes.data.pace._SHORT", 3600.0)

    async def main():
        q = await bench.node("source: 'file:@TMP@/a.db', timeout: 7s")
        await bench.ask(q, "CREATE TABLE t (n)")
        for _ in range(LESSONS + 2):
            await bench.ask(q, "INSERT INTO t VALUES (1)")
        assert times == [7.0] * (LESSONS + 3)
        await bench.close()

    run(main)


def test_what_comes_while_the_database_is_closed_is_refused(run, bench, monkeypatch):
    async def main():
        q = await bench.node()
        await bench.ask(q, "CREATE TABLE t (n)")
        for _ in range(LESSONS):
            await bench.ask(q, "SELECT n FROM t")
        closing, close = threading.Event(), Connection.close
        go_on = threading.Event()

        def slow(connection):
            closing.set()
            go_on.wait(10)
            close(connection)

        monkeypatch.setattr(Connection, "close", slow)
        known, new, open_ = bench.process(), bench.process(), bench.process()
        await bench.ask(q, "SELECT n FROM t", process=open_)
        database = q.lease.resource
        ending = asyncio.ensure_future(database.close())
        await asyncio.to_thread(closing.wait)
        for process, statement in ((known, "SELECT n FROM t"), (new, "INSERT INTO t VALUES (1)"), (open_, "SELECT 1")):
            answer = await asyncio.wait_for(bench.ask(q, statement, process=process), 5)
            assert answer.code is Code.UNAVAILABLE
        for process in (known, new, open_):
            await bench.end(process)
        go_on.set()
        await ending
        bench.nodes.clear()
        assert not [each for each in database._all if each._sqlite is not None]
        await bench.close()

    run(main)


def test_what_is_large_is_not_for_the_event_loop(run, bench, monkeypatch):
    monkeypatch.setattr("nodes.data.sqlite.BUDGET", 3600.0)
    monkeypatch.setattr("nodes.data.pace._SHORT", 3600.0)
    names: list[str] = []
    run_ = Connection.run

    def watched(connection, *args, **options):
        names.append(threading.current_thread().name)
        return run_(connection, *args, **options)

    async def main():
        q = await bench.node()
        await bench.ask(q, "CREATE TABLE t (n)")
        for _ in range(LESSONS):
            await bench.ask(q, ["INSERT INTO t VALUES (:n)", {"n": "x"}])
        monkeypatch.setattr(Connection, "run", watched)
        await bench.ask(q, ["INSERT INTO t VALUES (:n)", {"n": "x"}])
        assert not names
        await bench.ask(q, ["INSERT INTO t VALUES (:n)", {"n": "x" * 1_000_000}])
        assert len(names) == 1
        await bench.close()

    run(main)
