r"""A guard around the object of every `for … in`, for QuickJS.

`for (const key in text)` makes an object of the text. QuickJS does not look whether there was memory for it, and a text
of millions of characters that was put together of parts takes none before it is needed: then the process ends. It calls
no builtin there that could be replaced. So the loop becomes `for (const key in $0((text)))`, with a function that makes
the object, or fails as it should (`quickjs.js`).

The reader of tokens knows no grammar, and code may be written to fool it, so that a loop looks like part of a text.
Hence `for` becomes `f\u006fr` wherever it stands in a text or a pattern, which means the same there and is no keyword
anywhere, and comments with the word become blank. What would still come through is refused.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

from engine.errors import ExpressionError
from engine.language.javascript.tokens import BEFORE_EXPRESSION, Token, closing_bracket, place_at, text_at, tokenize

_Edit = tuple[int, int, str]

_FOR = re.compile(r"(?<![\w$])for(?![\w$])")
_ESCAPED = r"f\u006fr"
_NOT_NEWLINE = re.compile(r"[^\n\r\u2028\u2029]")
_NEWLINE = re.compile(r"\r\n|[\n\r\u2028\u2029]")
_ESCAPE = re.compile(r"\\u(?:\{([0-9a-fA-F]+)\}|([0-9a-fA-F]{4}))")
_HINT = "use `engine: v8`, or write it in another way"


@dataclass(frozen=True, slots=True)
class Guarded:
    """A script whose loops call `name`, which it has to be given: `script` is the body of a function of it."""

    script: str
    name: str
    _lines: list[str] = field(default_factory=list)
    _growth: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """By line: columns, from 0, of the line as it was, and how many characters were put in there."""

    def column(self, line: int, octets: int) -> int:
        """The characters before a place in a line (from 1) as it was; the place is given in octets of UTF-8, as it is.

        What was put in has the place of what follows it.
        """
        if not 0 < line <= len(self._lines):
            return octets
        column = len(self._lines[line - 1].encode()[:octets].decode("utf-8", "ignore"))
        put_in = 0
        for at, size in self._growth.get(line, ()):
            if column - put_in <= at:
                break
            put_in += min(size, column - put_in - at)
        return column - put_in


def guard(script: str) -> Guarded:
    """Put the guard into a script, line by line where everything was.

    Raises :class:`ExpressionError`, with its place in the script, for what could hide a loop from the reader or the guard
    from a loop: `with`, a line that begins with `-->`, a method that is called `for`, and that word in a template with a tag.
    """
    tokens = tokenize(script)
    name = _free_name({_ESCAPE.sub(_unescape, token.text) for token in tokens})
    edits = sorted([*_Loops(script, tokens, name).edits(), *_words(script, tokens), *_comments(script, tokens)])
    starts = [0, *(found.end() for found in _NEWLINE.finditer(script))]
    parts: list[str] = []
    growth: dict[int, list[tuple[int, int]]] = {}
    at = 0
    for start, end, text in edits:
        parts += (script[at:start], text)
        at = end
        if len(text) > end - start:
            line = bisect_right(starts, start)
            growth.setdefault(line, []).append((start - starts[line - 1], len(text) - (end - start)))
    guarded = "".join((*parts, script[at:]))
    return Guarded(guarded, name, _NEWLINE.split(guarded), growth)


class _Loops:
    """Looks for the loops among the tokens."""

    def __init__(self, script: str, tokens: list[Token], name: str) -> None:
        self._script = script
        self._tokens = tokens
        self._name = name

    def edits(self) -> list[_Edit]:
        edits: list[_Edit] = []
        for index, token in enumerate(self._tokens):
            following = self._text(index + 1)
            if token.text == "--" and token.after_newline and following == ">":
                raise self._error("a line cannot begin with `-->`", token)
            if token.kind != "name" or following != "(" or self._text(index - 1) in (".", "?."):
                continue
            if token.text == "with":
                raise self._error("`with` is not available on QuickJS", token)
            if token.text == "for":
                edits += self._loop(index)
        return edits

    def _loop(self, index: int) -> list[_Edit]:
        """What goes around the object of one loop; nothing if it is one of another kind."""
        tokens = self._tokens
        close = closing_bracket(tokens, index + 1)
        depth = tokens[index].depth + 1
        head = [at for at in range(index + 2, close) if tokens[at].depth == depth and tokens[at].kind != "template"]
        words = {tokens[at].text for at in head}
        if ";" in words:
            return []
        found = next((at for at in head if tokens[at].text == "in" and self._text(at - 1) not in (".", "?.")), None)
        if found is not None:
            end, last = tokens[found].end, tokens[close].start
            return [(end, end, f" {self._name}(("), (last, last, "))")]
        if "of" not in words:
            raise self._error("this `for` has neither `;` nor `of` nor `in`", tokens[index])
        return []

    def _text(self, index: int) -> str:
        return text_at(self._tokens, index)

    def _error(self, message: str, token: Token) -> ExpressionError:
        return ExpressionError(message, place=place_at(self._script, token.start), hint=_HINT)


def _words(script: str, tokens: list[Token]) -> list[_Edit]:
    """The word `for` in texts and patterns, and what becomes of it."""
    edits: list[_Edit] = []
    has_tag: list[bool] = []  # the templates that are open
    for index, token in enumerate(tokens):
        if token.kind not in ("string", "template", "regex"):
            continue
        if token.kind == "template" and token.text[0] == "`":
            has_tag.append(_may_be_tag(tokens, index - 1))
        places = [found.start() for found in _FOR.finditer(script, token.start, token.end)]
        if places and token.kind == "template" and has_tag[-1]:
            message = "a template with a tag cannot hold the word `for` on QuickJS"
            raise ExpressionError(message, place=place_at(script, places[0]), hint=_HINT)
        edits += [(at, at + len("for"), _ESCAPED) for at in places]
        if token.kind == "template" and token.text[-1] == "`":
            has_tag.pop()
    return edits


def _may_be_tag(tokens: list[Token], index: int) -> bool:
    if index < 0:
        return False
    token = tokens[index]
    if token.kind == "name":
        return token.text not in BEFORE_EXPRESSION
    return token.kind != "punctuator" or token.text in (")", "]", "}")


def _comments(script: str, tokens: list[Token]) -> list[_Edit]:
    """Comments with the word `for`, as blanks: what stands between two tokens is nothing else."""
    ends = [0, *(token.end for token in tokens)]
    starts = [*(token.start for token in tokens), len(script)]
    return [
        (end, start, _NOT_NEWLINE.sub(" ", script[end:start]))
        for end, start in zip(ends, starts, strict=True)
        if end < start and _FOR.search(script, end, start)
    ]


def _free_name(used: set[str]) -> str:
    return next(name for number in range(len(used) + 1) if (name := f"${number}") not in used)


def _unescape(found: re.Match[str]) -> str:
    code = int(found[1] or found[2], 16)
    return chr(code) if code < 0x110000 else found[0]
