"""Which parts of its argument a function reads, as far as its text tells.

What a call costs is mostly the size of its argument. A function that takes a whole request and reads two of its fields
should pay for those two, so only what it reads is sent:

| source | sent |
| --- | --- |
| `(r) => r.query.page`                       | `query.page` |
| `({method, body: {items}}) => …`            | `method`, `body.items` |
| `(r) => r.headers["x-id"] ?? r.body.id`     | `headers.x-id`, `body.id` |
| `(r) => r.body.items.map(…)`                | `body.items`, since a method sees all of its object |
| `(r) => f(r)`, `{...r}`, `r[key]`, `r = …`  | everything |

The function must not be able to tell. So the rule is narrow: every time the parameter is named, a property with a known
name is read from it at once. To declare the name anew, to assign to it, to hand it on, all look different and count as
"everything"; so do `arguments`, `eval`, and a call (`r.f()`, whose `this` would be `r`). Fields of objects are left out
only from maps: a list, a text or an error value is always sent whole.

What is not sent is not looked at either: a part that could not cross does not fail a call that never reads it.
"""

from __future__ import annotations

from typing import Any

from engine.language.javascript.tokens import Token, closing_bracket, text_at


class Reads(dict[str, "Reads | None"]):
    """The fields that are read of a map; None stands for a field that is read as a whole."""


_REACHES_ARGUMENT = frozenset(("arguments", "eval"))
# Who changes what all objects inherit could have every read tell of its object.
_REACHES_EVERY_OBJECT = frozenset(("prototype", "__proto__", "getPrototypeOf"))
# Every object has these, and what they do depends on all of it.
_INHERITED = frozenset(
    """
    __proto__ __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__ constructor hasOwnProperty
    isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf toJSON
    """.split()  # noqa: SIM905  (words read better without quotes)
)
_WRITES = frozenset("= += -= *= /= %= **= <<= >>= >>>= &= |= ^= &&= ||= ??= ++ --".split())  # noqa: SIM905
_WRITES_BEFORE = frozenset(("++", "--", "delete"))
# Keys that are no text become these when they cross.
_TEXTS_OF_OTHER_KEYS = frozenset(("true", "false", "null", "NaN", "Infinity"))


def reads_of_default_export(tokens: list[Token]) -> Reads | None:
    """What the default export of these tokens reads of its first argument, or None for "perhaps everything"."""
    at = _default_export(tokens)
    if at is None or any(token.text.strip("\"'`") in _REACHES_EVERY_OBJECT for token in tokens):
        return None
    return _Function(tokens, at).reads()


def project(payload: Any, reads: Reads) -> Any:
    """`payload` without what is not read. Maps are new, everything else is the payload's own."""
    if type(payload) is not dict:
        return payload
    fields = {}
    for name, deeper in reads.items():
        if name in payload:
            value = payload[name]
            fields[name] = value if deeper is None else project(value, deeper)
    return fields


class _EverythingError(Exception):
    """The argument may be read as a whole."""


def _default_export(tokens: list[Token]) -> int | None:
    """The index of what `export default` exports."""
    for index, token in enumerate(tokens[:-2]):
        if token.depth == 0 and token.text == "export" and tokens[index + 1].text == "default":
            return index + 2
    return None


class _Function:
    """The function that begins at a token, if one does."""

    def __init__(self, tokens: list[Token], at: int) -> None:
        self._tokens = tokens
        self._at = at
        self._reads = Reads()

    def reads(self) -> Reads | None:
        try:
            self._read()
        except _EverythingError:
            return None
        return self._reads

    def _read(self) -> None:
        at = self._at
        if self._text(at) == "async" and not self._token(at + 1).after_newline:
            at += 1
        if self._text(at) == "function":
            at = self._declaration(at + 1)
        elif self._text(at) != "(":
            self._bare_arrow(at)
            return
        end = self._closing(at)
        is_arrow = self._text(end + 1) == "=>"
        if is_arrow == (self._text(at - 1) in ("default", "async")):
            body = end + 2 if is_arrow else end + 1
            self._parameters(at, self._end_of(body))
            return
        raise _EverythingError

    def _declaration(self, at: int) -> int:
        """Past `function` up to the `(`. A name must only be used to call, or another function could take its place."""
        if self._text(at) == "*":
            at += 1
        if self._text(at) == "(":
            return at
        name = self._text(at)
        for index, token in enumerate(self._tokens):
            if index == at or token.text != name or token.kind != "name" or self._text(index - 1) in (".", "?."):
                continue
            if self._text(index + 1) != "(" or self._text(index - 1) in ("function", "*", "async"):
                raise _EverythingError
        return at + 1

    def _bare_arrow(self, at: int) -> None:
        if self._token(at).kind != "name" or self._text(at + 1) != "=>":
            raise _EverythingError
        self._uses(self._text(at), at + 1, self._end_of(at + 2))

    def _parameters(self, at: int, end: int) -> None:
        """The list of parameters begins at `at`, and the body ends at `end`."""
        first = at + 1
        if self._text(first) == ")":
            self._uses(None, first, end)
        elif self._text(first) == "{":
            self._pattern(first, self._reads)
            self._uses(None, first, end)
        elif self._token(first).kind == "name" and self._text(first + 1) in (",", ")", "="):
            self._uses(self._text(first), first + 1, end)
        else:
            raise _EverythingError

    def _pattern(self, at: int, reads: Reads) -> None:
        """A pattern like `{a, b: {c}}`, by the `{` of which it stands."""
        close = self._closing(at)
        at += 1
        while at < close:
            name = self._key(at)
            at += 1
            if self._text(at) != ":":
                self._add(reads, [name])
            elif self._text(at + 1) == "{" and self._text(self._closing(at + 1) + 1) in (",", "}", "="):
                self._pattern(at + 1, self._deeper(reads, name))
            else:
                self._add(reads, [name])
            depth = self._token(close).depth + 1
            while at < close and not (self._text(at) == "," and self._token(at).depth == depth):
                at += 1
            at += 1

    def _uses(self, parameter: str | None, start: int, end: int) -> None:
        """Go over the function's tokens and note what is read wherever the parameter is named."""
        for index in range(start, end):
            token = self._tokens[index]
            if token.kind != "name":
                continue
            if token.text in _REACHES_ARGUMENT or "\\u" in token.text:
                raise _EverythingError
            if token.text == parameter and self._text(index - 1) not in (".", "?."):
                self._use(index)

    def _use(self, index: int) -> None:
        path, after = self._path(index + 1)
        if path and self._is_more_than_read(index, after):
            path.pop()
        if not path:
            raise _EverythingError
        self._add(self._reads, path)

    def _path(self, at: int) -> tuple[list[str], int]:
        """The names of the properties that are read one from the other, and the index behind them."""
        path: list[str] = []
        while True:
            if self._text(at) in (".", "?.") and self._token(at + 1).kind == "name":
                name, following = self._text(at + 1), at + 2
            elif self._text(at) == "[" and self._token(at + 1).kind == "string" and self._text(at + 2) == "]":
                name, following = self._text(at + 1)[1:-1], at + 3
            else:
                return path, at
            if not _is_safe(name):
                return path, at
            path.append(name)
            at = following

    def _is_more_than_read(self, index: int, after: int) -> bool:
        """Whether what stands at the end of a path is called (then `this` is its object) or written."""
        following = self._text(after)
        if following == ")":  # a call, for all that brackets may stand around the path
            while self._text(after) == ")":
                after += 1
            following = self._text(after) if self._text(after) in ("(", "?.") or self._text(after)[:1] == "`" else ""
        called = following == "(" or following[:1] == "`" or (following == "?." and self._text(after + 1) == "(")
        return called or following in _WRITES or self._text(index - 1) in _WRITES_BEFORE

    def _key(self, at: int) -> str:
        """A key of a pattern; with anything unusual, everything is read."""
        token = self._token(at)
        name = token.text[1:-1] if token.kind == "string" else token.text
        if token.kind not in ("name", "string") or not _is_safe(name):
            raise _EverythingError
        return name

    def _deeper(self, reads: Reads, name: str) -> Reads:
        """Where to note what is read of a field of `reads`; nowhere that counts, if it is read whole already."""
        deeper = reads.setdefault(name, Reads())
        return Reads() if deeper is None else deeper

    def _add(self, reads: Reads, path: list[str]) -> None:
        """Note that what is at the end of `path` is read whole."""
        *above, last = path
        for name in above:
            reads = self._deeper(reads, name)
        reads[last] = None

    # ------------------------------------------------------------------ tokens

    def _end_of(self, body: int) -> int:
        """The index behind a function's body. One that is an expression may go on as long as the source does."""
        return self._closing(body) + 1 if self._text(body) == "{" else len(self._tokens)

    def _closing(self, at: int) -> int:
        """The index of the bracket that closes the one at `at`."""
        self._token(at)
        return closing_bracket(self._tokens, at)

    def _token(self, at: int) -> Token:
        if at >= len(self._tokens):
            raise _EverythingError
        return self._tokens[at]

    def _text(self, at: int) -> str:
        return text_at(self._tokens, at)


def _is_safe(name: str) -> bool:
    """Whether to read a property of that name can tell nothing but its value."""
    return (
        name not in _INHERITED
        and name not in _TEXTS_OF_OTHER_KEYS
        and "\\" not in name
        and not name[:1].isdigit()
        and name[:1] != "-"
    )
