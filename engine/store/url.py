"""From the URL of a store to the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from engine.errors import InvalidError
from engine.spec.suggest import did_you_mean
from engine.store.memory import MemoryStore
from engine.store.protocol import Store
from engine.store.shown import shown
from engine.store.sqlite import SqliteStore

SCHEMES: Final = ("sqlite", "memory", "mongodb", "mongodb+srv")

_FORMS: Final = "sqlite:///relative/path.db, sqlite:////absolute/path.db, mongodb://host/database or memory://"


def open_store(url: str, *, keys: Sequence[str] = ()) -> Store:
    """The store that a URL names, not opened yet. Touches no file. Raises InvalidError, never with a password in it.

    `keys` is where the keys for values are kept, as `values.key` of a config says it; they are read when a value needs them.
    """
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator:
        raise InvalidError(f"{shown(url)!r} is no URL of a store", hint=f"write {_FORMS}")
    if scheme == "sqlite":
        return SqliteStore(_path(url, rest), keys=keys)
    if scheme == "memory":
        if rest:
            raise InvalidError(f"a store in memory has no name, but got {rest!r}", hint="write memory://")
        return MemoryStore()
    if scheme in SCHEMES:
        from engine.store.mongodb import MongodbStore  # takes long to load, and few need it

        return MongodbStore(url, keys=keys)
    guess = did_you_mean(scheme, SCHEMES)
    hint = f"did you mean {guess}://?" if guess else f"write {_FORMS}"
    raise InvalidError(f"no store has URLs that begin with {scheme}://", hint=hint)


def _path(url: str, rest: str) -> str:
    """The path of a SQLite URL: what follows the third slash."""
    host, slash, path = rest.partition("/")
    if host or not slash:
        raise InvalidError(
            f"{url!r} has no path after the third slash",
            hint=f"write sqlite:///{rest} for a path from here, sqlite:////{rest} for one from the root"
            if host
            else "write sqlite:///weir.db",
        )
    if "?" in path or "#" in path:
        raise InvalidError(f"{url!r} has options, and a SQLite store takes none", hint="write ? as %3F and # as %23")
    path = unquote(path)
    if "\0" in path:
        raise InvalidError("the path of a store cannot hold a NUL character")
    if not path or path == ":memory:":
        raise InvalidError(f"{url!r} names no file", hint="write sqlite:///weir.db, or memory:// for no file at all")
    return path
