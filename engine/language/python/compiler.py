"""The compiler: from source to a program. Nothing of the source runs here."""

from __future__ import annotations

from datetime import timedelta

from engine.errors import ExpressionError, InvalidError
from engine.language.protocol import Options
from engine.language.python.form import read
from engine.language.python.module import Module
from engine.language.python.printing import Printer
from engine.language.python.program import AsyncPythonProgram, PythonProgram

_DEFAULTS = Options()


class PythonCompiler:
    """Python, unconfined. May be used from any thread; a program belongs to the event loop that calls it."""

    name = "python"

    def compile(self, source: str, options: Options = _DEFAULTS) -> PythonProgram | AsyncPythonProgram:
        """Parse `source` and make a program of it.

        Raises :class:`ExpressionError` with line and column for a syntax error, for a module without a `main` of one
        argument, and for a `timeout` or an `engine` that would mean nothing.
        """
        timeout = options.timeout
        if options.engine is not None:
            raise ExpressionError(f"python has no engine {options.engine!r}", hint="leave `engine` out")
        if timeout is not None and timeout <= timedelta(0):
            raise InvalidError("the timeout must be more than 0")
        form = read(source)
        printer = Printer(options.log)
        module = Module(form.code, printer.print)
        if form.is_async:
            return AsyncPythonProgram(module, source, printer=printer, timeout=timeout)
        if timeout is not None:
            raise ExpressionError(
                "`timeout` cannot stop Python code that does not await",
                place=form.place,
                hint="write `async def main(payload)`, or leave `timeout` out",
            )
        return PythonProgram(module, source, printer=printer)
