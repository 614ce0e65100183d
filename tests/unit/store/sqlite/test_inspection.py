from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import UnavailableError
from engine.store.check.checking import Checked, check
from engine.store.protocol import PutSpec
from engine.store.sqlite import SqliteStore
from engine.store.sqlite.file import VERSION
from engine.store.sqlite.schema import MIGRATIONS

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def filled(path: Path, spec) -> SqliteStore:
    """A store of 200 specs, on many pages, in the file alone."""
    async with SqliteStore(path) as store:
        await store.apply([PutSpec(spec(f"s{number}", text="x" * 500)) for number in range(200)])
    return store


async def checked(path: Path) -> Checked:
    async with SqliteStore(path).inspection() as inspection:
        return await check(inspection)


async def codes(path: Path) -> list[str]:
    return sorted({finding.code for finding in (await checked(path)).findings})


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        for statement in statements:
            raw.execute(statement)


def root_page(path: Path, name: str) -> int:
    with closing(sqlite3.connect(path)) as raw:
        return int(raw.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [name]).fetchone()[0])


def overwrite(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(os.urandom(64) + b"\0" * (PAGE - 64))


async def test_a_damaged_page_of_a_table(filled, path):
    overwrite(path, root_page(path, "documents"))
    found = await checked(path)
    assert {finding.code for finding in found.findings} == {"damaged-file", "unreadable-table"}
    assert found.changes == 200  # the other tables are read all the same
    assert not any(finding.code == "lost-document" for finding in found.findings)


async def test_a_damaged_page_of_the_history(filled, path):
    overwrite(path, root_page(path, "changes"))
    found = await checked(path)
    assert {finding.code for finding in found.findings} == {"damaged-file", "unreadable-table"}
    assert found.specs == 200


async def test_a_damaged_page_of_an_index(filled, path):
    overwrite(path, root_page(path, "documents_in_order"))
    assert await codes(path) == ["damaged-file"]


async def test_an_index_that_lacks_a_row(filled, path):
    execute(
        path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE INDEX hidden ON documents (id)', name = 'hidden' "
        "WHERE name = 'documents_in_order'",
    )
    found = await checked(path)
    assert {"damaged-file", "missing-index"} <= {finding.code for finding in found.findings}


async def test_an_index_that_is_missing(filled, path):
    execute(path, "DROP INDEX changes_by_id")
    [finding] = (await checked(path)).findings
    assert (finding.code, finding.subject) == ("missing-index", "changes_by_id")
    execute(path, finding.hint.partition(": ")[2])
    assert await codes(path) == []


async def test_an_index_that_is_another(filled, path):
    execute(path, "DROP INDEX changes_by_id", "CREATE INDEX changes_by_id ON changes (id)")
    assert await codes(path) == ["changed-index"]


async def test_two_of_one_name(filled, path):
    execute(path, "DROP INDEX documents_by_name", "UPDATE documents SET name = 's1' WHERE name = 's2'")
    assert await codes(path) == ["duplicate-name", "missing-index", "wrong-column", "wrong-history"]


async def test_a_table_that_is_missing(filled, path):
    execute(path, "DROP TABLE trial_documents")
    assert await codes(path) == ["missing-table"]


async def test_the_state_is_missing(filled, path):
    execute(path, "DELETE FROM state")
    assert await codes(path) == ["no-state"]


async def test_a_floor_above_the_revision(filled, path):
    execute(path, "UPDATE state SET floor = 999")
    assert await codes(path) == ["wrong-state"]


async def test_the_last_changes_are_missing(filled, path):
    execute(path, "UPDATE state SET revision = 205")
    [finding] = (await checked(path)).findings
    assert (finding.code, finding.subject) == ("missing-change", "revisions 201 to 205")


async def test_changes_up_to_the_floor_may_be_forgotten(filled, path):
    execute(path, "UPDATE state SET floor = 200", "DELETE FROM changes WHERE revision < 200")
    found = await checked(path)
    assert {(finding.code, finding.severity) for finding in found.findings} == {("no-history", "warning")}


async def test_rows_that_belong_to_nothing(filled, path):
    execute(
        path,
        "INSERT INTO heartbeats VALUES ('gone', 1)",
        "INSERT INTO trial_documents SELECT 'gone', resource, id, namespace, name, revision, labels, meaning, document, "
        "origin FROM documents WHERE name = 's1'",
    )
    found = await checked(path)
    assert {(finding.code, finding.severity) for finding in found.findings} == {("orphaned-row", "warning")}
    assert {finding.subject.partition(",")[0] for finding in found.findings} >= {"heartbeats", "trial_documents"}


async def test_a_daemon_without_a_heartbeat(filled, path):
    execute(path, "INSERT INTO instances VALUES ('i', 'default', '{}')")
    found = await checked(path)
    assert [finding.code for finding in found.findings] == ["unreadable-instance"]
    assert (found.alive, found.dead) == (0, 1)


async def test_an_older_schema(path):
    execute(
        path,
        *MIGRATIONS[0],
        f"PRAGMA application_id = {0x57454952}",
        "PRAGMA user_version = 1",
    )
    [finding] = (await checked(path)).findings
    assert finding.code == "old-schema"
    assert f"it is 1, and this version of Weir knows {VERSION}" in finding.message
    async with SqliteStore(path):
        pass
    assert await codes(path) == []


async def test_what_is_no_store(path):
    with pytest.raises(UnavailableError, match="there is no store"):
        await checked(path)
    assert not path.exists()
    path.touch()
    with pytest.raises(UnavailableError, match="there is no store"):
        await checked(path)
    path.write_bytes(b"no database at all, but something else" * 100)
    with pytest.raises(UnavailableError, match="is not a SQLite database"):
        await checked(path)
    path.unlink()
    execute(path, "CREATE TABLE x (y)")
    with pytest.raises(UnavailableError, match="of another program"):
        await checked(path)


async def test_a_store_that_is_being_written_to_is_seen_at_one_moment(filled, path, spec):
    async with SqliteStore(path) as store, store.inspection() as inspection:
        glance = await inspection.begin()
        await store.apply([PutSpec(spec("new"))])
        rows = [row async for part in inspection.rows("documents") for row in part]
        assert (glance.revision, len(rows)) == (200, 200)
        assert len(await store.specs()) == 201
