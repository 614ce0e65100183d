from __future__ import annotations

import pytest

from engine.errors import ExpressionError
from engine.language.javascript.module import LINES_BEFORE, rewrite


def body(source):
    """The lines of the script that stand for the source."""
    lines = rewrite(source).script.split("\n")
    return "\n".join(lines[LINES_BEFORE : LINES_BEFORE + source.count("\n") + 1])


@pytest.mark.parametrize(
    ("source", "script"),
    [
        ("export default (a) => a", "let    $dflt = (a) => a"),
        ("export default(a)=>a", "let    $dflt =(a)=>a"),
        ("export default function (a) {}", "function $dflt          (a) {}"),
        ("export default function(a) {}", "function $dflt         (a) {}"),
        ("export default function f(a) {}", "               function f(a) {}"),
        ("export default function* () {}", "function * $dflt         () {}"),
        ("export default async function () {}", "async function $dflt          () {}"),
        ("export default async function f() {}", "               async function f() {}"),
        ("export default class {}", "class $dflt          {}"),
        ("export default class extends A {}", "class $dflt          extends A {}"),
        ("export default class A {}", "               class A {}"),
        ("export const x = 1; export default x", "       const x = 1; let    $dflt = x"),
        ("let f; export {f as default}", "let f; ;                    "),
        ("let $dflt; export default 1", "let $dflt; let    $0000 = 1"),
        ("export /* why */ default 1", "let              $dflt = 1"),
    ],
)
def test_exports_are_taken_out_in_their_own_room(source, script):
    # a comment between the two words stays
    expected = script.replace("let              $dflt", "let    /* why */ $dflt")
    assert body(source) == expected


def test_lines_stay_where_they_are():
    source = "\n\nexport\n  default\n  function\n (a) {\n  return a }\nexport { x\n }; let x"
    made = body(source)
    assert made.count("\n") == source.count("\n")
    assert made.split("\n")[6] == "  return a }"


def test_what_looks_like_an_export_is_left_alone():
    source = "const s = 'export default 1'; a.export; ({export: 1, default: 2, import: 3}); export default s"
    assert body(source) == source.replace("export default s", "let    $dflt = s")


def test_common_modules_are_left_as_they_are():
    module = rewrite("module.exports = 1")
    assert module.common
    assert "\nmodule.exports = 1\n" in module.script
    assert not rewrite("export default module.exports").common


@pytest.mark.parametrize(
    "source",
    [
        "my.module.exports = 1",
        "'module.exports'",
        "export default 1; export {x as default}",
        "export {a b}",
        "export 5",
        "import 'x'; export default 1",
        "import {a} from 'x'; export default 1",
        "export {default} from 'x'",
        "export * as y from 'x'",
    ],
)
def test_what_is_no_module_of_ours_is_refused(source):
    with pytest.raises(ExpressionError) as caught:
        rewrite(source)
    assert caught.value.place.line == 1
