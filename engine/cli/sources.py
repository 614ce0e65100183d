"""The files that a command line names, and the specs or values in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Generic, TypeVar

from engine.errors import Diagnostic, NotFoundError, Place, UnavailableError
from engine.spec.model import Spec, Value, read_specs, read_values
from engine.spec.yaml import read_text
from engine.store.record import Resource

ItemT = TypeVar("ItemT", Spec, Value)

SUFFIXES: Final = (".yaml", ".yml", ".json")
STDIN: Final = "<stdin>"
"""What messages call standard input."""


@dataclass(frozen=True, slots=True)
class File:
    """The content of one file, or of standard input."""

    name: str
    content: bytes

    @property
    def text(self) -> str:
        """The content as far as it is text, to show lines of it."""
        return self.content.decode("utf-8", "replace")


@dataclass(slots=True)
class Items(Generic[ItemT]):
    """What is in files: the good specs or values, what is wrong with the others, and the texts by file name.

    The texts are for messages, which show lines of them; those of values are empty, as secrets stand in them.
    """

    items: list[ItemT] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)


def read_spec_files(paths: Sequence[str], *, namespace: str | None = None) -> Items[Spec]:
    """All specs of these files and folders; `-` is standard input. `namespace` is for documents that name none.

    Of two specs with one name or id, also in two files, the first is good. Raises NotFoundError for a path that is not
    there or a folder without files, UnavailableError for one that cannot be read.
    """
    return specs_of(read_files(paths), namespace=namespace)


def read_value_files(paths: Sequence[str], *, namespace: str | None = None) -> Items[Value]:
    """All values of these files and folders, as :func:`read_spec_files` reads specs."""
    return values_of(read_files(paths), namespace=namespace)


def specs_of(files: Iterable[File], *, namespace: str | None = None) -> Items[Spec]:
    """The specs in files that are read already."""
    return _collect(files, lambda file: read_specs(file.content, file=file.name, namespace=namespace))


def values_of(files: Iterable[File], *, namespace: str | None = None) -> Items[Value]:
    """The values in files that are read already."""
    found = _collect(files, lambda file: read_values(file.content, file=file.name, namespace=namespace))
    found.texts = dict.fromkeys(found.texts, "")
    return found


def sources_of(files: Iterable[File], resource: Resource) -> dict[str, str]:
    """What messages may show of files that are read already: of values, nothing."""
    return {file.name: file.text if resource == "spec" else "" for file in files}


def read_files(paths: Sequence[str]) -> list[File]:
    """The content of all files, in the order of `paths`, each file once; folders with all that is in them, by name.

    In folders only names that end in .yaml, .yml or .json count, and hidden ones do not. Raises NotFoundError and
    UnavailableError.
    """
    files: list[File] = []
    seen: set[str] = set()
    for path in paths:
        if path == "-":
            if STDIN not in seen:
                files.append(File(STDIN, _read_stdin()))
            seen.add(STDIN)
            continue
        for found in _files(Path(path)):
            real = str(found.resolve())
            if real not in seen:
                seen.add(real)
                files.append(File(str(found), read_text(found)))
    return files


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found: list[Path] = []
    for folder, folders, names in os.walk(path, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(folder, name)
            for name in names
            if name.lower().endswith(SUFFIXES) and not name.startswith(".") and Path(folder, name).is_file()
        ]
    if not found:
        raise NotFoundError(f"no files in the folder {str(path)!r}", hint=f"files end in {', '.join(SUFFIXES)}")
    return sorted(found)


def _refuse(error: OSError) -> None:
    reason = (error.strerror or str(error)).lower()
    raise UnavailableError(f"cannot read {error.filename!r}: {reason}") from error


def _read_stdin() -> bytes:
    return sys.stdin.buffer.read()


def _collect(files: Iterable[File], read: Callable[[File], tuple[list[ItemT], list[Diagnostic]]]) -> Items[ItemT]:
    found: Items[ItemT] = Items()
    seen: dict[tuple[str, ...], Place] = {}
    for file in files:
        items, problems = read(file)
        found.texts[file.name] = file.text
        found.problems += problems
        for item in items:
            doubles = list(_doubles(item, seen))
            found.problems += doubles
            if not doubles:
                found.items.append(item)
    if found.items:
        found.problems = [_milder(problem) for problem in found.problems]
    return found


def _milder(problem: Diagnostic) -> Diagnostic:
    """One empty file among others is no error."""
    return replace(problem, severity="warning") if problem.rule == "empty" else problem


def _doubles(item: Spec | Value, seen: dict[tuple[str, ...], Place]) -> Iterable[Diagnostic]:
    """What an item of another file has taken already. (Doubles within a file are found when it is read.)"""
    for rule, key in (("duplicate-name", item.name), ("duplicate-id", item.id)):
        if not key:
            continue
        unique = (rule, item.namespace, key) if rule == "duplicate-name" else (rule, key)
        path = ("name",) if rule == "duplicate-name" else ("id",)
        place = item.origin.place(path) if item.origin is not None else Place()
        first = seen.setdefault(unique, place)
        if first is not place:
            what = "the name" if rule == "duplicate-name" else "the id"
            message = f"{what} {key!r} stands twice; first at {first}"
            yield Diagnostic(rule, message, place, "give one of them another name, or remove it", path=path)
