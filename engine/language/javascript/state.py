"""Whether a module can remember anything from one call to the next.

A module without memory may lose its isolate at any time between two calls, and nobody can tell; so it is the one that
makes room when the isolates have run out. The answer must never be wrong in that direction: everything that is not
plainly harmless counts as memory. Harmless is a module whose top level has nothing but functions, constants that are
literals, and an exported function, and that nowhere

* names an object that outlives the call except to call or read it (`Math.round(x)` is fine, `Math.x = 1` is not),
* uses one of its own functions other than by calling it (a function can have properties),
* writes a name that leads from data to shared objects (`prototype`, `constructor`, `__proto__`, `globalThis`, …).

Data-driven access (`a[key] = value` with `__proto__` for a key) is not seen; all that could be lost by it is pollution.
"""

from __future__ import annotations

from engine.language.javascript.tokens import Token

_LITERALS = frozenset(("true", "false", "null"))
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
"""
_GLOBALS = frozenset(_WORDS_THAT_ARE_GLOBAL.split())
_WRITES = frozenset("= += -= *= /= %= **= <<= >>= >>>= &= |= ^= &&= ||= ??= ++ --".split())  # noqa: SIM905


def keeps_state(tokens: list[Token]) -> bool:
    """Whether the module of these tokens may have memory."""
    functions = _functions_of_plain_top_level(tokens)
    return functions is None or not _is_harmless(tokens, functions)


def _functions_of_plain_top_level(tokens: list[Token]) -> frozenset[str] | None:
    """The names of the functions at the top level, or None if there is anything but functions and literals."""
    names: set[str] = set()
    at = 0

    def text(ahead: int = 0) -> str:
        return tokens[at + ahead].text if at + ahead < len(tokens) else ""

    while at < len(tokens):
        if text() == ";":
            at += 1
            continue
        exported = text() == "export"
        if exported:
            at += 2 if text(1) == "default" else 1
        default = exported and tokens[at - 1].text == "default"
        if text() == "const":
            if tokens[at + 1].kind != "name" or text(2) != "=" or not _is_literal(tokens, at + 3):
                return None
            at += 4
            continue
        start = at
        if text() == "async":
            at += 1
        if text() == "function":
            at += 1
            if text() == "*":
                at += 1
            if text() != "(":
                names.add(text())
                at += 1
            at = _after_brackets(tokens, at)
            at = _after_brackets(tokens, at)
            continue
        if not default:
            return None
        at = start
        return frozenset(names) if _is_last_arrow(tokens, at) else None
    return frozenset(names)


def _is_literal(tokens: list[Token], at: int) -> bool:
    if at >= len(tokens):
        return False
    token = tokens[at]
    literal = token.kind in ("number", "string") or token.text in _LITERALS
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    ends = following is None or following.text == ";" or (following.after_newline and following.kind == "name")
    return literal and ends


def _after_brackets(tokens: list[Token], at: int) -> int:
    """The index behind the bracket that closes the one at `at`."""
    depth = tokens[at].depth if at < len(tokens) else 0
    at += 1
    while at < len(tokens) and not (tokens[at].depth == depth and tokens[at].text in (")", "}")):
        at += 1
    return at + 1


def _is_last_arrow(tokens: list[Token], at: int) -> bool:
    """Whether an arrow function begins here and nothing stands behind it at the top level but a `;`."""
    if at < len(tokens) and tokens[at].text == "async":
        at += 1
    if at >= len(tokens):
        return False
    at = _after_brackets(tokens, at) if tokens[at].text == "(" else at + 1
    if at >= len(tokens) or tokens[at].text != "=>":
        return False
    if at + 1 < len(tokens) and tokens[at + 1].text == "{":
        rest = tokens[_after_brackets(tokens, at + 1) :]
        return all(token.text == ";" for token in rest)
    # An expression as body: whatever begins a line of its own at the top level could be another statement.
    rest = tokens[at + 2 :]
    return not any(token.depth == 0 and (token.after_newline or token.text == ",") for token in rest)


def _is_harmless(tokens: list[Token], functions: frozenset[str]) -> bool:
    for index, token in enumerate(tokens):
        if token.text.strip("\"'`") in _LEADS_OUT or "\\u" in token.text:
            return False
        if token.kind != "name":
            continue
        before = tokens[index - 1].text if index else ""
        after = [following.text for following in tokens[index + 1 : index + 4]]
        if before in (".", "?.") or not after:
            continue
        if token.text in functions and before not in ("function", "*") and after[0] != "(":
            return False
        if token.text in _GLOBALS and not _is_read_only(before, after):
            return False
    return True


def _is_read_only(before: str, after: list[str]) -> bool:
    """Whether a global is only called, made, compared, or asked for one of its members."""
    if before in ("delete", "++", "--"):
        return False
    if after[0] == "(":
        return True
    if after[0] == "." and len(after) == 3:
        return after[2] not in _WRITES and after[2] not in (".", "?.", "[")
    return before in ("new", "instanceof")
