from __future__ import annotations

import queue
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from engine.errors import UnavailableError
from engine.spec.model import Spec
from engine.store.change import Batch, LogEntry, Resync, Retention
from engine.store.protocol import PutSpec
from engine.store.sqlite import SqliteStore
from engine.store.sqlite import feed as feed_module
from engine.store.sqlite.feed import Feed


@contextmanager
def fed(path: Path, revision: int) -> Iterator[Callable[[], Batch | Resync | UnavailableError]]:
    """A feed from a revision on; a function that waits for the next that it tells."""
    told: queue.SimpleQueue[Batch | Resync | UnavailableError] = queue.SimpleQueue()
    with closing(sqlite3.connect(path)) as raw:
        identity = raw.execute("SELECT identity FROM state").fetchone()[0]
    feed = Feed(path, identity=identity, revision=revision, tell=told.put, lost=told.put, show=LogEntry.change)
    feed.start()
    try:
        yield lambda: told.get(timeout=20)
    finally:
        feed.stop()
        feed.join()


async def fill(path: Path, spec: Callable[..., Spec], count: int, **options: Retention) -> None:
    async with SqliteStore(path, **options) as store:
        for n in range(count):
            await store.apply([PutSpec(spec("a", n=n)), PutSpec(spec("b", n=n))])


async def test_it_begins_after_its_revision(tmp_path, spec):
    path = tmp_path / "store.db"
    await fill(path, spec, 3)
    with fed(path, 2) as next_told:
        for revision in (4, 6):
            batch = next_told()
            assert isinstance(batch, Batch)
            assert [change.revision for change in batch.changes] == [revision - 1, revision]
            assert batch.revision == revision


async def test_history_that_is_gone_is_a_resync(tmp_path, spec):
    path = tmp_path / "store.db"
    await fill(path, spec, 5, retention=Retention(count=2))
    with fed(path, 3) as next_told:
        told = next_told()
        assert isinstance(told, Resync)
        assert "up to revision 6 are not kept" in told.reason
        async with SqliteStore(path) as store:
            await store.apply([PutSpec(spec("c"))])
        batch = next_told()
        assert isinstance(batch, Batch)
        assert batch.revision == 11
    with fed(path, 6) as next_told:
        assert isinstance(next_told(), Batch)


async def test_too_much_to_read_is_a_resync(tmp_path, spec, monkeypatch):
    monkeypatch.setattr(feed_module, "BACKLOG", 3)
    path = tmp_path / "store.db"
    await fill(path, spec, 2)
    with fed(path, 0) as next_told:
        assert next_told() == Resync("4 changes were not read yet")
    with fed(path, 1) as next_told:
        assert isinstance(next_told(), Batch)


async def test_a_file_that_was_restored_in_place_to_an_older_revision(tmp_path, spec):
    path, backup = tmp_path / "store.db", tmp_path / "backup.db"
    await fill(path, spec, 2)
    with closing(sqlite3.connect(path)) as raw, closing(sqlite3.connect(backup)) as kept:
        raw.backup(kept)
    await fill(path, spec, 1)
    with fed(path, 6) as next_told:
        with closing(sqlite3.connect(backup)) as kept, closing(sqlite3.connect(path)) as raw:
            kept.backup(raw)
        told = next_told()
        assert isinstance(told, Resync)
        assert told.reason.endswith("has gone back from revision 6 to 4")
        async with SqliteStore(path) as store:
            await store.apply([PutSpec(spec("c"))])
        batch = next_told()
        assert isinstance(batch, Batch)
        assert batch.revision == 5, "though the feed has told a revision 5 before"


async def test_trouble_is_told_once_and_then_its_end(tmp_path, spec, monkeypatch):
    monkeypatch.setattr(feed_module, "RETRY", 0.001)
    path = tmp_path / "store.db"
    await fill(path, spec, 1)
    with fed(path, 0) as next_told:
        assert isinstance(next_told(), Batch)
        path.rename(tmp_path / "away")
        lost = next_told()
        assert isinstance(lost, UnavailableError)
        (tmp_path / "away").rename(path)
        back = next_told()
        assert isinstance(back, Resync)
        assert "is back" in back.reason
        assert "not there any more" in back.reason


def test_another_process_is_seen_well_within_50_ms():
    assert feed_module.INTERVAL <= 0.025
