"""Random histories of processes that share a database, in threads and in the event loop, beside what they were promised.

What a process was told has been written is there once if its end was clean, and not at all otherwise; afterwards every
turn, connection and thread has been given back.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Code, ErrorValue
from nodes.data.sqlite import CONNECTIONS

COUNT = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 3000) SELECT count(*) AS n FROM c"
INSERT = "INSERT INTO t VALUES (?, ?)"
OBSCURE = "WITH replace(a, b) AS (SELECT ?, ?) INSERT INTO t SELECT a, b FROM replace"
STEPS = (
    "read",
    "count",
    "insert",
    "long insert",
    "long insert",
    "many",
    "obscure",
    "savepoint",
    "pragma",
    "wrong",
    "twice",
    "pause",
)
WRITES = {"insert", "long insert", "many", "obscure"}
ENDS = ("settle", "settle", "fail", "exit", "impatient")


def payload_of(step: str, process: int, number: int):
    match step:
        case "read":
            return "SELECT count(*) AS n FROM t"
        case "count":
            return COUNT
        case "insert":
            return [INSERT, [process, number]]
        case "long insert":
            return [f"INSERT INTO t SELECT ?, ? FROM ({COUNT})", [process, number]]
        case "many":
            return ["INSERT INTO t VALUES (:p, :n)", [{"p": process, "n": number}]]
        case "obscure":
            return [OBSCURE, [process, number]]
        case "savepoint":
            return "SAVEPOINT here"
        case "pragma":
            return f"PRAGMA user_version = {number}"
        case "wrong":
            return "SELEC"
    return "INSERT INTO once VALUES (1)"


class History:
    """What the processes have been told."""

    def __init__(self, bench, node) -> None:
        self.bench = bench
        self.node = node
        self.promised: Counter[tuple[int, int]] = Counter()
        self.unknown: list[Counter[tuple[int, int]]] = []

    async def live(self, name: int, process, steps, end: str) -> None:
        """One process, from its first statement to its end."""
        written: Counter[tuple[int, int]] = Counter()
        for number, step in enumerate(steps):
            if step == "pause":
                await asyncio.sleep(0.001)
                continue
            answer = await self.bench.ask(self.node, payload_of(step, name, number), process=process)
            if isinstance(answer, ErrorValue):
                # Nobody has waited in vain for one who waited for him.
                assert not (answer.hint or "").endswith("longer than `timeout`"), answer
                # Only who is cancelled has a statement interrupted that cannot be made again.
                assert process.error is not None or "rolled" not in answer.message, answer
            elif step in WRITES:
                written[name, number] += 1
        error = process.error or (ErrorValue("boom") if end == "fail" else None)
        if end == "impatient":
            await self._give_up(process, written)
        elif end == "exit":
            process.exit(error)
            await process.join()
            if process.error is None:
                self.promised += written
            elif error is None:  # cancelled while it ended
                self.unknown.append(written)
        elif await self.bench.end(process, error) is None and error is None:
            self.promised += written

    async def _give_up(self, process, written) -> None:
        settling = asyncio.ensure_future(process.settle(process.error))
        await asyncio.sleep(0)
        settling.cancel()
        await asyncio.wait([settling])
        process.exit(ErrorValue("gone", Code.CANCELLED))
        await process.join()
        self.unknown.append(written)

    def check(self, rows: Counter[tuple[int, int]]) -> None:
        """Each promise kept, once; of what was given up all or nothing."""
        for written in self.unknown:
            if any(rows[key] for key in written):
                self.promised += written
        assert rows == self.promised


lives = st.tuples(
    st.lists(st.sampled_from(STEPS), min_size=1, max_size=5),
    st.sampled_from(ENDS),
    st.none() | st.integers(0, 12),
)


@settings(max_examples=100)
@given(
    memory=st.booleans(),
    isolation=st.sampled_from(["default", "serializable"]),
    short=st.lists(st.sampled_from([True, True, False]), min_size=1, max_size=5),
    budget=st.sampled_from([0.0, 0.0, 3600.0]),
    plans=st.lists(lives, min_size=2, max_size=6),
)
def test_promises_are_kept(run, new_bench, memory, isolation, short, budget, plans):
    flips = cycle(short)

    async def cancel_later(process, turns: int) -> None:
        for turn in range(turns):
            await asyncio.sleep(0.0005 if turn % 3 == 2 else 0)
        process.cancel()

    async def main():
        bench = new_bench()
        source = ":memory:" if memory else "file:@TMP@/a.db"
        q = await bench.node(f"source: '{source}', isolation: {isolation}, timeout: 20s")
        for first in ("CREATE TABLE t (p, n)", "CREATE TABLE once (n UNIQUE)", "SELECT p FROM t"):
            assert await bench.ask(q, first) == []
        database = q.lease.resource
        database.pace.is_short = lambda _sql: next(flips)
        try:
            await play(bench, q, database)
        finally:
            await bench.close()

    async def play(bench, q, database):
        history = History(bench, q)
        tasks = []
        for name, (steps, end, cancelled) in enumerate(plans):
            process = bench.process()
            tasks.append(history.live(name, process, steps, end))
            if cancelled is not None:
                tasks.append(cancel_later(process, cancelled))
        await asyncio.wait_for(asyncio.gather(*tasks), 15)
        rows = await bench.ask(q, "SELECT p, n FROM t")
        history.check(Counter((row["p"], row["n"]) for row in rows))
        assert not database.is_busy
        assert (database._writing._free, database._writing.waiting) == (1, 0)
        assert (database._turns._free, database._turns.waiting) == (1 if memory else CONNECTIONS, 0)
        assert len(database._idle) + len(database._writers) == len(set(database._idle + database._writers))
        assert set(database._idle + database._writers) == set(database._all)
        assert not any(connection.has_begun for connection in database._all)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nodes.data.sqlite.BUDGET", budget)
        run(main, complaints=True)
