"""Builds documents, and the marks that tell where their values stand, from the events of libyaml.

There is no recursion here, so that no text can exhaust the stack. The data and its marks
(:mod:`engine.spec.origin`) grow side by side, a frame for each open list or map.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the stubs do not export it

from engine.errors import Diagnostic, Place
from engine.spec import layout, scalar
from engine.spec.origin import LINE_SHIFT, Marks, Origin, key_text, position_of, unpack
from engine.spec.source import Source, syntax_error


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a text: plain data, and where each value of it stands."""

    data: Any
    origin: Origin


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text holds, good and bad.

    `problems` has one list for each document, and `broken` what ended the reading before the end of the text.
    """

    documents: tuple[Document, ...]
    problems: tuple[tuple[Diagnostic, ...], ...]
    broken: tuple[Diagnostic, ...] = ()

    @property
    def diagnostics(self) -> list[Diagnostic]:
        return [*itertools.chain.from_iterable(self.problems), *self.broken]


class _Stop(Exception):  # noqa: N818  # it ends the reading; it is no error of its own
    """A limit was passed: there is no sense in reading on."""


@dataclass(slots=True)
class _Frame:
    """A list or map that is being read."""

    position: int
    anchor: str | None
    count: int  # how many values there were before it
    items: dict[Any, Any] | list[Any]
    children: list[Marks] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)  # positions of a map's keys
    key: Any = None
    awaits_value: bool = False
    height: int = 1  # how deep it goes, itself counted
    skip: bool = False  # the value that comes belongs to a key that cannot stand
    merges: list[tuple[dict[Any, Any], tuple[Any, ...]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: Any
    mark: Marks
    size: int
    height: int = 0


_MERGE: Final = object()
_OPEN: Final = _Anchored(None, 0, 0)


class Builder:
    """Builds documents from events."""

    def __init__(self, source: Source, file: str | None, max_nodes: int, max_depth: int) -> None:
        self.source = source
        self.file = file
        self.max_nodes = max_nodes
        self.max_depth = max_depth
        self.count = 0
        self.stack: list[_Frame] = []
        self.anchors: dict[str, _Anchored] = {}
        self.problems: list[Diagnostic] = []
        self.shapes: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self.root: Any = None
        self.root_mark: Marks = 0

    def run(self) -> Reading:
        documents: list[Document] = []
        problems: list[tuple[Diagnostic, ...]] = []
        broken: tuple[Diagnostic, ...] = ()
        try:
            for event in _events(self.source.parsed):
                kind = type(event)
                if kind is yaml.ScalarEvent:
                    self._scalar(event)
                elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                    self._open(event)
                elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                    self._close()
                elif kind is yaml.AliasEvent:
                    self._alias(event)
                elif kind is yaml.DocumentEndEvent:
                    documents.append(Document(self.root, Origin(self.file, self.root_mark)))
                    problems.append(tuple(self.problems))
                    self.anchors = {}
                    self.problems = []
        except _Stop:
            broken = tuple(self.problems)
        except yaml.YAMLError as error:
            broken = (*self.problems, syntax_error(error, self.source, self.file))
        return Reading(tuple(documents), tuple(problems), broken)

    def _scalar(self, event: Any) -> None:
        self.count += 1
        if self.count > self.max_nodes:
            self._too_many(event)
        text: str = event.value
        start = event.start_mark
        end = event.end_mark
        style = event.style
        tag = event.tag
        value: Any = text
        if tag is None and not style and event.implicit[0]:
            if text == "<<" and self._begins_key():
                value = _MERGE
            else:
                try:
                    value = scalar.plain(text)
                except scalar.ScalarError as error:
                    self._report("bad-number", str(error), self._position(start))
        elif tag is not None:
            try:
                value = scalar.tagged(text, tag)
            except scalar.ScalarError as error:
                self._report("unknown-tag", str(error), self._position(start), "remove the tag, or quote the text")
        mark: Marks
        if (
            start.line == end.line
            and not self.source.irregular
            and tag is None
            and event.anchor is None
            and (not style or end.column - start.column == len(text) + 2)
        ):
            mark = (start.line + 1) << LINE_SHIFT | (start.column + 1) << 1 | (1 if style else 0)
        else:
            mark = self._wide_mark(text, start, end)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(None if value is _MERGE else value, mark, 1)
        self._attach(value, mark)

    def _wide_mark(self, text: str, start: Any, end: Any) -> Marks:
        """The mark of a scalar that does not stand on one line as it is."""
        begin = layout.content_start(self.source.text, self.source.index(start))
        stop = self.source.index(end)
        line, column = self.source.line_and_column(begin)
        return layout.scalar_mark(self.source.text, text, start=begin, end=stop, line=line, column=column)

    def _open(self, event: Any) -> None:
        self.count += 1
        if self.count > self.max_nodes:
            self._too_many(event)
        position = self._position(event.start_mark)
        if len(self.stack) >= self.max_depth:
            self._too_deep(position)
        is_map = type(event) is yaml.MappingStartEvent
        wanted = "map" if is_map else "seq"
        if event.tag is not None and event.tag not in ("!", scalar.TAG + wanted):
            self._report(
                "unknown-tag",
                f"the tag {scalar.short(event.tag)} is not known here",
                position,
                "remove the tag: maps and lists need none",
            )
        if event.anchor is not None:
            self.anchors[event.anchor] = _OPEN
        self.stack.append(_Frame(position, event.anchor, self.count - 1, {} if is_map else []))

    def _close(self) -> None:
        frame = self.stack.pop()
        items = frame.items
        mark: tuple[Any, ...]
        if isinstance(items, list):
            mark = (frame.position, tuple(frame.children))
        else:
            keys = tuple(items)
            keys = self.shapes.setdefault(keys, keys)  # specs of a kind share their keys
            mark = (frame.position, keys, tuple(frame.keys), tuple(frame.children))
            if frame.merges:
                items, mark = _merge(items, mark, frame.merges)
        if frame.anchor is not None:
            self.anchors[frame.anchor] = _Anchored(items, mark, self.count - frame.count, frame.height)
        self._attach(items, mark, frame.height)

    def _alias(self, event: Any) -> None:
        position = self._position(event.start_mark)
        anchored = self.anchors.get(event.anchor)
        if anchored is None:
            self._report(
                "unknown-alias",
                f"there is no anchor &{event.anchor} before this alias",
                position,
                f"write &{event.anchor} before the value that it stands for, or quote the text",
            )
            self._attach(None, position)
            return
        if anchored is _OPEN:
            self._report(
                "endless-alias", f"the alias *{event.anchor} stands inside the value that it stands for", position
            )
            self._attach(None, position)
            return
        self.count += anchored.size
        if self.count > self.max_nodes:
            self._too_many(event)
        if len(self.stack) + anchored.height > self.max_depth:
            self._too_deep(position)
        self._attach(_copy(anchored.value), _moved(anchored.mark, position), anchored.height)

    def _attach(self, value: Any, mark: Marks, height: int = 0) -> None:
        if not self.stack:
            self.root = value if value is not _MERGE else "<<"
            self.root_mark = mark
            return
        frame = self.stack[-1]
        if height >= frame.height:
            frame.height = height + 1
        items = frame.items
        if isinstance(items, list):
            items.append(value)
            frame.children.append(mark)
        elif not frame.awaits_value:
            self._key(frame, items, value, mark)
        else:
            frame.awaits_value = False
            if frame.skip:
                frame.skip = False
            elif frame.key is _MERGE:
                self._merge_source(frame, value, mark)
            else:
                items[frame.key] = value
                frame.children.append(mark)

    def _key(self, frame: _Frame, items: dict[Any, Any], key: Any, mark: Marks) -> None:
        frame.awaits_value = True
        frame.key = key
        position = position_of(mark)
        if key is _MERGE:
            return
        if isinstance(key, (dict, list)):
            frame.skip = True
            self._report("bad-key", "a list or a map cannot be a key", position, "quote it to make it text")
        elif key in items:
            frame.skip = True
            index = list(items).index(key)
            first = Place(self.file, *unpack(frame.keys[index]))
            self._report(
                "duplicate-key", f"the key {_shown(key)} stands twice; first at {first}", position, "remove one of them"
            )
        else:
            items[key] = None
            frame.keys.append(position)

    def _merge_source(self, frame: _Frame, value: Any, mark: Marks) -> None:
        sources = value if isinstance(value, list) else [value]
        marks = mark[1] if isinstance(value, list) and not isinstance(mark, int) else (mark,)
        for source, source_mark in zip(sources, marks, strict=True):
            if isinstance(source, dict) and not isinstance(source_mark, int):
                frame.merges.append((source, source_mark))
                continue
            self._report(
                "bad-merge",
                "`<<` takes a map or a list of maps",
                position_of(source_mark),
                'quote the key ("<<") if it is meant as text',
            )

    def _begins_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].items, dict) and not self.stack[-1].awaits_value

    def _position(self, mark: Any) -> int:
        if not self.source.irregular:
            return (mark.line + 1) << LINE_SHIFT | (mark.column + 1) << 1  # type: ignore[no-any-return]
        return self.source.position(mark)

    def _too_deep(self, position: int) -> NoReturn:
        self._report(
            "too-deep",
            f"lists and maps are nested more than {self.max_depth} deep, aliases expanded",
            position,
            "split this document, or look for a bracket that is never closed",
        )
        raise _Stop

    def _too_many(self, event: Any) -> NoReturn:
        self._report(
            "too-large",
            f"the text holds more than {self.max_nodes:,} values, its aliases expanded",
            self._position(event.start_mark),
            "split it into several files, or use fewer aliases",
        )
        raise _Stop

    def _report(self, rule: str, message: str, position: int, hint: str | None = None) -> None:
        place = Place(self.file, *unpack(position))
        self.problems.append(Diagnostic(rule, message, place, hint, path=self._path()))

    def _path(self) -> tuple[str | int, ...]:
        """Where in the document the builder stands."""
        path: list[str | int] = []
        for frame in self.stack:
            if isinstance(frame.items, list):
                path.append(len(frame.items))
            elif frame.awaits_value:
                path.append("<<" if frame.key is _MERGE else _part(frame.key))
        return tuple(path)


def _events(text: str) -> Iterator[Any]:
    parser = CParser(text)
    while (event := parser.get_event()) is not None:
        yield event
        if type(event) is yaml.StreamEndEvent:
            return


def _copy(value: Any) -> Any:
    """A copy of plain data, so that two specs never share what one of them may change. Depth is limited already."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value


def _moved(mark: Marks, position: int) -> Marks:
    """The mark of an alias: the value stands at the alias, its parts and its text where they were written."""
    if isinstance(mark, int):
        line, column = unpack(mark)
        return (position, (1, 1, line, column + (mark & 1)), 0)
    return (position, *mark[1:])


def _merge(
    own: dict[Any, Any], mark: tuple[Any, ...], merges: list[tuple[dict[Any, Any], tuple[Any, ...]]]
) -> tuple[dict[Any, Any], tuple[Any, ...]]:
    """Own keys win over merged ones, earlier sources over later ones."""
    data: dict[Any, Any] = {}
    places: dict[Any, tuple[int, Marks]] = {}
    for items, (_, keys, positions, children) in [*reversed(merges), (own, mark)]:
        data.update(items)
        places.update(zip(keys, zip(positions, children, strict=True), strict=True))
    return data, (
        mark[0],
        tuple(data),
        tuple(places[key][0] for key in data),
        tuple(places[key][1] for key in data),
    )


def _shown(key: Any) -> str:
    return repr(key) if isinstance(key, str) else key_text(key)


def _part(key: Any) -> str | int:
    if isinstance(key, str):
        return key
    if isinstance(key, int) and not isinstance(key, bool):
        return key
    return key_text(key)
