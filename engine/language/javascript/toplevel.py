r"""What stands at the top level of a module, if it is nothing that could remember anything.

A module may have, at its top level, functions, and constants of a few plain shapes:

| shape | example | what may be done with it |
| --- | --- | --- |
| a value | `const day = 24 * 60 * 60` | anything |
| a frozen table | `const rates = Object.freeze({de: 0.19})` | anything |
| a table | `const names = ["a", "b"]`, `{de: 0.19}`, `new Set(["a"])` | reading |
| an enum | what TypeScript makes of one: `var A; (function (A) { … })(A \|\| (A = {}));` | reading |
| a pattern | `const word = /\w+/i` | matching |
| a function | `const tax = (n) => n * 0.19` | calling |

The values in a table are plain (text, number, true, false, null): whoever reads one holds nothing that could be changed.
Anything else, even if it is harmless, is not understood here. What the names may be used for is `state.py`'s to check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from engine.language.javascript.tokens import Token, closing_bracket, text_at

_WORDS = frozenset(("true", "false", "null", "undefined"))
_OPERATORS = frozenset("+ - * / % ** ( ) << >> >>> & | ^ ~ ! ? : < > <= >= === !== && || ??".split())  # noqa: SIM905
_GOES_ON = frozenset(". ?. ? : + - * / % ** && || ?? < > <= >= == != === !== & | ^ << >> >>> ) ] }".split())  # noqa: SIM905
_LEAVES_OPEN = frozenset("=> ? : + - * / % ** && || ??".split())  # noqa: SIM905
_STATEMENTS = frozenset(("const", "export", "function"))


@dataclass(slots=True)
class TopLevel:
    """The names of a module's top level, by what they stand for; `defined` are the places of their definitions."""

    values: set[str] = field(default_factory=set)
    tables: set[str] = field(default_factory=set)
    patterns: dict[str, str] = field(default_factory=dict)
    """Regular expressions, with their flags."""
    functions: set[str] = field(default_factory=set)
    defined: set[int] = field(default_factory=set)


def read_top_level(tokens: list[Token]) -> TopLevel | None:
    """The top level of a module, or None if there is anything in it that is not known to be harmless."""
    reader = _Reader(tokens)
    try:
        reader.read()
    except _UnknownError:
        return None
    return reader.found


class _UnknownError(Exception):
    """Something that is not understood."""


class _Reader:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self.found = TopLevel()

    def read(self) -> None:
        while self._at < len(self._tokens):
            if self._take(";"):
                continue
            default = False
            if self._take("export"):
                default = self._take("default")
            if self._text() == "const" and not default:
                self._at += 1
                self._constant()
            elif self._text() == "var" and not default:
                self._enum()
            elif self._text() == "function" or (self._text() == "async" and self._text(1) == "function"):
                self._function()
            elif default:
                self._arrow()
            else:
                raise _UnknownError

    # ------------------------------------------------------------------ statements

    def _function(self) -> None:
        self._take("async")
        self._expect("function")
        self._take("*")
        if self._text() != "(":
            self._define(self.found.functions)
        self._skip_brackets("(")
        self._skip_brackets("{")

    def _constant(self) -> None:
        if self._kind() != "name":
            raise _UnknownError
        name = self._at
        self._at += 1
        self._expect("=")
        if self._is_arrow():
            self._arrow()
            self._note(name, self.found.functions)
            return
        if self._kind() == "regex":
            self.found.patterns[self._tokens[name].text] = self._text().rpartition("/")[2]
            self.found.defined.add(name)
            self._at += 1
        elif self._texts(4) == ["Object", ".", "freeze", "("]:
            self._at += 4
            if self._text() == "new":  # to freeze a Set or a Map keeps nobody from changing it
                raise _UnknownError
            self._table()
            self._expect(")")
            self._note(name, self.found.values)
        elif self._text() in ("[", "{", "new"):
            self._table()
            self._note(name, self.found.tables)
        else:
            self._value()
            self._note(name, self.found.values)
        self._end()

    def _enum(self) -> None:
        """An object that is filled once, with a value and its name for each member."""
        self._expect("var")
        if self._kind() != "name":
            raise _UnknownError
        name = self._text()
        self._spell([name, ";", "(", "function", "(", name, ")", "{"], name)
        members: set[str] = set()
        while not self._take("}"):
            members.add(self._member(name, members))
        self._spell([")", "(", name, "||", "(", name, "=", "{", "}", ")", ")"], name)
        self.found.tables.add(name)
        self._end()

    def _member(self, enum: str, before: set[str]) -> str:
        self._expect("const")
        if self._kind() != "name":
            raise _UnknownError
        name = self._text()
        self._at += 1
        self._expect("=")
        while not self._take(";"):
            if not (self._is_literal() or self._text() in _OPERATORS or self._text() in self.found.values | before):
                raise _UnknownError
            self._at += 1
        key = f'"{name}"'
        by_name = ["[", key, "]", "=", name]
        is_text = self._texts(6)[1:] == by_name
        self._spell([enum, *by_name, ";"] if is_text else [enum, "[", enum, *by_name, "]", "=", key, ";"], enum)
        return name

    def _spell(self, texts: list[str], name: str) -> None:
        """These tokens follow; every `name` among them belongs to its definition."""
        for text in texts:
            if text == name:
                self.found.defined.add(self._at)
            self._expect(text)

    def _arrow(self) -> None:
        """An arrow function; nothing of its body runs now."""
        if not self._is_arrow():
            raise _UnknownError
        self._take("async")
        if self._text() == "(":
            self._skip_brackets("(")
        else:
            self._at += 1
        self._expect("=>")
        if self._text() == "{":
            self._skip_brackets("{")
            self._end()
            return
        # An expression goes on to a `;`, or to a line that begins with what no expression goes on with.
        while self._at < len(self._tokens) and not self._is_end():
            token = self._tokens[self._at]
            may_be_another = token.after_newline and token.text not in _GOES_ON and self._text(-1) not in _LEAVES_OPEN
            if token.depth == 0 and (token.text == "," or may_be_another):
                raise _UnknownError
            self._at += 1

    def _is_arrow(self) -> bool:
        at = self._at + (self._text() == "async")
        if at < len(self._tokens) and self._tokens[at].text == "(":
            at = closing_bracket(self._tokens, at)
        return at + 1 < len(self._tokens) and self._tokens[at + 1].text == "=>"

    def _end(self) -> None:
        if not self._is_end():
            raise _UnknownError

    def _is_end(self) -> bool:
        """Whether a statement has certainly ended here."""
        if self._at >= len(self._tokens):
            return True
        token = self._tokens[self._at]
        if token.depth:
            return False
        begins = token.text in _STATEMENTS or (token.text == "async" and self._text(1) == "function")
        return token.text == ";" or (token.after_newline and begins)

    # ------------------------------------------------------------------ values

    def _value(self) -> None:
        """An expression of literals and of other values."""
        start = self._at
        while self._at < len(self._tokens) and not self._is_end() and self._text() != ",":
            if self._text() in (")", "]", "}") and self._closes_around(start):
                break
            if not (self._is_literal() or self._text() in _OPERATORS or self._text() in self.found.values):
                raise _UnknownError
            self._at += 1
        if self._at == start:
            raise _UnknownError

    def _is_literal(self) -> bool:
        text, kind = self._text(), self._kind()
        return kind in ("number", "string") or text in _WORDS or (kind == "template" and text[-1] == text[0] == "`")

    def _closes_around(self, start: int) -> bool:
        return self._tokens[self._at].depth < self._tokens[start].depth

    def _table(self) -> None:
        """A list or a map of values, or a Set or a Map of such."""
        if self._text() == "{":
            self._items("{", self._field)
        elif self._text() == "[":
            self._items("[", self._value)
        elif self._texts(3) == ["new", "Set", "("]:
            self._at += 3
            self._items("[", self._value)
            self._expect(")")
        elif self._texts(3) == ["new", "Map", "("]:
            self._at += 3
            self._items("[", lambda: self._items("[", self._value))
            self._expect(")")
        else:
            raise _UnknownError

    def _items(self, opener: str, item: Callable[[], None]) -> None:
        closer = "}" if opener == "{" else "]"
        self._expect(opener)
        while not self._take(closer):
            item()
            if self._text() != closer:
                self._expect(",")

    def _field(self) -> None:
        if self._kind() not in ("name", "string", "number"):
            raise _UnknownError
        self._at += 1
        self._expect(":")
        self._value()

    # ------------------------------------------------------------------ tokens

    def _define(self, names: set[str]) -> None:
        self._note(self._at, names)
        self._at += 1

    def _note(self, at: int, names: set[str]) -> None:
        names.add(self._tokens[at].text)
        self.found.defined.add(at)

    def _text(self, ahead: int = 0) -> str:
        return text_at(self._tokens, self._at + ahead)

    def _texts(self, count: int) -> list[str]:
        return [token.text for token in self._tokens[self._at : self._at + count]]

    def _kind(self) -> str:
        return self._tokens[self._at].kind if self._at < len(self._tokens) else ""

    def _take(self, text: str) -> bool:
        if self._text() != text:
            return False
        self._at += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise _UnknownError

    def _skip_brackets(self, opener: str) -> None:
        if self._text() != opener:
            raise _UnknownError
        self._at = closing_bracket(self._tokens, self._at) + 1
