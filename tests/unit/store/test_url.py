from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import InvalidError
from engine.store.memory import MemoryStore
from engine.store.mongodb import MongodbStore
from engine.store.sqlite import SqliteStore
from engine.store.url import open_store


def test_memory():
    store = open_store("memory://")
    assert isinstance(store, MemoryStore)
    assert store.url == "memory://"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///x.db", "{here}/x.db"),
        ("sqlite:///a/b.db", "{here}/a/b.db"),
        ("sqlite:////x/y.db", "/x/y.db"),
        ("SQLite:////x.db", "/x.db"),
        ("sqlite:////a%20b%3Fc%23.db", "/a b?c#.db"),
    ],
)
def test_paths(url, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = open_store(url)
    assert isinstance(store, SqliteStore)
    monkeypatch.chdir("/")
    assert store._path == Path(path.format(here=tmp_path))
    again = open_store(store.url)
    assert isinstance(again, SqliteStore)
    assert again._path == store._path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv", "MongoDB"])
def test_mongodb(scheme):
    store = open_store(f"{scheme}://user:secret@host/db?authSource=admin")
    assert isinstance(store, MongodbStore)
    assert store.url == f"{scheme}://user:***@host/db"


@pytest.mark.parametrize(
    ("url", "says", "hint"),
    [
        ("", "is no URL", "sqlite:///"),
        ("weir.db", "is no URL", "sqlite:///"),
        ("sqlite:weir.db", "is no URL", "sqlite:///"),
        ("sqlite://weir.db", "no path after the third slash", "sqlite:///weir.db for a path from here"),
        ("sqlite://", "no path after the third slash", "sqlite:///weir.db"),
        ("sqlite:///", "names no file", "memory://"),
        ("sqlite:///:memory:", "names no file", "memory://"),
        ("sqlite:///x.db?mode=ro", "takes none", "%3F"),
        ("sqlite:///x%00y", "NUL", None),
        ("memory://x", "has no name", "memory://"),
        ("mongodb://user:secret@host/db?foo=1", "Unknown option: foo", None),
        ("mongodb:user:secret@host/db", "is no URL", "mongodb://host/database"),
        ("sqllite:///x.db", "begin with sqllite://", "did you mean sqlite://"),
        ("http://host", "begin with http://", "sqlite:///"),
    ],
)
def test_what_is_no_store(url, says, hint):
    with pytest.raises(InvalidError, match=says) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)
    if hint is not None:
        assert hint in str(caught.value.hint)
