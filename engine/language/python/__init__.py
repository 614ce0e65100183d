"""Python snippets, for operators who turn them on. Nothing confines them.

**The problem.** Some steps want Python's own libraries. But Python cannot be confined within its own process: whoever
can write a snippet can do whatever the daemon's user can do. So the language is off unless the operator says
`languages.python: on`, and then it pretends to no limit that it does not have.

**The choice.** A snippet is one expression over `payload` (also called `self`, as in CEL), or a module that defines
`main`:

    def main(payload):               called by the event loop, inline: while it computes, nothing else runs
    async def main(payload):         may await; the loop serves others meanwhile

The module belongs to its node. Its top level runs with the first call, as for JavaScript, so checking a spec runs
nothing; when it raises, that call fails, and the next one runs it again, as an import that failed. What it assigns lasts
until the node is replaced. It stands in `sys.modules` from its first call until :meth:`close`, because dataclasses and
type hints look there.

Payloads cross by value, in both directions: a snippet may change its argument, and nobody sees what it does later to
what it has returned.

A `timeout` holds where it can: for `async def main`, at its awaits. Python has no safe way to stop code that computes,
so a `timeout` beside a plain `main` is refused when it is compiled, and an `async def main` that computes without
awaiting is not interrupted.

**The cost.** A call costs about a microsecond, and copying a request of the usual size ten to twenty, on each side.

    form        source -> code, and which of the three forms it is
    values      payload -> a copy that may be changed; result -> plain data
    module      the namespace: run at the first call, let go at the end
    printing    `print` -> the log
    failure     what went wrong -> ExpressionError with its place
    program     calls            compiler    all of it put together
"""

from __future__ import annotations

from engine.language.python.compiler import PythonCompiler
from engine.language.python.program import AsyncPythonProgram, PythonProgram

__all__ = ["AsyncPythonProgram", "PythonCompiler", "PythonProgram"]
