from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import Code, DiagnosticsError, ErrorValue
from engine.spec.model import parse_specs
from engine.spec.schema import check
from nodes.data.connection import Connection
from nodes.data.pace import LESSONS, Pace
from nodes.data.sql import CODEC
from nodes.data.sqlite import CONNECTIONS

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_rows_are_maps_and_null_stays_null(run, bench):
    async def main():
        q = await bench.node()
        assert await bench.ask(q, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, v REAL)") == []
        assert await bench.ask(q, ["INSERT INTO t(name, v) VALUES (?, ?)", ["foo", 1.5]]) == []
        assert await bench.ask(q, ["INSERT INTO t(name) VALUES (?)", ["bar"]]) == []
        rows = [{"id": 1, "name": "foo", "v": 1.5}, {"id": 2, "name": "bar", "v": None}]
        assert await bench.ask(q, "SELECT * FROM t ORDER BY id") == rows
        assert await bench.ask(q, ["SELECT v FROM t WHERE name = :n", {"n": "foo"}]) == [{"v": 1.5}]
        assert await bench.ask(q, "SELECT * FROM t WHERE id = 9") == []
        await bench.close()

    run(main)


def test_values_of_every_kind(run, bench):
    async def main():
        q = await bench.node("source: ':memory:'")
        time = datetime(2024, 1, 1, 12, tzinfo=UTC)
        [row] = await bench.ask(
            q, ["SELECT ? a, ? b, ? c, ? d, ? e, ? f", [b"\0x", True, time, timedelta(seconds=65), None, "x'); --"]]
        )
        assert row == {"a": b"\0x", "b": 1, "c": "2024-01-01T12:00:00Z", "d": "65s", "e": None, "f": "x'); --"}
        await bench.close()

    run(main)


def test_a_list_of_maps_is_all_or_nothing(run, bench):
    async def main():
        q = await bench.node()
        await bench.ask(q, "CREATE TABLE t (name TEXT UNIQUE)")
        process = bench.process()
        insert = "INSERT INTO t VALUES (:name)"
        await bench.ask(q, [insert, [{"name": "a"}, {"name": "b"}]], process=process)
        error = await bench.ask(q, [insert, [{"name": "c"}, {"name": "a"}]], process=process)
        assert error.code is Code.CONFLICT
        assert "UNIQUE" in error.text
        assert await bench.ask(q, "SELECT name FROM t", process=process) == [{"name": "a"}, {"name": "b"}]
        assert await bench.end(process) is None
        assert await bench.ask(q, "SELECT count(*) c FROM t") == [{"c": 2}]
        await bench.close()

    run(main)


def test_a_process_that_fails_leaves_nothing_behind(run, bench):
    async def main():
        q = await bench.node()
        await bench.ask(q, "CREATE TABLE t (n)")
        process = bench.process()
        await bench.ask(q, "INSERT INTO t VALUES (1)", process=process)
        assert await bench.ask(q, "SELECT n FROM t", process=process) == [{"n": 1}]
        assert await bench.ask(q, "SELECT n FROM t") == []
        await bench.end(process, ErrorValue("boom"))
        assert await bench.ask(q, "SELECT n FROM t") == []
        await bench.close()

    run(main)


def test_a_process_that_ends_without_being_settled_commits_by_its_outcome(run, bench):
    async def main():
        q = await bench.node()
        await bench.ask(q, "CREATE TABLE t (n)")
        for n, error in ((1, None), (2, ErrorValue("boom"))):
            process = bench.process()
            await bench.ask(q, f"INSERT INTO t VALUES ({n})", process=process)
            process.exit(error)
            await process.join()
        assert await bench.ask(q, "SELECT n FROM t") == [{"n": 1}]
        await bench.close()

    run(main)


def test_two_nodes_with_one_source_share_the_processs_transaction(run, bench):
    async def main():
        first = await bench.node("source: 'file:@TMP@/a.db'")
        second = await bench.node(
            "driver: sqlite3, source: '@TMP@/../' ".replace("'@TMP@/../'", f"'{bench.folder}/x/../a.db'")
        )
        await bench.ask(first, "CREATE TABLE t (n)")
        process = bench.process()
        await asyncio.gather(
            bench.ask(first, "INSERT INTO t VALUES (1)", process=process),
            bench.ask(second, "INSERT INTO t VALUES (2)", process=process),
        )
        assert await bench.ask(second, "SELECT sum(n) s FROM t", process=process) == [{"s": 3}]
        await bench.end(process)
        assert await bench.ask(first, "SELECT sum(n) s FROM t") == [{"s": 3}]
        await bench.close()

    run(main)


def test_a_forked_child_has_its_own_transaction(run, bench):
    async def main():
        q = await bench.node("source: 'file:@TMP@/a.db', timeout: 50ms")
        await bench.ask(q, "CREATE TABLE t (n)")
        parent = bench.process()
        await bench.ask(q, "INSERT INTO t VALUES (1)", process=parent)
        child = parent.fork()
        assert await bench.ask(q, "SELECT n FROM t", process=child) == []
        await bench.end(child)
        await bench.end(parent)
        await bench.close()

    run(main)


def test_an_error_leaves_the_transaction_usable(run, bench):
    async def main():
        q = await bench.node()
        process = bench.process()
        await bench.ask(q, "CREATE TABLE t (n)", process=process)
        error = await bench.ask(q, "SELEC nope", process=process)
        assert error.code is Code.EXPRESSION
        assert "syntax error" in error.text
        assert await bench.ask(q, "SELECT n FROM t", process=process) == []
        await bench.end(process)
        await bench.close()

    run(main)


def test_parameters_never_stand_in_messages(run, bench):
    async def main():
        q = await bench.node()
        await bench.ask(q, "CREATE TABLE t (n UNIQUE)")
        await bench.ask(q, ["INSERT INTO t VALUES (?)", ["secret"]])
        for code, payload in (
            (Code.CONFLICT, ["INSERT INTO t VALUES (?)", ["secret"]]),
            (Code.EXPRESSION, ["SELECT ?", ["secret", "secret"]]),
            (Code.EXPRESSION, ["SELECT :a", {"b": "secret"}]),
            (Code.INVALID, ["SELECT ?", [["secret"]]]),
            (Code.INVALID, ["SELECT ?", ["secret\ud800"]]),
        ):
            error = await bench.ask(q, payload)
            assert error.code is code, payload
            assert "secret" not in error.text
        await bench.close()

    run(main)


def test_a_lock_that_lasts_is_unavailable(run, bench):
    async def main():
        q = await bench.node("source: 'file:@TMP@/a.db', timeout: 20ms")
        await bench.ask(q, "CREATE TABLE t (n)")
        writer = bench.process()
        await bench.ask(q, "INSERT INTO t VALUES (1)", process=writer)
        error = await bench.ask(q, "INSERT INTO t VALUES (2)")
        assert error.code is Code.UNAVAILABLE
        assert "locked" in error.text
        await bench.end(writer)
        assert await bench.ask(q, "SELECT n FROM t") == [{"n": 1}]
        await bench.close()

    run(main)


def test_a_writer_waits_for_the_one_before(run, bench):
    async def main():
        q = await bench.node("source: 'file:@TMP@/a.db', isolation: 6")
        await bench.ask(q, "CREATE TABLE t (n)")
        first = bench.process()
        await bench.ask(q, "INSERT INTO t VALUES (1)", process=first)
        second = asyncio.ensure_future(bench.ask(q, "INSERT INTO t SELECT max(n) + 1 FROM t"))
        await asyncio.sleep(0)
        await bench.end(first)
        assert await second == []
        assert await bench.ask(q, "SELECT n FROM t ORDER BY n") == [{"n": 1}, {"n": 2}]
        await bench.close()

    run(main)


def test_a_file_that_cannot_be_opened_is_unavailable(run, bench):
    async def main():
        q = await bench.node("source: 'file:@TMP@/nowhere/a.db'")
        error = await bench.ask(q, "SELECT 1")
        assert error.code is Code.UNAVAILABLE
        assert "open" in error.text
        assert error.hint
        (bench.folder / "text.db").write_text("this is no database, and long enough to be seen as none" * 20)
        broken = await bench.node("source: '@TMP@/text.db'")
        assert (await bench.ask(broken, "SELECT 1")).code is Code.UNAVAILABLE
        await bench.close()

    run(main)


def test_a_database_that_may_only_be_read(run, bench):
    sqlite3.connect(bench.folder / "a.db").execute("CREATE TABLE t (n)").connection.close()

    async def main():
        q = await bench.node("source: 'file:@TMP@/a.db?mode=ro'")
        assert await bench.ask(q, "SELECT n FROM t") == []
        assert (await bench.ask(q, "INSERT INTO t VALUES (1)")).code is Code.UNAVAILABLE
        await bench.close()

    run(main)


def test_memory_is_one_database_for_all(run, bench):
    async def main():
        first = await bench.node("source: ':memory:'")
        second = await bench.node("source: ':memory:'")
        await bench.ask(first, "CREATE TABLE t (n)")
        await asyncio.gather(*(bench.ask(second, ["INSERT INTO t VALUES (?)", [n]]) for n in range(20)))
        assert await bench.ask(first, "SELECT count(*) c FROM t") == [{"c": 20}]
        await bench.close()

    run(main)


def test_processes_beyond_the_pool_wait_for_a_connection(run, bench):
    async def main():
        q = await bench.node("source: ':memory:', timeout: 20ms")
        holder = bench.process()
        await bench.ask(q, "SELECT 1", process=holder)
        error = await bench.ask(q, "SELECT 1")
        assert error.code is Code.UNAVAILABLE
        waiting = asyncio.ensure_future(bench.ask(q, "SELECT 1 AS one"))
        await asyncio.sleep(0)
        await bench.end(holder)
        assert await waiting == [{"one": 1}]
        await bench.close()

    run(main)


def test_cancelling_the_process_interrupts_the_statement_and_rolls_back(run, bench):
    async def main():
        q = await bench.node()
        await bench.ask(q, "CREATE TABLE t (n)")
        process = bench.process()
        await bench.ask(q, "INSERT INTO t VALUES (1)", process=process)
        asking = asyncio.ensure_future(bench.ask(q, ENDLESS, process=process))
        while not q.lease.resource.is_busy:
            await asyncio.sleep(0)
        process.cancel()
        answer = await asyncio.wait_for(asking, 5)
        assert answer.code is Code.CANCELLED
        await bench.end(process, answer)
        assert await bench.ask(q, "SELECT n FROM t") == []
        await bench.close()

    run(main)


def test_cancelling_a_process_that_waits_for_its_turn_to_write(run, bench):
    async def main():
        q = await bench.node("source: 'file:@TMP@/a.db', timeout: 1h")
        await bench.ask(q, "CREATE TABLE t (n)")
        writer, other = bench.process(), bench.process()
        await bench.ask(q, "INSERT INTO t VALUES (1)", process=writer)
        asking = asyncio.ensure_future(bench.ask(q, "INSERT INTO t VALUES (2)", process=other))
        while not q.lease.resource._writing.waiting:
            await asyncio.sleep(0)
        other.cancel()
        answer = await asyncio.wait_for(asking, 5)
        await bench.end(other, answer)
        await bench.end(writer)
        assert await bench.ask(q, "INSERT INTO t VALUES (3)") == []
        assert await bench.ask(q, "SELECT n FROM t") == [{"n": 1}, {"n": 3}]
        await bench.close()

    run(main)


def test_cancelling_a_process_that_waits_for_the_lock_of_another_program(run, bench, tmp_path):
    async def main():
        q = await bench.node("source: 'file:@TMP@/a.db', timeout: 1h")
        await bench.ask(q, "CREATE TABLE t (n)")
        with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            process = bench.process()
            asking = asyncio.ensure_future(bench.ask(q, "INSERT INTO t VALUES (2)", process=process))
            while not q.lease.resource.is_busy:
                await asyncio.sleep(0)
            process.cancel()
            answer = await asyncio.wait_for(asking, 5)
            assert answer.code is Code.CANCELLED
            await bench.end(process, answer)
        assert await bench.ask(q, "SELECT n FROM t") == []
        await bench.close()

    run(main)


def test_those_who_read_first_and_then_write_do_not_keep_the_writer_from_his_connection(run, bench):
    async def main():
        q = await bench.node("source: 'file:@TMP@/a.db', timeout: 5s")
        await bench.ask(q, "CREATE TABLE t (n)")
        writer = bench.process()
        await bench.ask(q, "INSERT INTO t VALUES (0)", process=writer)
        readers = [bench.process() for _ in range(CONNECTIONS)]
        for reader in readers:
            assert await bench.ask(q, "SELECT n FROM t", process=reader) == []
        late = bench.process()
        asking = asyncio.ensure_future(bench.ask(q, "INSERT INTO t VALUES (1)", process=late))
        while not q.lease.resource._writing.waiting:
            await asyncio.sleep(0)
        upgrades = [asyncio.ensure_future(bench.ask(q, "UPDATE t SET n = 9", process=reader)) for reader in readers]
        while q.lease.resource._writing.waiting <= len(readers):
            await asyncio.sleep(0)
        await bench.end(writer)
        assert await asking == []
        await bench.end(late)
        for reader, upgrade in zip(readers, upgrades, strict=True):
            answer = await upgrade  # what it has read is old by now
            assert answer.code is Code.UNAVAILABLE
            await bench.end(reader, answer)
        assert await bench.ask(q, "SELECT n FROM t ORDER BY n") == [{"n": 0}, {"n": 1}]
        await bench.close()

    run(main)


def test_what_has_only_read_ends_at_once_and_gives_its_connection_back(run, bench):
    async def main():
        q = await bench.node("source: 'file:@TMP@/a.db', timeout: 20ms")
        await bench.ask(q, "CREATE TABLE t (n)")
        for number in range(3 * CONNECTIONS):
            process = bench.process()
            await bench.ask(q, "SELECT n FROM t", process=process)
            assert process.start_to_settle() == (None, None)
            process.exit()
            await process.join()
            # Whoever still read would keep this from being seen.
            await bench.ask(q, ["INSERT INTO t VALUES (?)", [number]])
        assert await bench.ask(q, "SELECT count(*) AS n FROM t") == [{"n": 3 * CONNECTIONS}]
        await bench.close()

    run(main)


def test_a_commit_that_fails_is_seen(run, bench):
    async def main():
        q = await bench.node()
        await bench.ask(q, "CREATE TABLE p (id INTEGER PRIMARY KEY)")
        await bench.ask(q, "CREATE TABLE c (p REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
        q.lease.resource._writers[-1]._sqlite.execute("PRAGMA foreign_keys = ON")
        process = bench.process()
        await bench.ask(q, "INSERT INTO c VALUES (7)", process=process)
        failed = await bench.end(process)
        assert failed is not None
        assert "FOREIGN KEY" in failed.text
        assert len(bench.reports) == 1
        assert await bench.ask(q, "SELECT * FROM c") == []
        await bench.close()

    run(main)


def test_after_the_end_another_transaction_may_begin(run, bench):
    async def main():
        q = await bench.node()
        process = bench.process()
        await bench.ask(q, "CREATE TABLE t (n)", process=process)
        assert await process.settle() is None
        await bench.ask(q, "INSERT INTO t VALUES (1)", process=process)
        await bench.end(process)
        assert await bench.ask(q, "SELECT n FROM t") == [{"n": 1}]
        await bench.close()

    run(main)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("driver: nosuch, source: x", "nosuch"),
        ("driver: postgresql, source: x", "not available in this version"),
        ("driver: sqlite", "source"),
        ("source: 'file://elsewhere/a.db'", "another machine"),
        ("source: a, isolation: 8", "level of isolation"),
        ("source: a, timeout: x", "timeout"),
    ],
)
def test_bad_fields(bench, fields, words):
    with pytest.raises(DiagnosticsError, match=words):
        bench.compile(fields)


def test_the_example(bench):
    [spec] = [spec for spec in parse_specs(CODEC.example) if spec.kind == "sql"]
    assert check(CODEC.spec, spec.fields, kind="sql") == []
    assert CODEC.aliases == ("rdb",)


# --- statements that are known to be short run in the event loop


class Watched:
    """Counts what a bench's database has done in its threads and in the event loop."""

    def __init__(self, monkeypatch) -> None:
        self.in_thread = self.in_loop = 0
        run, try_now = Connection.run, Connection.try_now

        def counted_run(connection, *args, **options):
            self.in_thread += 1
            return run(connection, *args, **options)

        def counted_try(connection, *args, **options):
            rows = try_now(connection, *args, **options)
            self.in_loop += rows is not None
            return rows

        monkeypatch.setattr(Connection, "run", counted_run)
        monkeypatch.setattr(Connection, "try_now", counted_try)

    def take(self) -> tuple[int, int]:
        """How many statements have run in threads and in the loop since the last look."""
        counts = self.in_thread, self.in_loop
        self.in_thread = self.in_loop = 0
        return counts


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr("nodes.data.sqlite.BUDGET", 3600.0)
    monkeypatch.setattr("nodes.data.pace._SHORT", 3600.0)
    return Watched(monkeypatch)


COUNT = "SELECT count(*) AS n FROM (WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT ?) SELECT i FROM c)"


def test_a_short_statement_needs_a_thread_only_while_it_is_new(run, bench, watched):
    async def main():
        q = await bench.node()
        await bench.ask(q, "CREATE TABLE t (n)")
        watched.take()
        for number in range(LESSONS + 4):
            await bench.ask(q, ["INSERT INTO t VALUES (?)", [number]])
        assert watched.take() == (LESSONS, 4)
        for number in range(LESSONS + 4):
            assert await bench.ask(q, ["SELECT n FROM t WHERE n = ?", [number]]) == [{"n": number}]
        assert watched.take() == (LESSONS, 4)
        await bench.close()

    run(main)


def test_one_that_takes_longer_than_it_used_to_begins_anew_in_a_thread(run, bench, watched, monkeypatch):
    async def main():
        q = await bench.node()
        for _ in range(LESSONS):
            assert await bench.ask(q, [COUNT, [1]]) == [{"n": 1}]
        monkeypatch.setattr("nodes.data.sqlite.BUDGET", 0.0)
        watched.take()
        process = bench.process()
        await bench.ask(q, "SELECT 1", process=process)
        assert await bench.ask(q, [COUNT, [100_000]], process=process) == [{"n": 100_000}]
        assert await bench.ask(q, [COUNT, [1]], process=process) == [{"n": 1}]
        assert watched.take() == (3, 0)
        await bench.end(process)
        await bench.close()

    run(main)


def test_a_write_that_is_interrupted_is_made_once(run, bench, watched, monkeypatch):
    async def main():
        q = await bench.node()
        insert = f"INSERT INTO t {COUNT}"
        await bench.ask(q, "CREATE TABLE t (n)")
        for _ in range(LESSONS):
            await bench.ask(q, [insert, [1]])
        monkeypatch.setattr("nodes.data.sqlite.BUDGET", 0.0)
        watched.take()
        assert await bench.ask(q, [insert, [100_000]]) == []
        assert watched.take() == (1, 0)
        assert await bench.ask(q, "SELECT n FROM t") == [{"n": 1}] * LESSONS + [{"n": 100_000}]
        await bench.close()

    run(main)


def test_a_write_that_is_not_the_first_statement_is_never_at_risk(run, bench, watched):
    async def main():
        q = await bench.node()
        await bench.ask(q, "CREATE TABLE t (n)")
        for _ in range(LESSONS):
            await bench.ask(q, "INSERT INTO t VALUES (1)")
        watched.take()
        process = bench.process()
        await bench.ask(q, "INSERT INTO t VALUES (1)", process=process)
        await bench.ask(q, "INSERT INTO t VALUES (1)", process=process)
        assert watched.take() == (1, 1)
        await bench.end(process)
        assert await bench.ask(q, "SELECT count(*) AS n FROM t") == [{"n": LESSONS + 2}]
        await bench.close()

    run(main)


def test_an_error_in_the_event_loop_leaves_the_transaction_usable(run, bench, watched):
    async def main():
        q = await bench.node()
        insert = "INSERT INTO t VALUES (?)"
        await bench.ask(q, "CREATE TABLE t (n PRIMARY KEY)")
        for number in range(LESSONS):
            await bench.ask(q, [insert, [number]])
        watched.take()
        process = bench.process()
        error = await bench.ask(q, [insert, [0]], process=process)
        assert error.code is Code.CONFLICT
        assert watched.take() == (0, 0)  # it was tried in the loop, and has no rows
        await bench.ask(q, [insert, [7]], process=process)
        assert await bench.end(process) is None
        assert await bench.ask(q, ["SELECT n FROM t WHERE n = ?", [7]]) == [{"n": 7}]
        await bench.close()

    run(main)


def test_what_another_program_has_locked_is_waited_for_in_a_thread(run, bench, watched, tmp_path):
    async def main():
        q = await bench.node("source: 'file:@TMP@/a.db', timeout: 10s")
        await bench.ask(q, "CREATE TABLE t (n)")
        for _ in range(LESSONS):
            await bench.ask(q, "INSERT INTO t VALUES (1)")
        watched.take()
        with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            asking = asyncio.ensure_future(bench.ask(q, "INSERT INTO t VALUES (1)"))
            while not q.lease.resource.is_busy:
                await asyncio.sleep(0)
            other.execute("COMMIT")
        assert await asking == []
        assert watched.take() == (1, 0)
        await bench.close()

    run(main)


def test_statements_that_differ_each_time_are_not_kept():
    pace = Pace()
    for number in range(5_000):
        pace.took(f"SELECT {number}", 0.0)
    assert len(pace._lessons) <= 1024
    long = "SELECT " + "1" * 5_000
    for _ in range(LESSONS):
        pace.took(long, 0.0)
    assert not pace.is_short(long)
