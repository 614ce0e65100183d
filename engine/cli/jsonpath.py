"""A small part of JSONPath for `-o jsonpath=…`: text with `{.a.b[0].c}` in it.

`{.items[*].name}` goes over a list, its results parted by spaces, as kubectl has it. Filters, slices and `range` are not in
it, and are refused by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from engine.errors import InvalidError

Step: TypeAlias = str | int | None
"""A key, an index, or None for all items."""

_STEP = re.compile(r"\.(?P<name>[^.\[\]{}'\"*\s]+)|\[(?P<index>-?\d+)\]|\['(?P<quoted>[^']*)'\]|(?P<all>\[\*\]|\.\*)")
_HINT: Final = "write {.name}, {.labels.app}, {.ports.out[0].name} or {[*].name}"


class Template:
    """A parsed `jsonpath=` template. Raises InvalidError for what this subset lacks."""

    def __init__(self, text: str) -> None:
        whole = text if "{" in text else f"{{{text}}}"
        self._parts: list[str | list[Step]] = []
        position = 0
        while position < len(whole):
            begin = whole.find("{", position)
            if begin < 0:
                self._parts.append(_literal(whole[position:]))
                break
            if begin > position:
                self._parts.append(_literal(whole[position:begin]))
            end = whole.find("}", begin)
            if end < 0:
                raise InvalidError(f"{text!r} has a {{ without its }}", hint=_HINT)
            self._parts.append(_expression(whole[begin + 1 : end].strip()))
            position = end + 1

    def render(self, data: Any) -> str:
        """The text for these data; what is not there is nothing."""
        return "".join(
            part if isinstance(part, str) else " ".join(_text(value) for value in _select(data, part))
            for part in self._parts
        )


def _literal(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\t", "\t")


def _expression(text: str) -> str | list[Step]:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return _literal(text[1:-1])
    if text.split(" ", maxsplit=1)[0] in ("range", "end"):
        raise InvalidError("jsonpath: `range` is not supported", hint="use {[*].name}, or -o json and jq")
    path = text.removeprefix("$")
    steps: list[Step] = []
    position = 1 if path == "." else 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise InvalidError(f"jsonpath: cannot read {path[position:]!r} in {text!r}", hint=_HINT)
        if match["index"] is not None:
            steps.append(int(match["index"]))
        elif match["all"] is not None:
            steps.append(None)
        else:
            steps.append(match["name"] if match["name"] is not None else match["quoted"])
        position = match.end()
    return steps


def _select(data: Any, steps: list[Step]) -> list[Any]:
    found = [data]
    for step in steps:
        found = [below for value in found for below in _below(value, step)]
    return found


def _below(value: Any, step: Step) -> list[Any]:
    if step is None:
        if isinstance(value, Mapping):
            return list(value.values())
        return list(value) if isinstance(value, list) else []
    if isinstance(step, int):
        return [value[step]] if isinstance(value, list) and -len(value) <= step < len(value) else []
    return [value[step]] if isinstance(value, Mapping) and step in value else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
