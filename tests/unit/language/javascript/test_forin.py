"""The guard of `for … in`: on every loop, on nothing else, and places stay what they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ExpressionError, Place
from engine.language.javascript.forin import guard
from engine.language.javascript.tokens import tokenize


@pytest.mark.parametrize(
    ("source", "guarded"),
    [
        ("for (const k in a) b", "for (const k in $0(( a))) b"),
        ("for(k in[1]);", "for(k in $0(([1])));"),
        ("for (a.in in b);", "for (a.in in $0(( b)));"),
        ("for (const {in: [k = 'x' in y]} in z, b);", "for (const {in: [k = 'x' in y]} in $0(( z, b)));"),
        ("for (a in () => { for (b in c); });", "for (a in $0(( () => { for (b in $0(( c))); })));"),
        ("`${(() => { for (const k in s); })()}`", "`${(() => { for (const k in $0(( s))); })()}`"),
        ("for (const k of a);", None),
        ("for (let i = ('a' in b); i < 1; i++);", None),
        ("for (; 'a' in b;);", None),
        ("for await (const k of a);", None),
        ("Symbol.for('a'); a?.for(b in c); 'a' in b", None),
        ("const $0 = 1; for (k in a);", "const $0 = 1; for (k in $1(( a)));"),
        ("const \\u00240 = 1; for (k in a);", "const \\u00240 = 1; for (k in $1(( a)));"),
        ("'for' + \"(for k in s)\" + `wait for ${a} for`", "'f\\u006fr' + \"(f\\u006fr k in s)\" + `wait f\\u006fr ${a} f\\u006fr`"),
        ("/x for y/.test('before')", "/x f\\u006fr y/.test('before')"),
        ("a // for k in s\n/* for\n */ + b /* in */", "a              \n      \n    + b /* in */"),
        ("return `for`", "return `f\\u006fr`"),
    ],
)  # fmt: skip
def test_the_guard_goes_around_the_object_of_a_loop(source, guarded):
    assert guard(source).script == (source if guarded is None else guarded)


@pytest.mark.parametrize(
    ("source", "message", "place"),
    [
        ("\n with (a) b", "`with`", Place(line=2, column=2)),
        ("a\n--> b", "-->", Place(line=2, column=1)),
        ("({for(a) {}})", "neither", Place(line=1, column=3)),
        ("tag`for`", "tag", Place(line=1, column=5)),
        ("tag`${a}\n for`", "tag", Place(line=2, column=2)),
    ],
)
def test_what_could_get_around_it_is_refused(source, message, place):
    with pytest.raises(ExpressionError, match=message) as caught:
        guard(source)
    assert caught.value.place == place
    assert "engine: v8" in caught.value.hint


def test_columns_are_those_of_before():
    source = "x;\n'🙂 for'; for (const k in s) throw k; 'for'; y"
    found = guard(source)
    line = found.script.split("\n")[1]
    before = source.split("\n")[1]
    for word in ("throw", "s)", "y", "const"):
        assert found.column(2, len(line[: line.index(word)].encode())) == before.index(word)
    assert found.column(2, len(line[: line.index("$0")].encode())) == before.index(" s)")
    assert found.column(1, 1) == 1
    assert found.column(9, 5) == 5


WORDS = st.sampled_from(
    ["for (k in s) ;", "for (const x of y);", "'for'", "`a ${b} for`", "// for\n", "/for/", ";", "\n", "é", "\t"]
)


@given(st.lists(WORDS, max_size=12).map(";".join))
def test_columns_never_decrease_and_lines_stay(source):
    found = guard(source)
    lines = found.script.split("\n")
    assert len(lines) == source.count("\n") + 1
    for number, (line, before) in enumerate(zip(lines, source.split("\n"), strict=True), 1):
        columns = [found.column(number, octets) for octets in range(len(line.encode()) + 1)]
        assert columns == sorted(columns)
        assert columns[-1] == len(before)
    tokenize(found.script)
