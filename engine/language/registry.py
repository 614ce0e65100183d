"""Which languages there are: from the name in a spec to a compiler.

A `Languages` is an object that is handed around; two of them know nothing of each other. A compiler is made when it is
first asked for, so a daemon that runs no JavaScript never loads V8.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from engine.errors import InvalidError, WeirError
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
        self._samples: dict[str, str] = {}  # of the languages that have not been warmed up
        self._closed = False

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that is known, aliases left out, in order of registration."""
        return tuple(self._factories)

    def register(self, name: str, factory: Factory, *, aliases: Iterable[str] = (), sample: str | None = None) -> None:
        """Make a language known. `sample` is source that warms it up, if its first use takes long. Raises ValueError if one of its names is taken: that is a mistake in the program."""
        with self._lock:
            for each in (name, *aliases):
                if each in self._names:
                    raise ValueError(f"the language {each!r} is registered already")
                self._names[each] = name
            self._factories[name] = factory
            if sample is not None:
                self._samples[name] = sample

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
        return compiler if compiler is not None else self._make(known)

    def is_cold(self, name: str) -> bool:
        """Whether the first use of this language would take long."""
        return self._names.get(name) in self._samples

    def warm(self, names: Iterable[str]) -> None:
        """Make the first use of these languages quick. Blocks: call it in a thread.

        What goes wrong is left to that first use, which tells it better.
        """
        for name in names:
            known = self._names.get(name, "")
            sample = self._samples.get(known)
            if sample is None:
                continue
            with suppress(WeirError):
                self.compile(known, sample).close()
            self._samples.pop(known, None)

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
            _close(compiler)

    def _make(self, known: str) -> Compiler:
        """The compiler of a language that had none: made without the lock, since loading it can take long."""
        made = self._factories[known]()
        with self._lock:
            kept = None if self._closed else self._compilers.setdefault(known, made)
        if kept is not made:
            _close(made)
        if kept is None:
            raise InvalidError("the languages are closed")
        return kept

    def _hint(self, name: str) -> str:
        near = difflib.get_close_matches(name.lower(), self._names, n=1)
        if near:
            return f"did you mean {near[0]!r}?"
        return f"known languages: {', '.join(self.names)}"


def _close(compiler: Compiler) -> None:
    close: Callable[[], Any] | None = getattr(compiler, "close", None)
    if close is not None:
        close()


def default_languages(
    *,
    python: bool = False,
    javascript_engine: str = "auto",
    javascript_isolation: str = "auto",
    javascript_timeout: timedelta = timedelta(seconds=1),
    javascript_inline_timeout: timedelta = timedelta(milliseconds=20),
    javascript_memory: int = 64 * 2**20,
    javascript_isolates: int = 64,
    javascript_result: int = 8 * 2**20,
) -> Languages:
    """The languages of a daemon: cel, javascript (js), typescript (ts), text, json and yaml; and python.

    `python` is the operator's leave to run Python, which nothing confines; without it the language only explains. The
    others are the settings of :class:`~engine.language.javascript.JavaScriptCompiler`.
    """

    def cel() -> Compiler:
        from engine.language.cel import CelCompiler

        compiler: Compiler = CelCompiler()
        return compiler

    def javascript() -> Compiler:
        from engine.language.javascript import JavaScriptCompiler

        return JavaScriptCompiler(
            engine=javascript_engine,
            isolation=javascript_isolation,
            timeout=javascript_timeout,
            inline_timeout=javascript_inline_timeout,
            memory=javascript_memory,
            isolates=javascript_isolates,
            result=javascript_result,
        )

    def text() -> Compiler:
        from engine.language.constant import TextCompiler

        return TextCompiler()

    def json() -> Compiler:
        from engine.language.constant import JsonCompiler

        return JsonCompiler()

    def yaml() -> Compiler:
        from engine.language.constant import YamlCompiler

        return YamlCompiler()

    def typescript() -> Compiler:
        from engine.language.javascript import JavaScriptCompiler
        from engine.language.typescript import TypeScriptCompiler

        below = languages.compiler("javascript")  # the same one: there is one ceiling of isolates for both
        assert isinstance(below, JavaScriptCompiler)
        return TypeScriptCompiler(below)

    def python_if_on() -> Compiler:
        if not python:
            hint = "set languages.python in the config, or WEIR_LANGUAGES_PYTHON=on"
            raise InvalidError("the language 'python' is turned off", hint=hint)
        from engine.language.python import PythonCompiler

        return PythonCompiler()

    languages = Languages()
    languages.register("cel", cel, sample="1")
    languages.register("javascript", javascript, aliases=("js",), sample="export default 1")
    languages.register("typescript", typescript, aliases=("ts",), sample="export default 1")
    languages.register("json", json)
    languages.register("yaml", yaml)
    languages.register("text", text)
    languages.register("python", python_if_on, aliases=("py",))
    return languages
