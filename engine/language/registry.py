"""Which languages there are: from the name in a spec to a compiler.

A `Languages` is an object that is handed around; two of them know nothing of each other. A compiler is made when it is
first asked for, so a daemon that runs no JavaScript never loads V8.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, NoReturn

from engine.errors import InvalidError
from engine.language.protocol import Compiler, Options, Program

_DEFAULTS = Options()

Factory = Callable[[], Compiler]
"""Makes a compiler; may raise :class:`InvalidError` for a language that is known and not to be had."""


class Languages:
    """Names, aliases and compilers. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._factories: dict[str, Factory] = {}
        self._names: dict[str, str] = {}
        self._compilers: dict[str, Compiler] = {}
        self._closed = False

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that is known, aliases left out, in order of registration."""
        return tuple(self._factories)

    def register(self, name: str, factory: Factory, *, aliases: Iterable[str] = ()) -> None:
        """Make a language known. Raises ValueError if one of its names is taken: that is a mistake in the program."""
        with self._lock:
            for each in (name, *aliases):
                if each in self._names:
                    raise ValueError(f"the language {each!r} is registered already")
                self._names[each] = name
            self._factories[name] = factory

    def compiler(self, name: str) -> Compiler:
        """The compiler of that name or alias, always the same one.

        Raises :class:`InvalidError` for a name that nobody knows, or whatever the language's factory has against it.
        """
        with self._lock:
            if self._closed:
                raise InvalidError("the languages are closed")
            known = self._names.get(name)
            if known is None:
                raise InvalidError(f"unknown language {name!r}", hint=self._hint(name))
            compiler = self._compilers.get(known)
            if compiler is None:
                compiler = self._compilers[known] = self._factories[known]()
            return compiler

    def compile(self, name: str, source: str, options: Options = _DEFAULTS) -> Program:
        """Compile `source`; raises what :meth:`compiler` and the compiler's own `compile` raise."""
        return self.compiler(name).compile(source, options)

    def close(self) -> None:
        """Close the compilers that were made, and with them all that their programs hold. May be called twice."""
        with self._lock:
            self._closed = True
            compilers = list(self._compilers.values())
            self._compilers.clear()
        for compiler in compilers:
            close: Callable[[], Any] | None = getattr(compiler, "close", None)
            if close is not None:
                close()

    def _hint(self, name: str) -> str:
        near = difflib.get_close_matches(name.lower(), self._names, n=1)
        if near:
            return f"did you mean {near[0]!r}?"
        return f"known languages: {', '.join(self.names)}"


def default_languages(
    *,
    python: bool = False,
    javascript_timeout: timedelta = timedelta(seconds=1),
    javascript_memory: int = 64 * 2**20,
    javascript_isolates: int = 16,
) -> Languages:
    """The languages of a daemon: cel, javascript (js), text, json, yaml; and typescript and python, which only explain.

    `python` is the operator's leave to run Python, which no sandbox holds. The others are the settings of
    :class:`~engine.language.javascript.JavaScriptCompiler`.
    """

    def cel() -> Compiler:
        from engine.language.cel import CelCompiler

        compiler: Compiler = CelCompiler()
        return compiler

    def javascript() -> Compiler:
        from engine.language.javascript import JavaScriptCompiler

        return JavaScriptCompiler(timeout=javascript_timeout, memory=javascript_memory, isolates=javascript_isolates)

    def text() -> Compiler:
        from engine.language.constant import TextCompiler

        return TextCompiler()

    def json() -> Compiler:
        from engine.language.constant import JsonCompiler

        return JsonCompiler()

    def yaml() -> Compiler:
        from engine.language.constant import YamlCompiler

        return YamlCompiler()

    def refuse_typescript() -> NoReturn:
        raise InvalidError("the language 'typescript' is not available in this version", hint="use javascript")

    def refuse_python() -> NoReturn:
        if python:
            raise InvalidError("the language 'python' is not available in this version", hint="use javascript or cel")
        raise InvalidError("the language 'python' is turned off", hint="set languages.python in the config")

    languages = Languages()
    languages.register("cel", cel)
    languages.register("javascript", javascript, aliases=("js",))
    languages.register("typescript", refuse_typescript, aliases=("ts",))
    languages.register("json", json)
    languages.register("yaml", yaml)
    languages.register("text", text)
    languages.register("python", refuse_python)
    return languages
