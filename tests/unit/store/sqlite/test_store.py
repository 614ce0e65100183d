from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.errors import UnavailableError
from engine.spec.model import parse_value
from engine.store.protocol import Batch, DeleteSpec, Instance, PutSpec, PutValue, Resync, Watch
from engine.store.sqlite import SqliteStore, feed
from engine.store.sqlite import store as store_module
from engine.store.sqlite.file import Connection, connect
from engine.store.url import open_store

WRITER = """
import asyncio, sys
from engine.spec.model import parse_spec
from engine.store.protocol import PutSpec
from engine.store.url import open_store

async def main():
    async with open_store(sys.argv[1]) as store:
        print("open", flush=True)
        for line in sys.stdin:
            names = line.split()
            await store.apply([PutSpec(parse_spec({"kind": "print", "name": name, "n": 1})) for name in names])

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def quick_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "RETRY", 0.005)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "store.db", busy_timeout=20) as opened:
        yield opened


async def take(watch: Watch) -> Batch | Resync:
    async with asyncio.timeout(20):
        return await anext(watch)


def files_of(path: Path) -> list[Path]:
    return [part for part in path.parent.iterdir() if part.name.startswith(path.name)]


def open_files() -> set[str]:
    found: set[str] = set()
    if not Path("/proc/self/fd").is_dir():
        return found  # threads are still counted where there is no such directory
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{descriptor} {os.readlink(f'/proc/self/fd/{descriptor}')}")
        except FileNotFoundError:
            continue  # the one that lists them
    return found


# Several at work


async def test_two_stores_take_a_trial_back_once(store, tmp_path, spec):
    await store.apply([PutSpec(spec("a", n=1))])
    async with SqliteStore(tmp_path / "store.db") as other, other.watch() as watch:
        trial = (await store.apply([PutSpec(spec("a", n=2))], trial=timedelta(minutes=1))).trial
        assert await other.trials() == [trial]
        ends = await asyncio.gather(store.revert(trial.id), other.revert(trial.id), return_exceptions=True)
        assert sorted(type(end).__name__ for end in ends) == ["NotFoundError", "Reverted"]
        assert [(await take(watch)).revision for _ in range(2)] == [2, 3]
        assert (await other.specs())[0].fields["n"] == 1
        assert await other.trials() == []


async def test_what_is_on_trial_and_its_trial_are_written_together(store, spec, monkeypatch):
    def fail(raw, onset):
        raise sqlite3.OperationalError("the power is gone")

    await store.apply([PutSpec(spec("a", n=1))])
    monkeypatch.setattr(store_module.tables, "put_trial", fail)
    with pytest.raises(UnavailableError, match="the power is gone"):
        await store.apply([PutSpec(spec("a", n=2))], trial=timedelta(minutes=1))
    monkeypatch.undo()
    assert (await store.specs())[0].fields["n"] == 1
    trial = (await store.apply([PutSpec(spec("a", n=2))], trial=timedelta(minutes=1))).trial
    with monkeypatch.context() as patched:
        patched.setattr(store_module.tables, "prune", lambda raw, plan, **_: fail(raw, plan))
        with pytest.raises(UnavailableError, match="the power is gone"):
            await store.revert(trial.id)
    assert await store.trials() == [trial], "it is taken back whole, or it is still there"
    assert (await store.specs())[0].fields["n"] == 2


async def test_nothing_is_left_of_a_trial_that_has_ended(store, tmp_path, spec):
    for end in (store.confirm, store.revert):
        await store.apply([PutSpec(spec("a", n=1))])
        trial = (await store.apply([PutSpec(spec("a", n=2))], trial=timedelta(minutes=1))).trial
        await end(trial.id)
    with closing(sqlite3.connect(tmp_path / "store.db")) as raw:
        for table in ("trials", "trial_documents"):
            assert raw.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


async def test_two_stores_on_one_file_see_each_other(store, tmp_path, spec):
    async with SqliteStore(tmp_path / "store.db") as other, store.watch() as watch, other.watch() as other_watch:
        for turn in range(20):
            writer = store if turn % 2 else other
            await writer.apply([PutSpec(spec("a", n=turn)), PutSpec(spec("b", n=turn))])
            for reader in (watch, other_watch):
                batch = await take(reader)
                assert isinstance(batch, Batch)
                assert [change.revision for change in batch.changes] == [2 * turn + 1, 2 * turn + 2]
        assert await store.specs() == await other.specs()
        await other.put_instance(Instance("i", "here", 1, "default", datetime.now(UTC), datetime.now(UTC)))
        assert [instance.id for instance in await store.instances()] == ["i"]


async def test_another_process_is_seen_whole_and_in_order(store, tmp_path, spec, project_dir):
    async with store.watch() as watch:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, store.url, cwd=project_dir, stdin=-1, stdout=-1
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018
        assert await process.stdout.readline() == b"open\n"
        for turn in range(30):
            process.stdin.write(f"p{turn} q{turn}\n".encode())
            await store.apply([PutSpec(spec(f"s{turn}")), PutSpec(spec(f"t{turn}"))])
        process.stdin.close()
        told: list[list[str | None]] = []
        revision = 0
        while len(told) < 60:
            batch = await take(watch)
            assert isinstance(batch, Batch)
            assert [change.revision for change in batch.changes] == [revision + 1, revision + 2]
            revision = batch.revision
            told.append([change.name for change in batch.changes])
        assert await process.wait() == 0
    assert [names for names in told if str(names[0]).startswith("p")] == [[f"p{i}", f"q{i}"] for i in range(30)]
    assert [names for names in told if str(names[0]).startswith("s")] == [[f"s{i}", f"t{i}"] for i in range(30)]


async def test_a_watch_is_woken_at_once_within_the_process(store, spec, monkeypatch):
    monkeypatch.setattr(feed, "INTERVAL", 3600)
    async with store.watch() as watch:
        for turn in range(3):
            await store.apply([PutSpec(spec("a", n=turn))])
            assert isinstance(await take(watch), Batch)


async def test_a_feed_that_was_stopped_tells_nothing_more(store, spec):
    async with store.watch():
        stopped = store._feed
    async with store.watch() as watch:
        store._tell(stopped, Resync("late"))
        store._lose(stopped, UnavailableError("late"))
        await store.apply([PutSpec(spec("a"))])
        assert isinstance(await take(watch), Batch)
        assert watch.lost is None


async def test_the_url_leads_back(store, spec):
    await store.apply([PutSpec(spec("a"))])
    async with open_store(store.url) as again:
        assert again.url == store.url
        assert [found.name for found in await again.specs()] == ["a"]


# Cancelling


async def test_an_apply_that_is_cancelled_before_its_turn_does_not_happen(store, spec):
    gate, begun = threading.Event(), threading.Event()
    blocker = asyncio.ensure_future(store._do(lambda: (begun.set(), gate.wait(20))))
    await asyncio.to_thread(begun.wait, 20)
    task = asyncio.ensure_future(store.apply([PutSpec(spec("a"))]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await blocker
    assert await store.specs() == []


async def test_an_apply_that_is_cancelled_in_its_turn_happens_whole(tmp_path, spec):
    gate, begun = threading.Event(), threading.Event()

    def clock() -> datetime:
        begun.set()
        assert gate.wait(20)
        return datetime.now(UTC)

    async with SqliteStore(tmp_path / "store.db", clock=clock) as store:
        task = asyncio.ensure_future(store.apply([PutSpec(spec("a")), PutSpec(spec("b"))]))
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        assert [found.name for found in await store.specs()] == ["a", "b"]


async def test_closing_finishes_what_was_asked_before(tmp_path, spec):
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    task = asyncio.ensure_future(store.apply([PutSpec(spec("a"))]))
    await asyncio.sleep(0)
    await store.close()
    assert (await task)[0].action == "created"


# Trouble


async def test_a_lock_of_another_process(tmp_path, spec):
    async with SqliteStore(tmp_path / "store.db", busy_timeout=0.02) as store:
        with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(UnavailableError, match="locked by another process"):
                await store.apply([PutSpec(spec("a"))])
            assert await store.specs() == []
        await store.apply([PutSpec(spec("a"))])


async def test_waiting_for_a_lock_does_not_hold_the_loop(store, tmp_path, spec):
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        task = asyncio.ensure_future(store.apply([PutSpec(spec("a"))]))
        await asyncio.to_thread(lambda: None)
        assert not task.done()
        other.execute("ROLLBACK")
    async with asyncio.timeout(20):
        assert (await task)[0].action == "created"


async def test_a_full_disk(tmp_path, spec, monkeypatch):
    limit: Callable[[int], None]

    def limited(path: Path, *, busy_timeout: float) -> Connection:
        nonlocal limit
        connection = connect(path, busy_timeout=busy_timeout)
        limit = lambda pages: connection.raw.execute(f"PRAGMA max_page_count = {pages}").close()
        limit(30)
        return connection

    monkeypatch.setattr(store_module, "connect", limited)
    async with SqliteStore(tmp_path / "store.db") as store:
        await store.apply([PutSpec(spec("a"))])
        big = [PutSpec(spec("b")), PutSpec(spec("c", text="x" * 200_000))]
        with pytest.raises(UnavailableError, match="disk is full") as caught:
            await store.apply(big)
        assert "nothing of this write was stored" in (caught.value.hint or "")
        page = await store.specs()
        assert ([found.name for found in page], page.revision) == (["a"], 1)
        await store.apply([PutSpec(spec("a", n=1))])
        await store._do(lambda: limit(1_000))
        assert [outcome.revision for outcome in await store.apply(big)] == [3, 4]


async def test_a_file_that_was_removed_and_replaced(store, tmp_path, spec, monkeypatch):
    path = tmp_path / "store.db"
    lost = asyncio.Event()
    lose = store._lose
    monkeypatch.setattr(store, "_lose", lambda *arguments: (lose(*arguments), lost.set()))
    async with store.watch() as watch:
        await store.apply([PutSpec(spec("a")), PutSpec(spec("b"))])
        await take(watch)
        for part in files_of(path):
            part.unlink()
        for call in (store.specs(), store.apply([PutSpec(spec("c"))])):
            with pytest.raises(UnavailableError, match="is not there any more") as caught:
                await call
            assert "put the file back" in (caught.value.hint or "")
        assert not path.exists()
        async with asyncio.timeout(20):
            await lost.wait()
        assert "is not there any more" in str(watch.lost)
        async with SqliteStore(path) as other:
            await other.apply([PutSpec(spec("new"))])
        item = await take(watch)
        assert isinstance(item, Resync)
        assert "another store" in item.reason
        assert watch.lost is None
        page = await store.specs()
        assert ([found.name for found in page], page.revision) == (["new"], 1)
        await store.apply([PutSpec(spec("newer"))])
        batch = await take(watch)
        assert isinstance(batch, Batch)
        if batch.revision <= page.revision:  # the feed found the new file before anything was in it
            batch = await take(watch)
            assert isinstance(batch, Batch)
        assert (batch.revision, batch.changes[0].name) == (2, "newer")


async def test_a_file_that_was_replaced_at_once(store, tmp_path, spec):
    path = tmp_path / "store.db"
    async with SqliteStore(tmp_path / "other.db") as other:
        await other.apply([PutSpec(spec("new"))])
    await store.apply([PutSpec(spec("old"))])
    async with store.watch() as watch:
        for part in files_of(path):
            if part != path:
                part.unlink()
        (tmp_path / "other.db").rename(path)
        assert isinstance(await take(watch), Resync)
        assert [found.name for found in await store.specs()] == ["new"]


async def test_a_file_that_was_away(store, tmp_path, spec):
    path = tmp_path / "store.db"
    async with store.watch() as watch:
        await store.apply([PutSpec(spec("a"))])
        await take(watch)
        (tmp_path / "away").mkdir()
        for part in files_of(path):
            part.rename(tmp_path / "away" / part.name)
        with pytest.raises(UnavailableError):
            await store.specs()
        for part in files_of(tmp_path / "away" / "store.db"):
            part.rename(tmp_path / part.name)
        assert [found.name for found in await store.specs()] == ["a"]
        await store.apply([PutSpec(spec("b"))])
        item = await take(watch)
        while isinstance(item, Resync):  # it was away, if the feed looked just then
            assert [found.name for found in await store.specs()] == ["a", "b"]
            await store.apply([PutSpec(spec("b", n=1))])
            item = await take(watch)
        assert item.changes[0].name == "b"


async def test_a_file_that_is_damaged_while_it_is_used(store, tmp_path, spec):
    path = tmp_path / "store.db"
    await store.apply([PutSpec(spec(f"n{i:03}", text="x" * 500)) for i in range(200)])
    await store.close()
    shutil.copy(path, tmp_path / "backup")
    await store.open()
    async with store.watch() as watch:
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(path.stat().st_size - 4096))
        with pytest.raises(UnavailableError, match="is damaged") as caught:
            await store.specs()
        assert "restore a backup" in (caught.value.hint or "")
        (tmp_path / "backup").rename(path)
        assert isinstance(await take(watch), Resync)
        assert len(await store.specs()) == 200
        await store.apply([PutSpec(spec("a"))])
        assert isinstance(await take(watch), Batch)


async def test_a_connection_that_failed_is_not_used_again(store):
    with pytest.raises(UnavailableError, match="no such table"):
        await store._do(lambda: store._read(lambda raw: raw.execute("SELECT * FROM nowhere")))
    assert store._connection is None
    assert await store.specs() == []


async def test_a_change_that_cannot_be_read_does_not_end_a_watch(store, tmp_path, spec):
    async with store.watch() as watch:
        with closing(sqlite3.connect(tmp_path / "store.db")) as other:
            other.execute(
                "INSERT INTO changes VALUES (1, 1, 'put', 'spec', 'x', 'default', 'x', '{', NULL, 0, NULL, NULL)"
            )
            other.execute("UPDATE state SET revision = 1")
            other.commit()
        item = await take(watch)
        assert isinstance(item, Resync)
        assert "cannot be read" in item.reason
        await store.apply([PutSpec(spec("a"))])
        batch = await take(watch)
        assert isinstance(batch, Batch)
        assert batch.revision == 2


async def test_a_document_that_breaks_a_rule_is_told_apart_and_can_be_deleted(store, tmp_path, spec):
    await store.apply([PutSpec(spec("a")), PutSpec(spec("b"))])
    with closing(sqlite3.connect(tmp_path / "store.db")) as other:
        other.execute("""UPDATE documents SET document = '{"kind": 1, "name": "a"}' WHERE name = 'a'""")
        other.commit()
    page = await store.specs()
    assert [found.name for found in page] == ["b"]
    assert len(page.problems) == 1
    (outcome,) = await store.apply([DeleteSpec(namespace="default", name="a")])
    assert (outcome.action, outcome.spec) == ("deleted", None)
    assert (await store.specs()).problems == ()


# What is kept


async def test_old_changes_of_values_are_forgotten(tmp_path):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    path = tmp_path / "store.db"

    def count() -> int:
        with closing(sqlite3.connect(path)) as raw:
            found: int = raw.execute("SELECT count(*) FROM changes WHERE revision = 1").fetchone()[0]
            return found

    async with SqliteStore(path, clock=lambda: now) as store:
        await store.apply([PutValue(parse_value({"name": "v", "data": "secret"}))])
        now += timedelta(minutes=59)
        await store.apply([PutValue(parse_value({"name": "v", "data": "other"}))])
        assert count() == 1
        now += timedelta(minutes=2)
        await store.apply([PutValue(parse_value({"name": "w", "data": "other"}))])
        assert count() == 0
        assert [found.data for found in await store.values()] == ["other", "other"]


async def test_instances_of_long_ago_are_forgotten(tmp_path):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    path = tmp_path / "store.db"
    async with SqliteStore(path, clock=lambda: now) as store:
        await store.put_instance(Instance("old", "here", 1, "default", now, now))
        now += timedelta(days=1, seconds=1)
        await store.put_instance(Instance("new", "here", 1, "default", now, now))
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT id FROM instances").fetchall() == [("new",)]
        assert raw.execute("SELECT id FROM heartbeats").fetchall() == [("new",)]


async def test_a_heartbeat_does_not_write_the_states_anew(store, tmp_path, monkeypatch):
    now = datetime.now(UTC)
    await store.put_instance(Instance("i", "here", 1, "default", now, now))
    with closing(sqlite3.connect(tmp_path / "store.db")) as raw:
        raw.execute("CREATE TRIGGER seen AFTER UPDATE ON instances BEGIN SELECT raise(ABORT, 'written anew'); END")
    await store.put_instance(Instance("i", "here", 1, "default", now, now + timedelta(seconds=1)))
    with pytest.raises(UnavailableError, match="written anew"):
        await store.put_instance(Instance("i", "here", 1, "default", now, now, generation=2))


# Leaks


async def test_nothing_is_left_after_close(tmp_path, spec):
    await asyncio.to_thread(lambda: None)  # the loop's own threads
    threads, files = set(threading.enumerate()), open_files()
    for _ in range(3):
        async with SqliteStore(tmp_path / "store.db") as store:
            async with store.watch() as watch, store.watch():
                await store.apply([PutSpec(spec("a"))])
                assert watch.lost is None
            await store.specs()
            async with store.watch():
                await store.close()
    assert set(threading.enumerate()) == threads
    assert open_files() == files
    assert [part.name for part in tmp_path.iterdir()] == ["store.db"]


async def test_nothing_is_left_after_the_last_watch(store, spec):
    """SQLite itself keeps the first closed descriptor for the next connection, since closing it would drop locks."""
    await store.specs()
    threads = set(threading.enumerate())
    files: list[set[str]] = []
    for _ in range(4):
        async with store.watch() as watch, store.watch():
            await store.apply([PutSpec(spec("a"))])
            assert len(set(threading.enumerate()) - threads) == 1
            assert watch.lost is None
        assert set(threading.enumerate()) == threads
        assert len(asyncio.all_tasks()) == 1
        files.append(open_files())
    assert files == [files[0]] * 4


async def test_nothing_is_left_after_open_has_failed(tmp_path):
    await asyncio.to_thread(lambda: None)
    threads, files = set(threading.enumerate()), open_files()
    (tmp_path / "store.db").write_text("no database" * 100)
    for _ in range(3):
        with pytest.raises(UnavailableError):
            await SqliteStore(tmp_path / "store.db").open()
    assert set(threading.enumerate()) == threads
    assert open_files() == files


async def test_a_cancelled_close_still_closes(tmp_path):
    await asyncio.to_thread(lambda: None)
    threads = set(threading.enumerate())
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    (thread,) = set(threading.enumerate()) - threads
    closing_store = asyncio.ensure_future(store.close())
    await asyncio.sleep(0)
    closing_store.cancel()
    await asyncio.gather(closing_store, return_exceptions=True)
    await asyncio.to_thread(thread.join, 20)
    assert not thread.is_alive()
