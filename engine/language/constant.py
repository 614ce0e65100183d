"""Three languages that compute nothing: `text`, `json` and `yaml`.

The source is read once, when it is compiled, and every call answers with the same value, whatever its argument. That
value is shared on purpose: payloads are immutable by convention, and a language that lets its code change one works on
a copy.

Both readers are stricter than their libraries. A key that stands twice in a map is an error, since one of the two
values would be lost in silence; so are the `NaN` and `Infinity` that Python's `json` would let through. YAML is read by
its own 1.2 core schema, in which `no` and `on` are text, `014` is fourteen and dates do not exist.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import yaml

from engine.errors import ExpressionError, Place
from engine.language.protocol import Options, Payload

_DEFAULTS = Options()


class Constant:
    """A program that always gives the same value."""

    __slots__ = ("value",)
    is_async = False

    def __init__(self, value: Payload) -> None:
        self.value = value

    def __call__(self, payload: Payload, /) -> Payload:  # noqa: ARG002  (every program takes one)
        return self.value

    def close(self) -> None:
        """Nothing is held."""


class TextCompiler:
    """The source as it is, line breaks and all."""

    name = "text"

    def compile(self, source: str, options: Options = _DEFAULTS) -> Constant:  # noqa: ARG002
        """Never fails."""
        return Constant(source)


class JsonCompiler:
    """One JSON document (RFC 8259). Numbers without fraction and exponent are `int`, of any size up to 4,300 digits."""

    name = "json"

    def compile(self, source: str, options: Options = _DEFAULTS) -> Constant:  # noqa: ARG002
        """Raises :class:`ExpressionError`: a syntax error with its line and column, a key that stands twice, `NaN`."""
        try:
            value = json.loads(source, object_pairs_hook=_object, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            # The library's "line 1 column 2" is left out of the message: the place says it.
            raise ExpressionError(_lower_first(error.msg), place=Place(line=error.lineno, column=error.colno)) from None
        except _DuplicateKeyError as error:
            raise _duplicate_in_json(source, error.key) from None
        except RecursionError:
            raise ExpressionError("the document is nested too deeply") from None
        except ValueError as error:
            raise ExpressionError(_lower_first(str(error))) from None
        return Constant(value)


class YamlCompiler:
    """One YAML document, read by the core schema of YAML 1.2. An empty one is `None`. Map keys become text."""

    name = "yaml"

    def compile(self, source: str, options: Options = _DEFAULTS) -> Constant:  # noqa: ARG002
        """Raises :class:`ExpressionError` with its place: syntax, a key that stands twice, an unknown tag, a cycle."""
        loader = _Loader(source)
        try:
            value = loader.get_single_data()
        except yaml.MarkedYAMLError as error:
            raise _yaml_error(error) from None
        except yaml.reader.ReaderError as error:
            raise ExpressionError(f"unacceptable character {error.character!r}: {error.reason}") from None
        except RecursionError:
            raise ExpressionError("the document is nested too deeply") from None
        finally:
            loader.dispose()
        return Constant(value)


# ---------------------------------------------------------------------- JSON


class _DuplicateKeyError(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _DuplicateKeyError(key)
        seen.add(key)
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_JSON_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|[{}]', re.DOTALL)


def _duplicate_in_json(source: str, key: str) -> ExpressionError:
    """The error for a key that stands twice in one object; looks up where, the document being well-formed until there."""
    open_objects: list[dict[str, int]] = []
    for token in _JSON_TOKEN.finditer(source):
        if token[0] == "{":
            open_objects.append({})
        elif token[0] == "}":
            open_objects.pop()
        elif token[2]:
            name = json.loads(token[1])
            first = open_objects[-1].setdefault(name, token.start())
            if first != token.start() and name == key:
                return _duplicate(key, _place_at(source, first), _place_at(source, token.start()))
    return ExpressionError(f"the key {key!r} stands twice in one map")


def _place_at(source: str, offset: int) -> Place:
    before = source[:offset]
    return Place(line=before.count("\n") + 1, column=offset - before.rfind("\n"))


def _duplicate(key: object, first: Place, second: Place) -> ExpressionError:
    return ExpressionError(
        f"the key {key!r} stands twice in one map, first in line {first.line}, column {first.column}",
        place=second,
        hint="keep one of the two",
    )


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


# ---------------------------------------------------------------------- YAML

_Base: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_CORE = "tag:yaml.org,2002:"


_PLAIN = "plain"


class _Loader(_Base):  # type: ignore[misc]
    """Builds plain data from the nodes of PyYAML, by the core schema of YAML 1.2 (section 10.3.2)."""

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: tuple[bool, bool]) -> str:  # noqa: ARG002
        """The tag of a node that was written without one; the schema is applied where the value is built."""
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else f"{_CORE}str"
        return f"{_CORE}seq" if kind is yaml.SequenceNode else f"{_CORE}map"

    def construct_document(self, node: yaml.Node) -> Any:
        return _Builder().build(node)


_INTEGER = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_INFINITE = re.compile(r"([-+]?)(?:\.inf|\.Inf|\.INF)\Z")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


class _Builder:
    def __init__(self) -> None:
        self._built: dict[int, Any] = {}
        self._open: set[int] = set()

    def build(self, node: yaml.Node) -> Any:
        """The value of a node; an anchor's value is built once, and one that contains itself is refused."""
        known = id(node)
        if known in self._built:
            return self._built[known]
        if known in self._open:
            raise ExpressionError("the value contains itself", place=_place(node.start_mark))
        self._open.add(known)
        value = self._value(node)
        self._open.discard(known)
        self._built[known] = value
        return value

    def _value(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        kind = "seq" if isinstance(node, yaml.SequenceNode) else "map"
        if node.tag not in ("!", f"{_CORE}{kind}"):
            raise _unknown_tag(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item) for item in node.value]
        return self._map(node.value)

    def _map(self, pairs: list[tuple[yaml.Node, yaml.Node]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        places: dict[str, yaml.Node] = {}
        for key_node, value_node in pairs:
            key = _key(self.build(key_node), key_node)
            if key in places:
                raise _duplicate(key, _place(places[key].start_mark), _place(key_node.start_mark))
            places[key] = key_node
            made[key] = self.build(value_node)
        return made


def _key(value: Any, node: yaml.Node) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        raise ExpressionError("a list or a map cannot be a key", place=_place(node.start_mark))
    # What was written is what was meant: `1:` is the key "1", `yes:` is the key "yes".
    return str(node.value)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    match str(node.tag).removeprefix(_CORE):
        case "plain":
            return _plain(text, node)
        case "!" | "str":
            return text
        case "int" | "float" | "bool" | "null" as kind:
            return _tagged(kind, text, node)
        case _:
            raise _unknown_tag(node)


def _plain(text: str, node: yaml.Node) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return _integer(text, node)
    if _FLOAT.match(text):
        return float(text)
    if infinite := _INFINITE.match(text):
        return float(f"{infinite[1]}inf")
    return text


def _integer(text: str, node: yaml.Node) -> int:
    try:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    except ValueError:
        raise ExpressionError(f"an integer of {len(text)} digits is too long", place=_place(node.start_mark)) from None


def _tagged(kind: str, text: str, node: yaml.Node) -> Any:
    value = _plain(text, node)
    fits = {
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "null": value is None,
    }
    if not fits[kind]:
        raise ExpressionError(f"{text!r} is no {kind}", place=_place(node.start_mark))
    return float(value) if kind == "float" else value


def _unknown_tag(node: yaml.Node) -> ExpressionError:
    tag = str(node.tag).replace(_CORE, "!!")
    return ExpressionError(f"unknown tag {tag}", place=_place(node.start_mark), hint="leave the tag out")


def _yaml_error(error: yaml.MarkedYAMLError) -> ExpressionError:
    mark = error.problem_mark or error.context_mark
    parts = [part for part in (error.context, error.problem) if part]
    return ExpressionError(", ".join(parts) or "not YAML", place=_place(mark) if mark is not None else None)


def _place(mark: yaml.Mark) -> Place:
    return Place(line=mark.line + 1, column=mark.column + 1)
