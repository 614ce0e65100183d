"""A snippet is a module; what the engine runs is a script. Here the one becomes the other.

Neither binding loads ES modules, so the `export`s are taken out, token by token, and what remains is wrapped in a
function. Every character that stays keeps its line and its column: what is removed becomes spaces, and what is put in
fits into the room that was freed.

| source | script |
| --- | --- |
| `export default (a) => a`            | `let    $dflt = (a) => a` |
| `export default function (a) {…}`    | `function $dflt          (a) {…}`, so it is hoisted as in a module |
| `export default function f(a) {…}`   | `               function f(a) {…}` |
| `export const x = 1`                 | `       const x = 1` |
| `export {f as default, g}`           | spaces |
| `module.exports = f`                 | as it is |

The wrapper stands on a line of its own (:data:`LINES_BEFORE`). An ES module becomes a strict async function (so that
`await` works at its top level) that answers `[default]`; a CommonJS one a plain function of `module` and `exports`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from engine.errors import ExpressionError, Place
from engine.language.javascript.reads import Reads, reads_of_default_export
from engine.language.javascript.state import keeps_state
from engine.language.javascript.tokens import Token, place_at, tokenize

LINES_BEFORE = 1
"""How many lines of the script stand before the first line of the source."""

SOURCE_NAME = "snippet.js"
"""What the script is called in stack traces."""

_HINT = "write `export default function (args) { … }`"
_NEWLINES = re.compile(r"[^\n\r\u2028\u2029]")


class Origin(Protocol):
    """What a source was translated from, if JavaScript is not what the user wrote."""

    @property
    def name(self) -> str:
        """What it is called in stack traces."""
        ...

    def place(self, place: Place) -> Place:
        """The place in it of a place in the source. Both count from 1."""
        ...


@dataclass(frozen=True, slots=True)
class Module:
    """A module that was rewritten.

    `script` is an expression whose value is the function that runs the module's top level. `common` tells which of the
    two kinds it is. `keeps_state` is false only if nothing can be lost when the module is loaded anew. The places of its
    errors are those in `origin`, if it has one.
    """

    source: str
    script: str
    common: bool
    keeps_state: bool
    reads: Reads | None = None
    origin: Origin | None = None


def rewrite(source: str) -> Module:
    """Make `source` a :class:`Module`.

    Raises :class:`ExpressionError` with the place: for `import`, for a re-export, for a module without a default export
    or with two, and for what :func:`~engine.language.javascript.tokens.tokenize` refuses.
    """
    tokens = tokenize(source)
    exports = _Exports(source, tokens)
    exports.read()
    if exports.default is None:
        if not _is_common(tokens):
            raise ExpressionError("the module exports nothing by default", place=Place(line=1, column=1), hint=_HINT)
        script = f"(function (module, exports) {{\n{source}\n}})\n//# sourceURL={SOURCE_NAME}"
        return Module(source, script, common=True, keeps_state=True)
    body = exports.text()
    script = (
        f'(async function () {{"use strict";\n{body}\nreturn [{exports.default}];\n}})\n//# sourceURL={SOURCE_NAME}'
    )
    return Module(source, script, common=False, keeps_state=keeps_state(tokens), reads=reads_of_default_export(tokens))


def _is_common(tokens: list[Token]) -> bool:
    """Whether `module.exports` or `exports.default` is named anywhere."""
    texts = [token.text for token in tokens]
    return any(
        texts[i : i + 3] in (["module", ".", "exports"], ["exports", ".", "default"])
        and (i == 0 or texts[i - 1] not in (".", "?."))
        for i in range(len(texts) - 2)
    )


class _Exports:
    """Goes over the tokens once and notes what is to be replaced."""

    def __init__(self, source: str, tokens: list[Token]) -> None:
        self._source = source
        self._tokens = tokens
        self._edits: list[tuple[int, int, str]] = []
        self._free_name = _free_name({token.text for token in tokens})
        self.default: str | None = None

    def read(self) -> None:
        for index, token in enumerate(self._tokens):
            if token.depth or token.kind != "name" or self._text(index - 1) in (".", "?."):
                continue
            if token.text == "import" and self._text(index + 1) not in ("(", "."):
                raise self._error("import is not available: a snippet is one module alone", token)
            if token.text == "export":
                self._export(index)

    def text(self) -> str:
        """The source without its exports, every other character in its place."""
        parts: list[str] = []
        at = 0
        for start, end, replacement in self._edits:
            parts += (self._source[at:start], _fill(self._source[start:end], replacement))
            at = end
        return "".join((*parts, self._source[at:]))

    def _export(self, index: int) -> None:
        following = self._text(index + 1)
        if following == "*":
            raise self._error("export … from is not available: a snippet is one module alone", self._tokens[index])
        if following == "{":
            self._export_list(index)
        elif following == "default":
            self._export_default(index)
        elif following in ("const", "let", "var", "function", "class", "async"):
            self._replace(index, index)
        else:
            raise self._error("nothing that can be exported follows", self._tokens[index], hint=_HINT)

    def _export_list(self, index: int) -> None:
        close = index + 2
        while self._text(close) not in ("}", ""):
            close += 1
        if self._text(close + 1) == "from":
            raise self._error("export … from is not available: a snippet is one module alone", self._tokens[index])
        item: list[Token] = []
        for token in self._tokens[index + 2 : close + 1]:
            if token.text not in (",", "}"):
                item.append(token)
                continue
            self._export_item(item)
            item = []
        # An empty statement keeps what stands before and after apart.
        self._replace(index, close, ";")

    def _export_item(self, item: list[Token]) -> None:
        match [token.text for token in item]:
            case [] | [_]:
                return
            case [local, "as", "default" | '"default"' | "'default'"]:
                self._set_default(local, item[0])
            case [_, "as", _]:
                return
            case _:
                raise self._error("this export cannot be read", item[0], hint="write `export {name as default}`")

    def _export_default(self, index: int) -> None:
        at = index + 2
        head: list[str] = []
        if self._text(at) == "async" and self._text(at + 1) == "function" and not self._tokens[at + 1].after_newline:
            head.append("async")
            at += 1
        if self._text(at) not in ("function", "class"):
            self._replace(index, index, "let")
            self._replace(index + 1, index + 1, f"{self._free_name} =")
            self._set_default(self._free_name, self._tokens[index])
            return
        head.append(self._text(at))
        at += 1
        if self._text(at) == "*":
            head.append("*")
            at += 1
        follows = self._tokens[at] if at < len(self._tokens) else None
        if follows is not None and follows.kind == "name" and follows.text != "extends":
            self._replace(index, index + 1)
            self._set_default(follows.text, self._tokens[index])
            return
        self._replace(index, at - 1, " ".join([*head, self._free_name]))
        self._set_default(self._free_name, self._tokens[index])

    def _set_default(self, name: str, token: Token) -> None:
        if self.default is not None:
            raise self._error("a module has one default export only", token)
        self.default = name

    def _replace(self, first: int, last: int, replacement: str = "") -> None:
        self._edits.append((self._tokens[first].start, self._tokens[last].end, replacement))

    def _text(self, index: int) -> str:
        return self._tokens[index].text if 0 <= index < len(self._tokens) else ""

    def _error(self, message: str, token: Token, *, hint: str | None = None) -> ExpressionError:
        return ExpressionError(message, place=place_at(self._source, token.start), hint=hint)


def _fill(old: str, new: str) -> str:
    """`new` in the room of `old`, newlines kept. `new` is never longer than `old` without its newlines."""
    blank = _NEWLINES.sub(" ", old)
    first_line = re.match(r" *", blank)
    assert first_line is not None
    if len(new) <= first_line.end():
        return new + blank[len(new) :]
    # The freed room is broken into lines: what is new stands before them, and only the first of them grows.
    return new + blank[first_line.end() :]


def _free_name(used: set[str]) -> str:
    """A name of five characters (`$dflt`) that the module does not use; `default` gives it its room."""
    return next(name for name in ("$dflt", *(f"${n:04}" for n in range(len(used) + 1))) if name not in used)
