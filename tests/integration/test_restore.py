"""An older backup is put in the place of a store that a daemon runs on: it serves on, notices, and follows."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

WEB = """
- kind: listener
  name: web
  port: %d
  ports:
    out: [{name: hello}]
- {kind: snippet, name: hello, language: text, code: one}
"""


class SqliteBackup:
    """`.backup` and `.restore` of sqlite3: the file stays the same file."""

    def __init__(self, path: Path) -> None:
        self._path, self._kept = path, path.with_suffix(".backup")

    def take(self) -> None:
        with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(self._kept)) as target:
            source.backup(target)

    def put_back(self) -> None:
        with closing(sqlite3.connect(self._kept)) as source, closing(sqlite3.connect(self._path)) as target:
            source.backup(target)


class MongodbBackup:
    """What `mongodump` and `mongorestore --drop` do, in the order of the guide: `state` goes first and comes last."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._kept: dict[str, list[Any]] = {}

    def take(self) -> None:
        asyncio.run(self._with_database(self._take))

    def put_back(self) -> None:
        asyncio.run(self._with_database(self._put_back))

    async def _with_database(self, work: Callable[[Any], Any]) -> None:
        from pymongo import AsyncMongoClient

        async with AsyncMongoClient(self._url) as client:
            await work(client.get_default_database())

    async def _take(self, database: Any) -> None:
        for name in await database.list_collection_names():
            self._kept[name] = [row async for row in database[name].find()]

    async def _put_back(self, database: Any) -> None:
        await database["state"].drop()
        for name in sorted(self._kept, key=lambda name: name == "state"):
            await database[name].drop()
            await database.create_collection(name)
            if self._kept[name]:
                await database[name].insert_many(self._kept[name])


@contextmanager
def asked(http: Callable[..., Any], port: int) -> Iterator[list[Any]]:
    """Someone who keeps asking; what he hears."""
    heard: list[Any] = []
    enough = threading.Event()

    def ask() -> None:
        while not enough.wait(0.01):
            try:
                answer = http(f"http://127.0.0.1:{port}/")
                heard.append((answer.status, answer.text))
            except OSError as error:
                heard.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield heard
    finally:
        enough.set()
        thread.join()


@pytest.mark.parametrize("kind", ["sqlite", "mongodb"])
def test_a_daemon_follows_a_store_that_goes_back(kind, request, start, http, port, tmp_path):
    url = request.getfixturevalue("mongodb_url") if kind == "mongodb" else f"sqlite:///{tmp_path}/weir.db"
    backup = MongodbBackup(url) if kind == "mongodb" else SqliteBackup(tmp_path / "weir.db")
    daemon = start(environ={"WEIR_STORE_URL": url}).started()
    daemon.store = url

    def apply(text: str) -> None:
        result = daemon.weir("apply", "-f", "-", "--wait", stdin=text)
        assert result.returncode == 0, result.stderr

    def row() -> dict[str, Any]:
        [found] = json.loads(daemon.weir("get", "instances", "-o", "json").stdout)
        return found

    apply(WEB % port)
    backup.take()
    with asked(http, port) as heard:
        apply("- {kind: snippet, name: hello, language: text, code: two}")
        apply("- {kind: snippet, name: later, language: text, code: x}")
        assert row()["revision"] == 4
        backup.put_back()
        resync = daemon.wait_for("store.resync", namespace="default")
        assert "has gone back from revision 4 to 2" in resync["reason"]
        daemon.wait_for("generation.published", namespace="default")
        assert http(f"http://127.0.0.1:{port}/").text == "one"
        apply("- {kind: snippet, name: hello, language: text, code: three}")
        assert http(f"http://127.0.0.1:{port}/").text == "three"
        assert row()["revision"] == 3
    assert {each if isinstance(each, str) else each[0] for each in heard} == {200}
    assert {text for _, text in heard} <= {"one", "two", "three"}
    health = http(f"{daemon.admin}/readyz?verbose").json["namespaces"]["default"]
    assert (health["store"], health["view_age"]) == ("reached", 0.0)
