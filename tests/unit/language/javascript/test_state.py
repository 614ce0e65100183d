from __future__ import annotations

import pytest

from engine.language.javascript.module import rewrite


@pytest.mark.parametrize(
    "source",
    [
        "export default (a) => a",
        "export default a => a + 1;",
        "export default async (a) => { const n = {}; n.x = 1; n[a]++; return n }",
        "export default function (a) { let n = 0; return ++n }",
        "export default function f(a) { return a ? f(a - 1) : Math.round(a) }",
        "const rate = 0.19\nconst name = 'x';\nfunction tax(n) { return n * rate }\nexport default (o) => tax(o.n)",
        "export const one = 1;\nexport default function (a) { return a instanceof Date ? one : new Date(0) }",
        "export default (a) => { console.log(a); throw new Error('x') }",
    ],
)
def test_modules_that_remember_nothing(source):
    assert not rewrite(source).keeps_state


@pytest.mark.parametrize(
    "source",
    [
        "let n = 0; export default () => ++n",
        "var n; export default () => 1",
        "const seen = new Map(); export default (a) => seen.size",
        "const o = {n: 0}; export default () => o.n++",
        "const a = 1 + f(); export default () => a",
        "class A {} export default () => new A()",
        "export default (() => { let n = 0; return () => ++n })()",
        "export default {n: 1}",
        "export default function f() { return f.n = (f.n || 0) + 1 }",
        "function g() {}\nexport default () => keep(g)",
        "export default () => { globalThis.n = 1 }",
        "export default () => { Math.n = 1 }",
        "export default () => { Math['n'] = 1 }",
        "export default () => { const m = Math; m.n = 1 }",
        "export default () => { Array.prototype.n = 1 }",
        "export default () => { [].constructor.n = 1 }",
        "export default (a) => { a['__proto__'].n = 1 }",
        "export default () => { JSON.parse++ }",
        "export default () => { delete Math.max }",
        "export default () => { Object.assign(Math, {n: 1}) }",
        "export default () => { eval('x') }",
        "export default () => \\u0067lobalThis.n++",
        "export default (a) => a\nlet n = 0",
        "Math.n = 1\nexport default () => Math.max(1, 2)",
        "module.exports = () => 1",
        "await 0; export default () => 1",
    ],
)
def test_modules_that_may_remember(source):
    assert rewrite(source).keeps_state
