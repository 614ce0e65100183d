"""The sources that SQLite opens: a path, a `file:` URI, or memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, quote, unquote


@dataclass(frozen=True, slots=True)
class Source:
    """Where a database is. Two spellings of one file are equal, so that it is opened once.

    `uri` is what SQLite is asked to open; `memory` tells that the database lives only as long as its connection.
    """

    uri: str
    memory: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `data/app.db`, `file:app.db?mode=ro` or `:memory:`. A relative path counts from the working directory.

        Raises ValueError for an empty one, and for a URI that names another machine.
        """
        if text == ":memory:":
            return cls("file::memory:", memory=True)
        if not text.startswith("file:"):
            if not text.strip():
                raise ValueError("the source is empty")
            return cls(_uri(text, ""), memory=False)
        path, _, query = text.removeprefix("file:").partition("#")[0].partition("?")
        if path.startswith("//"):
            host, _, rest = path[2:].partition("/")
            if host not in ("", "localhost"):
                raise ValueError(f"a file on another machine ({host}) cannot be opened")
            path = f"/{rest}"
        path = unquote(path)
        if not path:
            raise ValueError("the source names no file")
        options = dict(parse_qsl(query, keep_blank_values=True))
        if path == ":memory:" or options.get("mode") == "memory":
            return cls(f"file:{quote(path, safe='/:')}?{query}" if query else f"file:{path}", memory=True)
        return cls(_uri(path, query), memory=False)


def _uri(path: str, query: str) -> str:
    absolute = quote(str(Path(path).resolve()))
    return f"file:{absolute}?{query}" if query else f"file:{absolute}"
