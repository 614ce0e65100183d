"""Whether a module can remember anything from one call to the next.

A module without memory may lose its isolate at any time between two calls, and nobody can tell; so it is the one that
makes room when the isolates have run out. The answer must never be wrong in that direction: everything that is not
plainly harmless counts as memory. Harmless is a module whose top level has nothing but functions and plain constants
(`toplevel.py`), and that nowhere

* names an object that outlives the call except to call or read it (`Math.round(x)` is fine, `Math.x = 1` is not),
* uses one of its own functions other than by calling it, also as a callback (a function can have properties),
* does anything with one of its tables but read it, with one of its patterns but match,
* writes a name that leads from data to shared objects (`prototype`, `constructor`, `__proto__`, `globalThis`, …).

Data-driven access (`a[key] = value` with `__proto__` for a key) is not seen; all that could be lost by it is pollution.
"""

from __future__ import annotations

from engine.language.javascript.tokens import Token, closing_bracket, text_at
from engine.language.javascript.toplevel import TopLevel, read_top_level

_WORDS_THAT_LEAD_OUT = """
    this globalThis prototype __proto__ constructor eval Function Reflect Proxy import arguments callee caller
    defineProperty defineProperties setPrototypeOf assign __defineGetter__ __defineSetter__
"""
_LEADS_OUT = frozenset(_WORDS_THAT_LEAD_OUT.split())
_WORDS_THAT_ARE_GLOBAL = """
    Object Array Number String Boolean Symbol BigInt Math JSON Intl Date Promise RegExp Map Set WeakMap WeakSet WeakRef
    Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError Iterator Temporal
    ArrayBuffer DataView Uint8Array Int8Array Uint16Array Int16Array Uint32Array Int32Array Uint8ClampedArray
    Float16Array Float32Array Float64Array BigInt64Array BigUint64Array FinalizationRegistry Atomics console
    SuppressedError DisposableStack AsyncDisposableStack
    parseInt parseFloat isNaN isFinite encodeURI encodeURIComponent decodeURI decodeURIComponent escape unescape
    atob btoa TextEncoder TextDecoder structuredClone queueMicrotask
"""
_GLOBALS = frozenset(_WORDS_THAT_ARE_GLOBAL.split())
_WRITES = frozenset("= += -= *= /= %= **= <<= >>= >>>= &= |= ^= &&= ||= ??= ++ --".split())  # noqa: SIM905

_WRITES_BEFORE = frozenset(("++", "--", "delete"))
_METHODS_THAT_READ = frozenset(
    "includes indexOf lastIndexOf at join slice concat flat toReversed has get keys values entries".split()  # noqa: SIM905
)
_METHODS_WITH_CALLBACK = frozenset(
    "map filter find findIndex findLast findLastIndex some every forEach flatMap reduce".split()  # noqa: SIM905
)
_METHODS_OF_PATTERNS = frozenset("replace replaceAll match matchAll search split".split())  # noqa: SIM905
_METHODS = _METHODS_WITH_CALLBACK | _METHODS_OF_PATTERNS
_READERS = frozenset("Object.keys Object.values Object.entries Object.hasOwn JSON.stringify Array.isArray".split())  # noqa: SIM905


def keeps_state(tokens: list[Token]) -> bool:
    """Whether the module of these tokens may have memory."""
    found = read_top_level(tokens)
    return found is None or not _Uses(tokens, found).are_harmless()


class _Uses:
    """All that the names of a module are used for."""

    def __init__(self, tokens: list[Token], found: TopLevel) -> None:
        self._tokens = tokens
        self._found = found
        # A method of the language is what it is only if no object here has one of the same name.
        self._own_methods = {
            name
            for index, token in enumerate(tokens)
            if (name := token.text.strip("\"'`")) in _METHODS and self._text(index - 1) not in (".", "?.")
        }

    def are_harmless(self) -> bool:
        return all(self._is_harmless(index, token) for index, token in enumerate(self._tokens))

    def _is_harmless(self, index: int, token: Token) -> bool:
        if token.text.strip("\"'`") in _LEADS_OUT or "\\u" in token.text:
            return False
        if token.kind != "name" or self._text(index - 1) in (".", "?.") or index in self._found.defined:
            return True
        if token.text in self._found.functions:
            return self._text(index + 1) == "(" or self._is_callback(index)
        if token.text in self._found.tables:
            return self._is_reading(index)
        if token.text in self._found.patterns:
            return self._is_matching(index, self._found.patterns[token.text])
        return token.text not in _GLOBALS or self._is_plain_use(index)

    def _is_plain_use(self, index: int) -> bool:
        """Whether a global is only called, made, compared, or asked for one of its members."""
        before, following = self._text(index - 1), self._text(index + 1)
        if before in _WRITES_BEFORE:
            return False
        if following == "(":
            return True
        if following == ".":
            return self._text(index + 3) not in (".", "?.", "[") and not self._is_written(index + 2)
        return before in ("new", "instanceof") and not self._is_written(index)

    def _is_reading(self, index: int) -> bool:
        """Whether a table is only read, and nobody gets hold of it."""
        before, following = self._text(index - 1), self._text(index + 1)
        if before in ("...", "of", "in"):
            return following not in (".", "?.", "[")
        if before in _WRITES_BEFORE:
            return False
        if following in (".", "?.") and self._kind(index + 2) == "name":
            return self._is_safe_call(index + 2) if self._is_called(index + 3) else not self._is_written(index + 2)
        if following == "[":
            close = closing_bracket(self._tokens, index + 1)
            return not self._is_called(close + 1) and not self._is_written(close)
        is_argument = before == "(" and following in (")", ",") and self._text(index - 3) == "."
        return is_argument and f"{self._text(index - 4)}.{self._text(index - 2)}" in _READERS

    def _is_matching(self, index: int, flags: str) -> bool:
        """Whether a pattern is only used to match. One with `g` or `y` remembers where it was."""
        if "y" in flags:
            return False
        if self._text(index + 1) == "." and self._text(index - 1) not in _WRITES_BEFORE:
            return self._text(index + 2) in ("test", "exec") and self._text(index + 3) == "(" and "g" not in flags
        return self._is_argument_of(index, _METHODS_OF_PATTERNS)

    def _is_callback(self, index: int) -> bool:
        return self._is_argument_of(index, _METHODS_WITH_CALLBACK)

    def _is_argument_of(self, index: int, methods: frozenset[str]) -> bool:
        """Whether this is the first argument of one of these methods of the language."""
        if self._text(index - 1) != "(" or self._text(index + 1) not in (",", ")"):
            return False
        name = self._text(index - 2)
        return self._text(index - 3) in (".", "?.") and name in methods and name not in self._own_methods

    def _is_safe_call(self, method: int) -> bool:
        """Whether a method of a table changes nothing and hands nothing on but what is in it."""
        name = self._text(method)
        if self._text(method + 1) != "(":
            return False
        if name in _METHODS_THAT_READ:
            return True
        # The third thing that a callback gets (with reduce, the fourth) is the table itself.
        return name in _METHODS_WITH_CALLBACK and 0 <= self._parameters(method + 2) <= (3 if name == "reduce" else 2)

    def _parameters(self, at: int) -> int:
        """How many plain parameters the arrow function has that begins here; -1 if that is not plain."""
        if self._kind(at) == "name" and self._text(at + 1) == "=>":
            return 1
        if self._text(at) != "(":
            return -1
        close = closing_bracket(self._tokens, at)
        inside = self._tokens[at + 1 : close]
        if self._text(close + 1) != "=>" or any(token.kind != "name" and token.text != "," for token in inside):
            return -1
        return sum(token.kind == "name" for token in inside)

    def _is_called(self, at: int) -> bool:
        return (
            self._text(at) == "(" or self._text(at)[:1] == "`" or (self._text(at) == "?." and self._text(at + 1) == "(")
        )

    def _is_written(self, last: int) -> bool:
        """Whether what ends at `last` is assigned to, also as part of a pattern like `[a, b] = …`."""
        if self._text(last + 1) in _WRITES or self._text(last + 1) in ("of", "in"):
            return True
        depth = self._tokens[last].depth
        for at in range(last + 1, len(self._tokens)):
            token = self._tokens[at]
            if token.depth < depth and token.text in (")", "]", "}"):
                if token.text != ")" and self._text(at + 1) in ("=", "of", "in"):
                    return True
                depth = token.depth
        return False

    def _text(self, at: int) -> str:
        return text_at(self._tokens, at)

    def _kind(self, at: int) -> str:
        return self._tokens[at].kind if 0 <= at < len(self._tokens) else ""
