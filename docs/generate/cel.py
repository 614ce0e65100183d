"""Writes docs/reference/cel.md: the language with computed examples, its limits, and how it stands in the suite.

    python -m docs.generate.cel [--check]

The conformance cases are found by `CONFORMANCE_DIR`, else in the folder `shared/conformance` beside the project. With
`--check` nothing is written, and the exit code is 1 when the page is not what would be.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from docs.generate import cel_examples as examples
from docs.generate.conformance import KNOWN_FAILURES, PROJECT, Case, failure, find_folder, read_cases
from engine.errors import ErrorValue
from engine.language import cel
from engine.language.cel.functions import Function, Library
from engine.language.cel.library import make_library
from engine.language.json_form import double_text, duration_text, timestamp_text

PAGE = PROJECT / "docs" / "reference" / "cel.md"
_NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)

INTRODUCTION = """\
# CEL

<!-- Written by `make docs`. Change docs/generate/, not this page. -->

CEL, the Common Expression Language, is the language of conditions and short snippets: one expression, without side effects,
that always ends. `self` is the payload, and where it is a map its keys are names of their own: `self.user.name` and `user.name`
are the same. Functions, types and `self` cannot be hidden by a key; `self.type` reads a key that is called like a type.

```yaml
kind: snippet
language: cel
code: "user.age >= 18 ? 'adult' : 'minor'"
```

Every example below runs on this payload, and every result was computed:
"""

TYPES = (
    ("`null`", "null_type", "null", "`null`"),
    ("`bool`", "bool", "true or false", "`true`"),
    ("`int`", "int", "64 bits, an error beyond", "`42`, `-1`, `0xff`"),
    ("`uint`", "uint", "64 bits without a sign", "`42u`"),
    ("`double`", "double", "IEEE 754", "`1.5`, `1e9`"),
    ("`string`", "string", "characters of Unicode", "`'a'`, `\"a\"`, `'''a'''`, `r'\\n'`"),
    ("`bytes`", "bytes", "", "`b'a'`, `b'\\xff'`"),
    ("`list`", "list", "", "`[1, 'a']`"),
    ("`map`", "map", "keys are strings, ints, uints and bools", "`{'a': 1}`"),
    ("timestamp", "google.protobuf.Timestamp", "years 1 to 9999, microseconds", "`timestamp('2024-02-29T12:00:00Z')`"),
    ("duration", "google.protobuf.Duration", "some 292 years, microseconds", "`duration('1h30m')`"),
    ("optional", "optional_type", "a value that may be absent; leaves as the value, or null", "`a.?b`"),
    ("address, range", "net.IP, net.CIDR", "leave as text", "`ip('::1')`, `cidr('10.0.0.0/8')`"),
    ("`type`", "type", "what `type(x)` gives", "`int`"),
    ("error", "error", "`message`, `code`, `causes`; equals the text that it says", "`error('no')`"),
)

DIFFERENCES = """\
- Timestamps and durations count microseconds; the standard has nanoseconds. Finer digits are cut off towards the past.
- A map cannot have both `1` and `true` as keys (nor `0` and `false`): such a literal is an error.
- There are no protobuf messages, enums or wrapper types. A name before `{…}` is an error.
- Values of the environment come into an expression through `{{ .NAME }}` templates of the spec; there is no function for them.
- Whatever can be known before the run is refused then, with its line and column: unknown functions, wrong numbers of arguments, kinds that never
  go together (`1 + 'a'`, `'a' && b`), bad patterns. So is a part that can never have a value in a branch or beside `&&` and `||`, as by
  CEL's own type checkers; only beside a written `false &&` or `true ||` nothing is asked. `dyn(x)` puts a check off to the run.
- Regular expressions have RE2's syntax and take time in proportion to the text.
- A result may share parts with the payload; what a literal or a macro makes is new each time. Nobody changes a payload.
"""


def page(cases: list[Case]) -> str:
    """The whole page."""
    library = make_library(max_size=cel.Limits().size, clock=lambda: _NOON)
    parts = [
        INTRODUCTION,
        f"```cel\n{shown(dict(examples.PAYLOAD))}\n```\n",
        "## Types\n",
        *_table(("type", "name", "", "written"), TYPES),
        "## Operators\n",
        *_examples(("operator", "means", "example", "result"), examples.OPERATORS),
        "## Macros\n\nA macro goes over a list or a map; of a map it sees the keys, with two variables keys and values.\n",
        *_examples(("macro", "gives", "example", "result"), [(f"`{form}`", *rest) for form, *rest in examples.MACROS]),
        "## Functions\n",
        *_functions(library),
        "## Limits\n",
        *_limits(),
        "## Differences from the standard\n",
        DIFFERENCES,
        "## Conformance\n",
        *_conformance(cases),
    ]
    return "\n".join(parts).rstrip() + "\n"


def shown(value: Any) -> str:
    """A value as CEL writes it, as far as CEL has a literal for it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case bytes():
            return repr(value)
        case float():
            text = double_text(value)
            return text if any(mark in text for mark in ".eNI") else f"{text}.0"
        case list():
            return f"[{', '.join(map(shown, value))}]"
        case dict():
            return f"{{{', '.join(f'{shown(key)}: {shown(item)}' for key, item in value.items())}}}"
        case datetime():
            return f"timestamp('{timestamp_text(value)}')"
        case timedelta():
            return f"duration('{duration_text(value)}')"
        case ErrorValue():
            return f"error({shown(value.text)})"
    return str(cel.Type(value.name) if isinstance(value, cel.Type) else repr(value))


def _result(source: str) -> str:
    program = cel.CelCompiler(clock=lambda: _NOON).compile(source)
    return shown(program(dict(examples.PAYLOAD)))


def _table(heads: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _code(text: str) -> str:
    text = text.replace("|", "\\|")
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _examples(heads: tuple[str, ...], rows: Any) -> Iterator[str]:
    return _table(heads, [(what, means, _code(source), _code(_result(source))) for what, means, source in rows])


def _functions(library: Library) -> Iterator[str]:
    rows = []
    for is_method in (False, True):
        for name in library.names(method=is_method):
            function = library.find(name, method=is_method)
            if function is None or name.startswith("@"):
                continue
            source = examples.FUNCTIONS[f"x.{name}" if is_method else name]
            rows.append((name, "<br>".join(map(_code, _signatures(function))), _code(source), _code(_result(source))))
    rows.sort(key=lambda row: (row[0].partition(".")[0] if "." in row[0] else "", row[0]))
    heads = ("signatures", "example", "result")
    return _table(heads, [row[1:] for row in rows])


def _signatures(function: Function) -> Iterator[str]:
    for overload in function.overloads:
        kinds = [kind.removeprefix("google.protobuf.").removesuffix("_type").lower() for kind in overload.params]
        if overload.variadic:
            kinds.append("…")
        target = f"{kinds.pop(0)}." if overload.method else ""
        result = overload.result.removeprefix("google.protobuf.").removesuffix("_type").lower()
        yield f"{target}{overload.name}({', '.join(kinds)}) → {result}"


def _limits() -> Iterator[str]:
    limits = cel.Limits()
    yield from _table(
        ("limit", "default", "what it counts"),
        (
            (
                "steps",
                f"{limits.steps:,}",
                "elements that macros and functions go over in one evaluation, all together",
            ),
            (
                "time",
                f"{limits.time.total_seconds() * 1000:g} ms",
                "processor time of one evaluation with loops; `timeout` of the node replaces it",
            ),
            (
                "size",
                f"{limits.size:,}",
                "characters or bytes of a value that is made; an element of a list counts as 8",
            ),
            ("nesting", f"{limits.nesting}", "levels of brackets, calls and macros inside each other"),
            ("source", f"{limits.source:,}", "characters of the expression"),
        ),
    )
    yield (
        "Beyond a limit the evaluation fails with the code `limit`, or `deadline` for the time, and neither `&&` nor `||` absorbs that.\n"
        "A value that stands in the result many times, as in `items.map(x, self)`, counts each time. The clock is looked at between the\n"
        "turns of loops and before long calls: what is under way is finished first, which is one call on one value of the payload.\n"
        "An expression that fails is evaluated a second time, to find out whether the failure counts, and where it was.\n"
    )


def _conformance(cases: list[Case]) -> Iterator[str]:
    failed = {case["id"]: case for case in cases if failure(case) is not None}
    total, passed = Counter[str](), Counter[str]()
    for case in cases:
        section = f"{case['file']}/{case['section']}"
        total[section] += 1
        passed[section] += case["id"] not in failed
    yield (
        f"Of the {len(cases):,} cases of the public conformance suite that have a result and need no protobuf messages, "
        f"{len(cases) - len(failed):,} pass.\n"
    )
    if failed:
        yield from _table(
            ("case that fails", "expression", "reason"),
            [
                (f"`{name}`", _code(" ".join(case["expr"].split())), KNOWN_FAILURES.get(name, "**not known**"))
                for name, case in sorted(failed.items())
            ],
        )
    rows = []
    for file in sorted({case["file"] for case in cases}):
        sections = sorted(section for section in total if section.startswith(f"{file}/"))
        counts = (f"{section.partition('/')[2]} {passed[section]}/{total[section]}" for section in sections)
        of_file = sum(passed[each] for each in sections), sum(total[each] for each in sections)
        rows.append((file, f"{of_file[0]}/{of_file[1]}", ", ".join(counts)))
    yield from _table(("file", "passed", "sections"), rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the page is out of date")
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args()
    folder = find_folder()
    if folder is None:
        print("no conformance cases: set CONFORMANCE_DIR to their folder", file=sys.stderr)
        return 2
    text = page(read_cases(folder))
    if options.check:
        current = options.output.exists() and options.output.read_text(encoding="utf-8") == text
        print("up to date" if current else f"{options.output} is out of date: make docs", file=sys.stderr)
        return 0 if current else 1
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
