"""The module of a snippet: where its state lives."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

from engine.language.python.form import MAIN

Main = Callable[[Any], Any]


class Module:
    """A namespace that is filled at the first call and let go by :meth:`close`.

    `print` takes the place of the builtin, in this module alone. A module that has not run holds nothing that others
    can see, so one that was only compiled need not be closed.
    """

    __slots__ = ("_builtins", "_code", "_main", "closed", "name")

    def __init__(self, code: CodeType, print: Callable[..., None]) -> None:
        self.name = f"weir_snippet_{id(self):x}"
        self.closed = False
        self._code = code
        self._builtins = {**vars(builtins), "print": print}
        self._main: Main | None = None

    def main(self) -> Main:
        """The snippet's `main`; the first time the module runs for it.

        Raises whatever the top level raises. Then nothing is kept, and the next call runs it again.
        """
        if self._main is None:
            self._main = self._run()
        return self._main

    def close(self) -> None:
        """Let the namespace go; what still runs keeps its part of it alive. May be called twice."""
        self.closed = True
        self._main = None
        sys.modules.pop(self.name, None)

    def _run(self) -> Main:
        module = ModuleType(self.name)
        namespace = vars(module)
        namespace["__builtins__"] = self._builtins
        # As `import` does: what looks for a class's module (dataclasses, type hints, pickle) finds it there.
        sys.modules[self.name] = module
        try:
            exec(self._code, namespace)  # noqa: S102 (the operator has turned this on: see the package)
            main: Main = namespace[MAIN]
        except BaseException:
            sys.modules.pop(self.name, None)
            raise
        return main
