"""JavaScript in tokens: enough of the lexical grammar to find `export`, and never to be fooled by what looks like it.

A word inside a string, a template, a comment or a regular expression is not code, and whether a `/` divides or begins a
regular expression depends on what stands before it. So the source is read token by token, as ECMA-262 (chapter 12) has
it, with a stack of open brackets. Grammar is left to the engine: whatever is well-formed here may still be nonsense.

Reading is linear in the source's length and needs no recursion.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from engine.errors import ExpressionError, Place

Kind = Literal["name", "private", "number", "string", "template", "regex", "punctuator"]

_SPACE = re.compile(r"[^\S\n\r\u2028\u2029]+|\ufeff+")
_NEWLINE = re.compile(r"\r\n|[\n\r\u2028\u2029]")
_LINE_COMMENT = re.compile(r"//[^\n\r\u2028\u2029]*")
_NAME = re.compile(r"(?:[\w$\u200c\u200d]|\\u[0-9a-fA-F]{4}|\\u\{[0-9a-fA-F]+\})+")
_NUMBER = re.compile(r"0[xXbBoO][\w]+|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?n?")
_STRING = {
    '"': re.compile(r'"(?:[^"\\\n\r]|\\(?:\r\n|[\s\S]))*"'),
    "'": re.compile(r"'(?:[^'\\\n\r]|\\(?:\r\n|[\s\S]))*'"),
}
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(`|\$\{)")
_REGEX = re.compile(
    r"/(?![*/])(?:[^/\\\[\n\r\u2028\u2029]|\\[^\n\r\u2028\u2029]|\[(?:[^\]\\\n\r\u2028\u2029]|\\[^\n\r\u2028\u2029])*\])+/[\w$]*"
)
_PUNCTUATOR = re.compile(
    r">>>=|\.\.\.|===|!==|\*\*=|<<=|>>=|>>>|&&=|\|\|=|\?\?=|=>|==|!=|<=|>=|&&|\|\||\?\?|\?\.(?![0-9])"
    r"|\+\+|--|\+=|-=|\*=|/=|%=|&=|\|=|\^=|<<|>>|\*\*|[{}()\[\];,<>+\-*/%&|^!~?:=.@]"
)

_CLOSER = {"(": ")", "[": "]", "{": "}", "${": "}"}
BEFORE_EXPRESSION = frozenset(
    "await case default delete do else extends in instanceof new of return throw typeof void yield".split()  # noqa: SIM905  (words read better without quotes)
)
"""Words of the language behind which an expression begins, so that they are no name."""
_BEFORE_HEAD = frozenset(("if", "while", "for", "with"))
_BEFORE_BLOCK = frozenset(("else", "do", "try", "finally"))


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `depth` is the number of brackets open around it; a bracket stands outside of itself."""

    kind: Kind
    text: str
    start: int
    end: int
    depth: int
    after_newline: bool


@dataclass(slots=True)
class _Bracket:
    text: str
    start: int
    expression: bool
    """For `{`: an object literal, so that a `/` after its end divides. For `(`: not the head of an `if` or a loop."""


def tokenize(source: str) -> list[Token]:
    """All tokens of `source`, comments and space left out.

    Raises :class:`ExpressionError`, with its place, for what never ends (a string, a template, a comment, a regular
    expression, a bracket), for a closing bracket too many, and for a character that begins no token.
    """
    return list(_Reader(source).read())


def text_at(tokens: Sequence[Token], index: int) -> str:
    """The text of a token; empty where there is none."""
    return tokens[index].text if 0 <= index < len(tokens) else ""


def closing_bracket(tokens: Sequence[Token], opening: int) -> int:
    """The index of the bracket that closes the one at `opening`. There is one, or the source would have no tokens."""
    depth = tokens[opening].depth
    return next(
        index
        for index in range(opening + 1, len(tokens))
        if tokens[index].depth == depth and tokens[index].text in (")", "]", "}")
    )


def place_at(source: str, offset: int) -> Place:
    """The line and column, from 1, of a character of `source`."""
    line, start = 1, 0
    for newline in _NEWLINE.finditer(source, 0, offset):
        line, start = line + 1, newline.end()
    return Place(line=line, column=offset - start + 1)


def offset_at(source: str, place: Place) -> int:
    """The offset of the character at a place of `source`: :func:`place_at` backwards. Never behind the end."""
    line, start = 1, 0
    for newline in _NEWLINE.finditer(source):
        if line == place.line:
            break
        line, start = line + 1, newline.end()
    return min(start + place.column - 1, len(source)) if line == place.line else len(source)


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._newline = False
        self._open: list[_Bracket] = []
        self._last: Token | None = None
        self._before_last: Token | None = None
        self._regex_may_follow = True

    def read(self) -> Iterator[Token]:
        while self._skip_space():
            token = self._next()
            self._before_last, self._last = self._last, token
            self._newline = False
            yield token
        if self._open:
            opener = self._open[-1]
            name = "template" if opener.text == "${" else f"'{opener.text}'"
            self._fail(f"{name} is never closed", opener.start)

    def _skip_space(self) -> bool:
        source = self._source
        while self._at < len(source):
            if found := _SPACE.match(source, self._at):
                self._at = found.end()
            elif found := _NEWLINE.match(source, self._at):
                self._at = found.end()
                self._newline = True
            elif found := _LINE_COMMENT.match(source, self._at):
                self._at = found.end()
            elif source.startswith("/*", self._at):
                end = source.find("*/", self._at + 2)
                if end < 0:
                    self._fail("comment is never closed", self._at)
                self._newline = self._newline or _NEWLINE.search(source, self._at, end) is not None
                self._at = end + 2
            else:
                return True
        return False

    def _next(self) -> Token:
        source, start = self._source, self._at
        char = source[start]
        if char in _STRING:
            return self._match("string", _STRING[char], "string is never closed")
        if char == "`":
            return self._template(start + 1)
        if char == "#":
            return self._match("private", re.compile("#" + _NAME.pattern), "unexpected character '#'")
        if char.isdigit() or (char == "." and source[start + 1 : start + 2].isdigit()):
            return self._match("number", _NUMBER, f"unexpected character '{char}'")
        if _NAME.match(source, start):
            return self._name()
        if char == "/" and self._regex_may_follow:
            return self._match("regex", _REGEX, "regular expression is never closed")
        if source.startswith("<!--", start):
            # A script reads this as a comment and a module as operators: refuse what would be read in two ways.
            self._fail("'<!--' is no operator: write '< !--' with a space", start)
        return self._punctuator()

    def _match(self, kind: Kind, pattern: re.Pattern[str], complaint: str) -> Token:
        found = pattern.match(self._source, self._at)
        if found is None:
            self._fail(complaint, self._at)
        self._regex_may_follow = False
        return self._token(kind, found.end())

    def _name(self) -> Token:
        found = _NAME.match(self._source, self._at)
        assert found is not None
        token = self._token("name", found.end())
        self._regex_may_follow = token.text in BEFORE_EXPRESSION and not self._is_member()
        return token

    def _template(self, content: int) -> Token:
        found = _TEMPLATE.match(self._source, content)
        if found is None:
            self._fail("template is never closed", self._at)
        token = self._token("template", found.end())
        opens = found[1] == "${"
        if opens:
            self._open.append(_Bracket("${", token.start, expression=True))
        self._regex_may_follow = opens
        return token

    def _punctuator(self) -> Token:
        found = _PUNCTUATOR.match(self._source, self._at)
        if found is None:
            self._fail(f"unexpected character '{self._source[self._at]}'", self._at)
        text = found[0]
        if text in ("(", "[", "{"):
            token = self._token("punctuator", found.end())
            self._open.append(_Bracket(text, token.start, self._opens_expression(text)))
            self._regex_may_follow = True
            return token
        if text in (")", "]", "}"):
            return self._close(text)
        self._regex_may_follow = text not in ("++", "--")
        return self._token("punctuator", found.end())

    def _close(self, text: str) -> Token:
        if not self._open or _CLOSER[self._open[-1].text] != text:
            self._fail(f"unexpected '{text}'", self._at)
        opener = self._open.pop()
        if opener.text == "${":
            return self._template(self._at + 1)
        self._regex_may_follow = text != "]" and not opener.expression
        return self._token("punctuator", self._at + 1)

    def _opens_expression(self, bracket: str) -> bool:
        last = self._last
        if bracket == "(":
            return last is None or last.text not in _BEFORE_HEAD or self._last_is_member()
        if bracket == "[":
            return True
        if last is None or last.text in (";", "{", "}", ")", "=>"):
            return False
        if last.kind == "name":
            return last.text in BEFORE_EXPRESSION and last.text not in _BEFORE_BLOCK
        if last.text == ":":
            return bool(self._open) and self._open[-1].expression  # else a label or a case, before a block
        return True

    def _is_member(self) -> bool:
        return self._last is not None and self._last.text in (".", "?.")

    def _last_is_member(self) -> bool:
        return self._before_last is not None and self._before_last.text in (".", "?.")

    def _token(self, kind: Kind, end: int) -> Token:
        start, self._at = self._at, end
        return Token(kind, self._source[start:end], start, end, len(self._open), self._newline)

    def _fail(self, complaint: str, offset: int) -> NoReturn:
        raise ExpressionError(complaint, place=place_at(self._source, offset))
