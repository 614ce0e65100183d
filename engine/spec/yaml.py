"""YAML (and JSON, which is YAML) with a place for every value.

The text goes through libyaml's *event* parser, and this module builds the data and the marks itself, without
recursion. That is seven times as fast as composing PyYAML's node objects, and a thousand opening brackets are an error
message here where composing them ends the interpreter.

What is read is YAML 1.2's core schema (:mod:`engine.spec.scalar`) with merge keys. Aliases are copied, never shared.
Two limits keep a small text from becoming a large one: :data:`MAX_NODES` and :data:`MAX_DEPTH`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from engine.errors import DiagnosticsError, NotFoundError, Place, UnavailableError
from engine.spec.builder import Builder, Document, Reading
from engine.spec.dump import dump
from engine.spec.origin import Origin
from engine.spec.source import Source, SourceError

__all__ = [
    "MAX_DEPTH",
    "MAX_NODES",
    "Document",
    "Origin",
    "Reading",
    "dump",
    "parse",
    "parse_file",
    "read",
    "read_text",
]

MAX_NODES: Final = 1_000_000
"""How many values one text may hold once its aliases are expanded."""

MAX_DEPTH: Final = 200
"""How deep lists and maps may be nested."""


def parse(
    text: str | bytes, file: str | None = None, *, max_nodes: int = MAX_NODES, max_depth: int = MAX_DEPTH
) -> list[Document]:
    """All documents of a text; none for an empty one.

    Raises :class:`~engine.errors.DiagnosticsError` with everything that is wrong: duplicate keys, unknown tags and
    aliases are found to the end of the text, a syntax error ends the reading.
    """
    reading = read(text, file, max_nodes=max_nodes, max_depth=max_depth)
    problems = reading.diagnostics
    if problems:
        raise DiagnosticsError(problems)
    return list(reading.documents)


def parse_file(path: str | Path) -> list[Document]:
    """All documents of a file. Raises what :func:`parse` and :func:`read_text` raise."""
    return parse(read_text(path), str(path))


def read_text(path: str | Path) -> bytes:
    """The bytes of a file; raises NotFoundError, or UnavailableError for one that cannot be read."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"no file {str(path)!r}", place=Place(str(path))) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnavailableError(f"cannot read {str(path)!r}: {reason}", place=Place(str(path))) from error


def read(
    text: str | bytes, file: str | None = None, *, max_nodes: int = MAX_NODES, max_depth: int = MAX_DEPTH
) -> Reading:
    """Like :func:`parse`, but gives the good documents and the problems instead of raising."""
    try:
        source = Source.of(text)
    except SourceError as error:
        return Reading((), (), (error.diagnostic(file),))
    reading = Builder(source, file, max_nodes, max_depth).run()
    if reading.broken:
        # JSON may write one character as two escapes, which libyaml refuses.
        json_source = source.with_joined_escapes()
        if json_source is not None:
            return Builder(json_source, file, max_nodes, max_depth).run()
    return reading
