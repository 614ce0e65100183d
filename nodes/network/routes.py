r"""The routes of a router, as a tree of segments that is built once.

A pattern is a path whose segments are text, a parameter `:name`, or, as its last one, the wildcard `*`, which takes the
rest of the path, slashes and all, and may be empty. At each segment text goes before a parameter, and a parameter
before the wildcard; where that leads nowhere the next one is tried. `\:` and `\*` are the plain characters. A slash
at the end means something.

Patterns and paths are compared segment by segment without their percent-encoding, so `/a%2Fb` is one segment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from nodes.network.request import unescaped_segment

T = TypeVar("T")

ANY = "*"
"""The method of a route that takes every method."""


class PatternError(ValueError):
    """A pattern is wrong; the text says how, and `hint` what to write."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.hint = hint


class _Leaf(Generic[T]):
    """Where a pattern ends: the targets by method, each with the names of its parameters."""

    __slots__ = ("methods",)

    def __init__(self) -> None:
        self.methods: dict[str, tuple[T, tuple[str, ...]]] = {}

    def choose(self, acceptable: tuple[str, ...]) -> tuple[T, tuple[str, ...]] | None:
        """The target of the first of these methods that has one."""
        return next((self.methods[method] for method in acceptable if method in self.methods), None)


class _Branch(Generic[T]):
    __slots__ = ("leaf", "parameter", "texts", "wildcard")

    def __init__(self) -> None:
        self.texts: dict[str, _Branch[T]] = {}
        self.parameter: _Branch[T] | None = None
        self.wildcard: _Leaf[T] | None = None
        self.leaf: _Leaf[T] | None = None


class Routes(Generic[T]):
    """Finds the target of a method and a path. Routes are added while it is built, and then only looked up.

    `static` holds the patterns without parameters by their path, so that the usual case is one look-up.
    """

    def __init__(self) -> None:
        self.static: dict[str, Mapping[str, T]] = {}
        self._root: _Branch[T] = _Branch()

    def add(self, method: str, pattern: str, target: T) -> None:
        """Add a route. Raises :class:`PatternError` for a bad pattern, and for one that is there already."""
        segments = parse_pattern(pattern)
        names = tuple(name for kind, name in segments if kind != "text")
        branch = self._root
        leaf: _Leaf[T] | None = None
        for kind, text in segments:
            if kind == "text":
                branch = branch.texts.setdefault(text, _Branch())
            elif kind == "parameter":
                branch.parameter = branch.parameter or _Branch()
                branch = branch.parameter
            else:
                leaf = branch.wildcard = branch.wildcard or _Leaf()
        if leaf is None:
            leaf = branch.leaf = branch.leaf or _Leaf()
        if method in leaf.methods:
            raise PatternError(f"there is a route for {method} {pattern} already", "remove one of them")
        leaf.methods[method] = (target, names)
        if not names:
            path = "/" + "/".join(text for _, text in segments)
            if not any("/" in text or "%" in text for _, text in segments):
                self.static[path] = {key: value for key, (value, _) in leaf.methods.items()}

    def find(self, method: str, path: str) -> tuple[T, dict[str, str]] | None:
        """The target and its parameters; None if no route fits both path and method.

        HEAD is answered by a route for GET where it has none of its own.
        """
        acceptable = (method, "GET", ANY) if method == "HEAD" else (method, ANY)
        values: list[str] = []
        found = _walk(self._root, _segments(path), 0, values, acceptable)
        if found is None:
            return None
        target, names = found
        return target, dict(zip(names, values, strict=True))

    def allowed(self, path: str) -> list[str]:
        """The methods that the routes of a path take, sorted; empty if no route fits the path."""
        found: set[str] = set()
        _collect(self._root, _segments(path), 0, found)
        if "GET" in found:
            found.add("HEAD")
        if found:
            found.add("OPTIONS")
        return sorted(found)


def parse_pattern(pattern: str) -> list[tuple[str, str]]:
    """The segments of a pattern: each its kind (`text`, `parameter`, `wildcard`) and its text or name."""
    if not pattern.startswith("/"):
        raise PatternError(f"a path begins with a slash, {pattern!r} does not", f"write /{pattern}")
    if "?" in pattern or "#" in pattern:
        raise PatternError("a path has no query and no fragment", "the query is in `query` of the payload")
    parts = pattern[1:].split("/")
    segments: list[tuple[str, str]] = []
    names: set[str] = set()
    for index, part in enumerate(parts):
        if part == ANY:
            if index != len(parts) - 1:
                raise PatternError("nothing can follow the wildcard `*`", "use a parameter such as :name instead")
            kind, name = "wildcard", ANY
        elif part.startswith(":"):
            kind, name = "parameter", part[1:]
            if not name:
                raise PatternError("a parameter needs a name", r"write :name, or \: for a colon")
        else:
            if "*" in part.replace(r"\*", ""):
                raise PatternError("the wildcard `*` is a whole segment", r"write /*, or \* for an asterisk")
            text = part.replace(r"\:", ":").replace(r"\*", "*")
            segments.append(("text", unescaped_segment(text)))
            continue
        if name in names:
            raise PatternError(f"there are two parameters named {name!r}", "give them different names")
        names.add(name)
        segments.append((kind, name))
    return segments


def _segments(path: str) -> list[str]:
    parts = path[1:].split("/") if path.startswith("/") else path.split("/")
    return [unescaped_segment(part) for part in parts] if "%" in path else parts


def _walk(
    branch: _Branch[T], segments: list[str], depth: int, values: list[str], acceptable: tuple[str, ...]
) -> tuple[T, tuple[str, ...]] | None:
    """The best route below `branch` that takes one of the methods; `values` are then those of its parameters.

    It goes as deep as the deepest pattern, whatever the length of the path.
    """
    if depth == len(segments):
        return branch.leaf.choose(acceptable) if branch.leaf is not None else None
    segment = segments[depth]
    following = branch.texts.get(segment)
    if following is not None:
        found = _walk(following, segments, depth + 1, values, acceptable)
        if found is not None:
            return found
    if branch.parameter is not None and segment:
        values.append(segment)
        found = _walk(branch.parameter, segments, depth + 1, values, acceptable)
        if found is not None:
            return found
        values.pop()
    if branch.wildcard is not None:
        found = branch.wildcard.choose(acceptable)
        if found is not None:
            values.append("/".join(segments[depth:]))
        return found
    return None


def _collect(branch: _Branch[T], segments: list[str], depth: int, found: set[str]) -> None:
    if branch.wildcard is not None and depth < len(segments):
        found.update(branch.wildcard.methods)
    if depth == len(segments):
        if branch.leaf is not None:
            found.update(branch.leaf.methods)
        return
    following = branch.texts.get(segments[depth])
    if following is not None:
        _collect(following, segments, depth + 1, found)
    if branch.parameter is not None and segments[depth]:
        _collect(branch.parameter, segments, depth + 1, found)
