from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from engine.errors import UnavailableError
from engine.store.protocol import PutSpec
from engine.store.sqlite import SqliteStore
from engine.store.sqlite import file as file_module
from engine.store.sqlite.file import VERSION, connect, explain, prepare
from engine.store.sqlite.schema import APPLICATION_ID, MIGRATIONS


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A directory of somebody who is not root, and this process as that somebody."""
    folder = Path(tempfile.mkdtemp())
    if os.geteuid() != 0:
        yield folder
    else:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(0)
    folder.chmod(0o700)
    shutil.rmtree(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def refusal(path: Path, **options: float) -> UnavailableError:
    """What opening says; nothing may stay open afterwards."""
    store = SqliteStore(path, **options)
    with pytest.raises(UnavailableError) as caught:
        await store.open()
    assert str(path) in str(caught.value)
    assert caught.value.hint
    with pytest.raises(UnavailableError, match="is not open"):
        await store.specs()
    return caught.value


async def test_a_new_store_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "one" / "two" / "store.db"
    old = os.umask(0o022)
    try:
        async with SqliteStore(path):
            assert mode(path.parent) == mode(path.parent.parent) == 0o700
            assert {mode(part) for part in path.parent.iterdir()} == {0o600}
    finally:
        os.umask(old)


async def test_permissions_of_a_store_that_is_there_stay(tmp_path):
    path = tmp_path / "store.db"
    prepare(path)
    path.chmod(0o640)
    async with SqliteStore(path):
        assert mode(path) == 0o640


async def test_it_is_durable_and_shared(tmp_path):
    prepare(tmp_path / "store.db")
    connection = connect(tmp_path / "store.db", busy_timeout=1.5)

    def pragma(name: str) -> object:
        return connection.raw.execute(f"PRAGMA {name}").fetchone()[0]

    with closing(connection):
        assert pragma("journal_mode") == "wal"
        assert pragma("synchronous") == 2
        assert pragma("foreign_keys") == 1
        assert pragma("busy_timeout") == 1500
        assert (pragma("application_id"), pragma("user_version")) == (APPLICATION_ID, VERSION)


async def test_many_open_a_new_store_at_once(tmp_path, spec):
    stores = [SqliteStore(tmp_path / "new" / "store.db") for _ in range(8)]
    await asyncio.gather(*(store.open() for store in stores))
    await asyncio.gather(*(store.apply([PutSpec(spec(f"n{i}"))]) for i, store in enumerate(stores)))
    for store in stores:
        assert len(await store.specs()) == 8
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_directory(tmp_path):
    assert "is a directory" in str(await refusal(tmp_path))


async def test_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in str(await refusal(tmp_path / "pipe"))


async def test_a_file_where_a_directory_should_be(tmp_path):
    (tmp_path / "file").write_text("x")
    assert "cannot be made" in str(await refusal(tmp_path / "file" / "store.db"))


async def test_a_link_to_nowhere(tmp_path):
    (tmp_path / "link.db").symlink_to(tmp_path / "nowhere.db")
    assert "is not there" in str(await refusal(tmp_path / "link.db"))


async def test_something_that_is_no_database(tmp_path):
    path = tmp_path / "store.db"
    path.write_text("kind: print\n" * 1000)
    assert "not a SQLite database" in str(await refusal(path))
    assert path.read_text().startswith("kind: print\n")


async def test_the_database_of_another_program(tmp_path):
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE notes (text)")
        raw.commit()
    before = path.read_bytes()
    assert "another program" in str(await refusal(path))
    assert path.read_bytes() == before


async def test_a_store_of_a_newer_version(tmp_path):
    path = tmp_path / "store.db"
    async with SqliteStore(path):
        pass
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(f"PRAGMA user_version = {VERSION + 6}")
    error = await refusal(path)
    assert f"newer Weir: its schema is {VERSION + 6}, this one knows up to {VERSION}" in str(error)


async def test_a_damaged_file(tmp_path, spec):
    path = tmp_path / "store.db"
    async with SqliteStore(path) as store:
        await store.apply([PutSpec(spec(f"n{i}", text="x" * 500)) for i in range(100)])
    backup = path.read_bytes()
    path.write_bytes(backup[:100] + os.urandom(len(backup) - 100))
    assert "is damaged" in str(await refusal(path))
    path.write_bytes(backup)
    async with SqliteStore(path) as store:
        assert len(await store.specs()) == 100


async def test_a_read_only_file(unprivileged):
    path = unprivileged / "store.db"
    async with SqliteStore(path):
        pass
    path.chmod(0o400)
    assert "is read-only" in str(await refusal(path))


async def test_a_read_only_directory(unprivileged):
    path = unprivileged / "store.db"
    async with SqliteStore(path):
        pass
    unprivileged.chmod(0o500)
    assert "its directory is read-only" in str(await refusal(path))
    assert "cannot be made: Permission denied" in str(await refusal(unprivileged / "new.db"))


async def test_a_directory_that_may_not_be_entered(unprivileged):
    path = unprivileged / "inner" / "store.db"
    async with SqliteStore(path):
        pass
    path.parent.chmod(0o000)
    try:
        assert "Permission denied" in str(await refusal(path))
    finally:
        path.parent.chmod(0o700)


async def test_a_file_that_is_locked_while_it_is_made(tmp_path):
    path = tmp_path / "store.db"
    path.touch()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "locked by another process" in str(await refusal(path, busy_timeout=0.02))
    async with SqliteStore(path) as store:
        assert await store.specs() == []


def test_an_old_store_is_brought_up_to_date(tmp_path, monkeypatch):
    path = tmp_path / "store.db"
    prepare(path)
    connect(path).close()
    monkeypatch.setattr(
        file_module, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE more (x)", "INSERT INTO more VALUES (1)"))
    )
    monkeypatch.setattr(file_module, "VERSION", VERSION + 1)
    for _ in range(2):
        with closing(connect(path)) as connection:
            assert connection.raw.execute("SELECT * FROM more").fetchall() == [(1,)]
            assert connection.raw.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)


async def test_a_store_without_trials_gets_them(tmp_path, monkeypatch, spec):
    """A file as the first version of the schema has it; what it holds stays."""
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as raw:
        for statement in MIGRATIONS[0]:
            raw.execute(statement)
        raw.execute("UPDATE state SET revision = 7")
        raw.execute(
            """INSERT INTO documents (resource, id, namespace, name, revision, labels, meaning, document)
            VALUES ('spec', 'x', 'default', 'a', 7, '{}', '', '{"kind":"print","name":"a"}')"""
        )
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        raw.execute("PRAGMA user_version = 1")
        raw.commit()
    async with SqliteStore(path) as store:
        assert [(each.name, each.revision) for each in await store.specs()] == [("a", 7)]
        assert await store.trials() == []
        applied = await store.apply([PutSpec(spec("b"))], trial=timedelta(minutes=1))
        assert await store.trials() == [applied.trial]


def test_a_migration_that_fails_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "store.db"
    prepare(path)
    connect(path).close()
    monkeypatch.setattr(file_module, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE more (x)", "no SQL")))
    monkeypatch.setattr(file_module, "VERSION", VERSION + 1)
    with pytest.raises(UnavailableError, match="syntax error"):
        connect(path)
    monkeypatch.undo()
    with closing(connect(path)) as connection:
        assert connection.raw.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert connection.raw.execute("SELECT count(*) FROM sqlite_master WHERE name = 'more'").fetchone() == (0,)


def test_a_log_that_cannot_be(tmp_path):
    """Some file systems cannot share memory; SQLite then stays with its old journal, and says only that."""

    class Raw:
        def execute(self, statement: str) -> Raw:
            return self

        def fetchone(self) -> tuple[str]:
            return ("delete",)

    connection = file_module.Connection(Raw(), tmp_path / "store.db", (0, 0))  # type: ignore[arg-type]
    with pytest.raises(UnavailableError, match="write-ahead log") as caught:
        file_module._use_log(connection, 1.0)
    assert "network file systems" in (caught.value.hint or "")


def test_an_error_without_words_of_its_own_is_told_as_it_is(tmp_path):
    error = explain(sqlite3.OperationalError("no such table: x"), tmp_path / "store.db")
    assert "no such table: x" in str(error)
    assert error.hint
