"""JavaScript snippets: an ES module with a default export, run with limits on V8, off the event loop, or QuickJS, within it.

From the source to an answer, one file each:

    tokens      source -> tokens                 state       may the module remember anything between calls?
    module      exports taken out, places kept   wire        payload <-> line of JSON
    toplevel    what stands at its top level?    reads       which parts of its argument are read?
    engine      what an engine must offer        prelude.js  the other end of it, inside the isolate
    failure     what went wrong, with its place  web.js      what snippets know from browsers, inside the isolate
    v8          the engine V8                    racer       mini-racer, in which it comes
    program     the queue of calls               batch       one batch of them: sent, answered, stopped
    keeper      the thread of deadlines          pool        the ceiling of isolates
    disposal    closing isolates without waiting
    quickjs     the engine QuickJS               quickjs.js  what it needs before the prelude
    inline      a program on it                  watch       what ends a call that it does not end itself
    process/    V8 in processes of its own       compiler    all of it put together

What a snippet may rely on: its module and its globals are its own, for as long as it is loaded; a call that throws
changes nothing about that, one that was stopped (time, memory) starts both afresh. There is `console`, `Math`, `JSON`,
`Intl` (on V8), `Date`, `TextEncoder`, `atob`, `structuredClone`; there is no `require`, `process`, `import`, no timer, no shared memory and no WebAssembly.

The limits hold against mistakes and against most of what malice can think of. What drives V8 past limits of its own ends
a process, which therefore is the isolate's own (`process/`). On QuickJS, and with `isolation: thread`, it is the daemon's.
"""

from __future__ import annotations

from engine.language.javascript.compiler import JavaScriptCompiler
from engine.language.javascript.program import JavaScriptProgram

__all__ = ["JavaScriptCompiler", "JavaScriptProgram"]
