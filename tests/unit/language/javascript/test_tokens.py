from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ExpressionError, Place
from engine.language.javascript.tokens import place_at, tokenize


def kinds(source):
    return [(token.kind, token.text) for token in tokenize(source)]


def texts(source):
    return [token.text for token in tokenize(source)]


@pytest.mark.parametrize(
    "source",
    [
        "a / b / c",
        "a() / b() / c",
        "a[0] / b / c",
        "(a) / b / c",
        "x++ / y / z",
        "this / 2 / 1",
        "`t` / 2 / 1",
        "1 / 2 / 3",
        "({}) / 2 / 1",
        "x = {} / 2 / 1",
        "a.return / 2 / 1",
        "a.if(b) / 2 / 1",
        "f({a: {} / 2 / 1})",
    ],
)
def test_a_slash_after_a_value_divides(source):
    assert "regex" not in [kind for kind, _ in kinds(source)]


@pytest.mark.parametrize(
    ("source", "regex"),
    [
        ("/a b/g", "/a b/g"),
        ("x = /[/`]}/.test(y)", "/[/`]}/"),
        ("return /'/", "/'/"),
        ("f(/\\//, 1)", "/\\//"),
        ("if (x) /re/.exec(y)", "/re/"),
        ("while (x) /re/.exec(y)", "/re/"),
        ("{ } /re/", "/re/"),
        ("function f() { }\n/re/", "/re/"),
        ("x => /re/", "/re/"),
        ("!/re/", "/re/"),
        ("[/re/]", "/re/"),
        ("case /re/: 1", "/re/"),
        ("`${/}/}`", "/}/"),
        ("typeof /re/", "/re/"),
        ("a ? /x/ : 1", "/x/"),
        ("switch (x) { case 1: {} /re/ }", "/re/"),
        ("/=x/", "/=x/"),
    ],
)
def test_a_slash_elsewhere_begins_a_regular_expression(source, regex):
    assert ("regex", regex) in kinds(source)


def test_templates_nest():
    source = "`a ${ `b ${ {c: '}'} } d` } e` + `\\${x}\\`` + `$`"
    assert [text for kind, text in kinds(source) if kind == "template"] == [
        "`a ${", "`b ${", "} d`", "} e`", "`\\${x}\\``", "`$`",
    ]  # fmt: skip


def test_comments_and_strings_hide_what_is_in_them():
    assert texts("a // b\n/* c\n */ 'd // \\' e' \"/*\" f") == ["a", "'d // \\' e'", '"/*"', "f"]


def test_depth_and_newlines():
    tokens = tokenize("a\n({b: [c]}) /*\n*/ d")
    assert [(t.text, t.depth) for t in tokens] == [
        ("a", 0), ("(", 0), ("{", 1), ("b", 2), (":", 2), ("[", 2), ("c", 3), ("]", 2), ("}", 1), (")", 0), ("d", 0),
    ]  # fmt: skip
    assert [t.text for t in tokens if t.after_newline] == ["(", "d"]


@pytest.mark.parametrize(
    "source", ["1 .5 0x1F 1_000n 1e-5 .5e+3 07 1.", "a?.b", "#x in y", "a ?? b ??= c", "\\u0061b ünï $_", "a>>>=b"]
)
def test_tokens_are_the_words_of_the_source(source):
    assert texts(source) == [w for word in source.split() for w in {"a?.b": ["a", "?.", "b"], "a>>>=b": ["a", ">>>=", "b"]}.get(word, [word])]  # fmt: skip


def test_a_question_mark_before_a_fraction_is_no_optional_chain():
    assert texts("a?.5:1") == ["a", "?", ".5", ":", "1"]


@pytest.mark.parametrize(
    ("source", "message", "line", "column"),
    [
        ("a = 'x\n'", "string is never closed", 1, 5),
        ("\n  `a ${b} c", "template is never closed", 2, 9),
        ("`a ${b", "template is never closed", 1, 1),
        ("a /* b", "comment is never closed", 1, 3),
        ("= /a", "regular expression is never closed", 1, 3),
        ("= /[/\n]/", "regular expression is never closed", 1, 3),
        ("f(]", "unexpected ']'", 1, 3),
        ("a }", "unexpected '}'", 1, 3),
        ("x\r\ny (", "'(' is never closed", 2, 3),
        ("a \x00", "unexpected character", 1, 3),
        ("a <!--b", "is no operator", 1, 3),
    ],
)
def test_what_cannot_be_read_has_its_place(source, message, line, column):
    with pytest.raises(ExpressionError) as caught:
        tokenize(source)
    assert message in str(caught.value)
    assert caught.value.place == Place(line=line, column=column)


def test_places_know_every_kind_of_newline():
    source = "a\nb\r\nc\rd\u2028e"
    assert [place_at(source, source.index(c)).line for c in "abcde"] == [1, 2, 3, 4, 5]


@given(st.text("ab1.'\"`${}()[]/*\\\n =+;", max_size=40))
def test_tokens_never_overlap_and_nothing_but_errors_comes_out(source):
    try:
        tokens = tokenize(source)
    except ExpressionError:
        return
    at = 0
    for token in tokens:
        assert token.start >= at
        assert source[token.start : token.end] == token.text
        at = token.end
