"""CEL, the Common Expression Language, compiled to Python functions.

**The problem.** A flow asks questions such as `request.method == 'POST'` once per packet, often several times. The CEL
libraries for Python first copy the whole packet into values of their own: 36 to 280 microseconds for a request of ten
items, fifty times that for one of a thousand, before they look at a single field.

**The choice.** The expression is compiled, once, to a Python function that reads plain data as it is. Nothing is
copied or wrapped; CEL's `int`, `string` or `map` *are* Python's `int`, `str` or `dict`. Only what Python lacks is a class
of its own: :class:`UInt` and :class:`Type`.

**How it works.**

* :mod:`.lexer`, :mod:`.literals` and :mod:`.parser` make a tree (:mod:`.syntax`); :mod:`.macros` turns `has`, `all`, `map`
  and their like into nodes while it grows.
* :mod:`.generator` walks the tree and writes Python through :mod:`.writer`; :mod:`.names`, :mod:`.operators`,
  :mod:`.calls` and :mod:`.loops` are its parts, :mod:`.quick` has the short forms of the usual cases, :mod:`.checks` refuses
  what can never work. Python's own compiler does the rest.
* What the function calls stands in :mod:`.runtime`: :mod:`.arithmetic`, :mod:`.equality`, :mod:`.order`, :mod:`.access`, and
  in :mod:`.library`, one module for each group of functions, tied together by :mod:`.functions`.
* :mod:`.program` runs it. CEL asks that `a && b` is false when b is false *even if a fails*. A `try` around every operand
  would make each expression pay for that. But CEL is pure, so a program first runs the fast way, with Python's own `and`,
  `or` and `dict[key]`, and only when that has raised runs a second, strict way that follows every rule and knows every
  message. The strict way is written on the first such occasion.
* Python nodes carry the lines and columns of the *expression*, so that a traceback tells the place of an error, and a good
  run pays nothing for it.
* :mod:`.budget` counts what loops and slow functions do and looks at the clock; :mod:`.sharing` finds values that are small
  in memory and huge when somebody writes them out.

**The cost.** Compiling takes some hundred microseconds. A comparison of a field takes about a tenth of one, whatever
the size of the payload. An evaluation that fails costs two runs. One that never returns does not exist: work and
time have a budget, nesting and sizes a limit (:class:`Limits`), and regular expressions are RE2's. Timestamps and durations count
microseconds, where the standard has nanoseconds; and a map cannot have both `1` and `true` as keys, because to Python
these are one.

A program is called from any thread and changes nothing. Its result may share parts with its argument; what a literal
or a macro makes is new each time.
"""

from engine.language.cel.compiler import CelCompiler, compile  # noqa: A004
from engine.language.cel.limits import Limits
from engine.language.cel.program import Program
from engine.language.cel.values import Type, UInt, type_name
from engine.language.json_form import to_json_value

__all__ = ["CelCompiler", "Limits", "Program", "Type", "UInt", "compile", "to_json_value", "type_name"]
