"""The two ways into CEL: :func:`compile` for Python, :class:`CelCompiler` for the engine."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Lock

from engine.errors import ExpressionError
from engine.language.cel.generator import Setting
from engine.language.cel.library import make_library, system_clock
from engine.language.cel.limits import Limits
from engine.language.cel.program import Program
from engine.language.protocol import Options

_DEFAULT_LIMITS = Limits()
_DEFAULT_LIBRARY = make_library(max_size=_DEFAULT_LIMITS.size)


def compile(source: str, container: str | None = None, *, limits: Limits = _DEFAULT_LIMITS) -> Program:
    """A program that is called with bindings: a mapping of names, which may have dots, to plain values.

    In container `a.b` the name `x` means `a.b.x`, else `a.x`, else `x`. Raises `ExpressionError`, as calling does.
    """
    library = _DEFAULT_LIBRARY if limits is _DEFAULT_LIMITS else make_library(max_size=limits.size)
    return Program(source, Setting(library, limits, payload=False, container=container or ""))


class CelCompiler:
    """The language `cel`: its programs take one payload, `self`, whose keys are names when it is a map.

    Programs hold nothing of a call, so one source is compiled once and shared; the `cache_size` sources used last are
    kept. `clock` is what `now()` asks; it must give an aware time. Thread-safe.
    """

    name = "cel"

    def __init__(
        self,
        *,
        limits: Limits = _DEFAULT_LIMITS,
        clock: Callable[[], datetime] = system_clock,
        cache_size: int = 1024,
    ) -> None:
        self._setting = Setting(make_library(max_size=limits.size, clock=clock), limits, payload=True)
        self._cache: OrderedDict[tuple[str, timedelta | None], Program] = OrderedDict()
        self._cache_size = cache_size
        self._lock = Lock()

    def compile(self, source: str, options: Options = Options()) -> Program:
        """The program of `source`. `timeout` replaces the limit of time (:class:`Limits`); nothing is ever logged."""
        if options.engine is not None:
            raise ExpressionError(f"cel has no engine {options.engine!r}", hint="leave `engine` out")
        key = (source, options.timeout)
        with self._lock:
            known = self._cache.get(key)
            if known is not None:
                self._cache.move_to_end(key)
                return known
        setting = self._setting
        if options.timeout is not None:
            setting = replace(setting, limits=replace(setting.limits, time=options.timeout))
        program = Program(source, setting)
        with self._lock:
            self._cache[key] = program
            while len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
        return program
