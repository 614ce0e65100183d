"""Templates in strings: `{{ .NAME }}`, `{{ .a.b }}`, `{{ .list.0 }}`, and `{{ . }}` for everything.

A string that is one template becomes the value itself, with its type; in a longer string the value stands as text. A
name that cannot be resolved is *collected*, and its string stays as written: nothing ever renders as `<no value>`. For
braces that are no template there is `{{ "{{" }}`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal

from engine.errors import InvalidError
from engine.spec.origin import key_text

Steps = tuple[str | int, ...]
"""Where a string stands: keys and indices."""

_OPENING: Final = "{{"
_TEMPLATE = re.compile(
    r"\{\{(?:\s*(?P<dot>\.)\s*|\s*(?P<name>(?:\.[\w-]+)+)\s*|\s*(?P<text>\"(?:[^\"\\]|\\.)*\")\s*)\}\}"
)
_CLOSED = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_ESCAPE_HINT: Final = 'for two braces that are no template write {{ "{{" }}'


@dataclass(frozen=True, slots=True)
class Name:
    """A name within a template. `parts` is empty for a lone dot."""

    parts: tuple[str, ...]

    @property
    def root(self) -> str:
        return self.parts[0] if self.parts else ""

    def __str__(self) -> str:
        return ".".join(self.parts) or "."


@dataclass(frozen=True, slots=True)
class Malformed:
    """What begins like a template and is none; `offset` is where, in the string."""

    offset: int
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Template:
    """A string in parts: literal text, and names with their offsets."""

    parts: tuple[str | Name, ...]
    offsets: tuple[int, ...]
    malformed: tuple[Malformed, ...] = ()

    @property
    def names(self) -> Iterator[tuple[Name, int]]:
        for part, offset in zip(self.parts, self.offsets, strict=True):
            if isinstance(part, Name):
                yield part, offset


@dataclass(frozen=True, slots=True)
class UnresolvedName:
    """A name that the scope lacks, or that is null in the midst of text; `path` is where it was asked for."""

    name: str
    path: Steps
    reason: Literal["missing", "null"] = "missing"


class UnresolvedNamesError(InvalidError):
    """What :func:`render` raises for names that nobody collects."""

    def __init__(self, names: list[UnresolvedName]) -> None:
        super().__init__(f"cannot resolve {', '.join(repr(each.name) for each in names)}")
        self.names = tuple(names)


@lru_cache(maxsize=4096)
def parse(text: str) -> Template:
    """The parts of a string. What is malformed is listed and stands as literal text."""
    parts: list[str | Name] = []
    offsets: list[int] = []
    malformed: list[Malformed] = []
    literal_start = position = 0

    def literal(end: int) -> None:
        if end > literal_start:
            parts.append(text[literal_start:end])
            offsets.append(literal_start)

    while (start := text.find(_OPENING, position)) >= 0:
        match = _TEMPLATE.match(text, start)
        if match is None:
            malformed.append(_malformed(text, start))
            position = start + len(_OPENING)
            continue
        literal(start)
        offsets.append(start)
        if match["text"] is not None:
            parts.append(_unquoted(match["text"]))
        else:
            parts.append(Name(tuple(match["name"][1:].split(".")) if match["name"] else ()))
        literal_start = position = match.end()
    literal(len(text))
    return Template(tuple(parts), tuple(offsets), tuple(malformed))


def find(data: Any, path: Steps = ()) -> Iterator[tuple[Steps, bool, str, Template]]:
    """All strings with a `{{` in data: path, whether it is a key, the string, its parts."""
    if isinstance(data, str):
        if _OPENING in data:
            yield path, False, data, parse(data)
    elif isinstance(data, Mapping):
        for key, value in data.items():
            below = (*path, key)
            if isinstance(key, str) and _OPENING in key:
                yield below, True, key, parse(key)
            yield from find(value, below)
    elif isinstance(data, (list, tuple)):
        for index, value in enumerate(data):
            yield from find(value, (*path, index))


def names(data: Any) -> set[tuple[str, Steps]]:
    """The names that templates in data use: the whole name (`a.b`, or `.`), and the path of its string."""
    return {(str(name), path) for path, _, _, template in find(data) for name, _ in template.names}


def render(data: Any, scope: Any, unresolved: list[UnresolvedName] | None = None, *, path: Steps = ()) -> Any:
    """The data with every template filled from `scope`, keys included, as new data.

    Names that cannot be resolved are added to `unresolved`, their strings left as written; without a list to collect
    them in, :class:`UnresolvedNamesError` is raised at the end. Raises InvalidError if two keys of a map become one.
    `path` is where `data` stands, for the reports.
    """
    missing: list[UnresolvedName] = [] if unresolved is None else unresolved
    rendered = _render(data, scope, missing, path)
    if unresolved is None and missing:
        raise UnresolvedNamesError(missing)
    return rendered


def text_of(value: Any) -> str:
    """A value in the midst of text: text as it is, everything else as JSON writes it (bytes in base64)."""
    if isinstance(value, str):
        return value
    plain = _jsonable(value)
    return plain if isinstance(plain, str) else json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def _render(data: Any, scope: Any, missing: list[UnresolvedName], path: Steps) -> Any:
    if isinstance(data, str):
        return _fill(data, scope, missing, path) if _OPENING in data else data
    if isinstance(data, Mapping):
        filled: dict[Any, Any] = {}
        for key, value in data.items():
            below = (*path, key)
            new_key = key
            if isinstance(key, str) and _OPENING in key:
                new_key = text_of(_fill(key, scope, missing, below))
            if new_key in filled:
                raise InvalidError(f"the key {key!r} becomes one that is there, once the templates are filled")
            filled[new_key] = _render(value, scope, missing, below)
        return filled
    if isinstance(data, (list, tuple)):
        return [_render(value, scope, missing, (*path, index)) for index, value in enumerate(data)]
    return data


def _fill(text: str, scope: Any, missing: list[UnresolvedName], path: Steps) -> Any:
    template = parse(text)
    parts = template.parts
    if len(parts) == 1 and isinstance(parts[0], Name):
        value = lookup(scope, parts[0])
        if value is MISSING:
            missing.append(UnresolvedName(str(parts[0]), path))
            return text
        return deepcopy(value)
    pieces: list[str] = []
    before = len(missing)
    for part in parts:
        if isinstance(part, str):
            pieces.append(part)
            continue
        value = lookup(scope, part)
        if value is MISSING:
            missing.append(UnresolvedName(str(part), path))
        elif value is None:
            missing.append(UnresolvedName(str(part), path, "null"))
        else:
            pieces.append(text_of(value))
    return text if len(missing) > before else "".join(pieces)


MISSING: Final = object()
"""What :func:`lookup` answers when there is no such thing."""


def lookup(scope: Any, name: Name) -> Any:
    """What `name` stands for in `scope`: keys of maps, numbers of list elements from 0; or :data:`MISSING`."""
    value = scope
    for part in name.parts:
        if isinstance(value, Mapping):
            if part in value:
                value = value[part]
            elif part.isdecimal() and int(part) in value:
                value = value[int(part)]
            else:
                return MISSING
        elif isinstance(value, (list, tuple)) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def _unquoted(quoted: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        return quoted[1:-1]


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key_text(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.9g}s"
    return value


def _malformed(text: str, start: int) -> Malformed:
    closed = _CLOSED.match(text, start)
    if closed is None:
        return Malformed(start, "the template is not closed", f"add }}}}; {_ESCAPE_HINT}")
    inner = closed[1].strip()
    shown = f"{{{{ {inner} }}}}" if len(inner) <= 40 else "this"
    if "|" in inner:
        return Malformed(start, f"{shown} is no template: there are no pipes", f"write {{{{ .NAME }}}}; {_ESCAPE_HINT}")
    if re.fullmatch(r"[\w-]+(?:\.[\w-]+)*", inner):
        return Malformed(start, f"{shown} is no template: a name begins with a dot", f"write {{{{ .{inner} }}}}")
    return Malformed(start, f"{shown} is no template", f"write {{{{ .NAME }}}}; {_ESCAPE_HINT}")
