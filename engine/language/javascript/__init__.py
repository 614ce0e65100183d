"""JavaScript snippets: an ES module with a default export, run on V8, off the event loop, with limits.

From the source to an answer, one file each:

    tokens      source -> tokens                 state       may the module remember anything between calls?
    module      exports taken out, places kept   wire        payload <-> line of JSON
    engine      what an engine must offer        prelude.js  the other end of it, inside the isolate
    v8          V8 through mini-racer            failure     what went wrong -> ExpressionError with its place
    program     queue, batches, deadlines        pool        the ceiling of isolates
    keeper      the thread of deadlines          disposal    closing isolates without waiting
    compiler    all of it put together

What a snippet may rely on: its module and its globals are its own, for as long as it is loaded; a call that throws
changes nothing about that, one that was stopped (time, memory) starts both afresh. There is `console`, `Math`, `JSON`,
`Intl`, `Date`; there is no `require`, `process`, `import`, no timer, no shared memory and no WebAssembly.

The limits hold against mistakes and against most of what malice can think of. An isolate lives inside the daemon's
process all the same: V8 ends the process when it is driven past limits of its own, so code of strangers belongs in a
process of its own.
"""

from __future__ import annotations

from engine.language.javascript.compiler import JavaScriptCompiler
from engine.language.javascript.program import JavaScriptProgram

__all__ = ["JavaScriptCompiler", "JavaScriptProgram"]
