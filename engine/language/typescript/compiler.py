"""The compiler: types out, then everything as in JavaScript."""

from __future__ import annotations

from engine.errors import ExpressionError
from engine.language.javascript import JavaScriptCompiler
from engine.language.protocol import Options, Program
from engine.language.typescript.eraser import Eraser

_DEFAULTS = Options()


class TypeScriptCompiler:
    """TypeScript, on the engines, with the limits and among the isolates of `javascript`, which its maker closes.

    Types are taken out and not checked. It may be used from any thread; nothing is started before the first `compile`.
    """

    name = "typescript"

    def __init__(self, javascript: JavaScriptCompiler) -> None:
        self._javascript = javascript
        self._eraser = Eraser()

    def compile(self, source: str, options: Options = _DEFAULTS) -> Program:
        """Take the types out of `source` and compile what is left. Nothing of it runs before the first call.

        All places, of errors and in stack traces, are those in `source`. Raises :class:`ExpressionError` for what is no
        TypeScript and for what :meth:`.Eraser.erase` refuses, and what :meth:`.JavaScriptCompiler.compile` raises.
        """
        try:
            source.encode()
        except UnicodeEncodeError:
            raise ExpressionError("the source holds half a character (a lone surrogate)") from None
        erased = self._eraser.erase(source)
        return self._javascript.compile(erased.code, options, origin=erased)

    def close(self) -> None:
        """Free the isolate that takes types out. Programs go on until the JavaScript compiler is closed."""
        self._eraser.close()
