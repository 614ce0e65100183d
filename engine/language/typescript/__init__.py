"""TypeScript snippets: JavaScript with types, which are taken out and not checked.

    sucrase/    what takes them out: sucrase, bundled for V8 with the checks that it leaves to others
    eraser      that bundle in an isolate of its own, with limits: TypeScript -> JavaScript and where it came from
    positions   places in the JavaScript -> places in the TypeScript
    compiler    the two put before the JavaScript compiler

Whatever a JavaScript snippet can do and may rely on holds here too. On top of it there are types wherever TypeScript
has them, `enum`, and parameter properties. Refused with a place are namespaces, decorators and `import x = …`.
Everything is one module: an `import type` and an import of names that are used as types alone go with the types.
"""

from __future__ import annotations

from engine.language.typescript.compiler import TypeScriptCompiler

__all__ = ["TypeScriptCompiler"]
