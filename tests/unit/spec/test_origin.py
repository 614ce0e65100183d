"""Where values stand, and where the text inside them stands."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.spec.origin import MAX_COLUMN, Origin, pack, unpack
from engine.spec.yaml import dump, parse

TEXT = """\
- kind: snippet   # a comment
  "name": 'a'
  ports:
    out: [{name: b}, &l {name: c, port: in}]
    error:
    - *l
- 5
"""


@pytest.fixture
def origin():
    return parse(TEXT, "f.yaml")[0].origin


@pytest.mark.parametrize(
    ("path", "key", "place"),
    [
        ((), False, "f.yaml:1:1"),
        ((0,), False, "f.yaml:1:3"),
        ((0, "kind"), False, "f.yaml:1:9"),
        ((0, "kind"), True, "f.yaml:1:3"),
        ((0, "name"), True, "f.yaml:2:3"),
        ((0, "name"), False, "f.yaml:2:11"),
        ((0, "ports", "out", 0, "name"), False, "f.yaml:4:18"),
        ((0, "ports", "out"), True, "f.yaml:4:5"),
        ((0, "ports", "out", 1), False, "f.yaml:4:22"),
        ((0, "ports", "error", 0), False, "f.yaml:6:7"),
        ((0, "ports", "error", 0, "port"), False, "f.yaml:4:41"),
        ((1,), False, "f.yaml:7:3"),
        # What is not there has the place of what would hold it.
        ((0, "nothing"), False, "f.yaml:1:3"),
        ((0, "nothing"), True, "f.yaml:1:3"),
        ((0, "kind", "deeper", 3), False, "f.yaml:1:9"),
        ((0, "ports", "out", 7), False, "f.yaml:4:10"),
        ((0, "ports", "out", "x"), False, "f.yaml:4:10"),
        ((2,), False, "f.yaml:1:1"),
    ],
)
def test_places(origin, path, key, place):
    assert str(origin.place(path, key=key)) == place
    assert str(Origin.from_json(json.loads(json.dumps(origin.to_json()))).place(path, key=key)) == place


def test_a_part_has_an_origin_of_its_own(origin):
    part = origin.at(0, "ports")
    assert str(part.place(("out", 0, "name"))) == "f.yaml:4:18"
    assert str(origin.at(5, "x").place(("y",))) == "f.yaml:1:1"


def test_what_is_known(origin):
    assert origin.knows((0, "ports", "out", 1))
    assert not origin.knows((0, "ports", "out", 2))


def test_keys_that_are_no_text_are_found_by_their_text():
    origin = parse("a: {404: x, true: y, ~: z}", "f")[0].origin
    assert str(origin.place(("a", "404"))) == str(origin.place(("a", 404))) == "f:1:10"
    assert str(origin.place(("a", "true"))) == "f:1:19"
    assert str(Origin.from_json(origin.to_json()).place(("a", "null"))) == "f:1:25"


def test_an_origin_without_marks_knows_nothing():
    place = Origin("f").place(("a", 1))
    assert (place.file, place.line) == ("f", 0)
    assert Origin("f").inside(("a",), 3, 4) == place


def test_wide_lines_are_cut_off_not_wrapped():
    assert unpack(pack(7, MAX_COLUMN + 5)) == (7, MAX_COLUMN)


INSIDE = [
    # text, line and column in the scalar `a`, place in the file
    ("a: self +\n", 1, 6, "f:1:9"),
    ("a: 'self +'\n", 1, 6, "f:1:10"),
    ('a: "self +"\n', 1, 6, "f:1:10"),
    ("a: |\n  one\n  two\n", 1, 1, "f:2:3"),
    ("a: |\n  one\n  two\n", 2, 3, "f:3:5"),
    ("a: |-  # note\n\n  one\n    two\n", 3, 3, "f:4:5"),
    ("a: |2\n    one\n  two\n", 1, 3, "f:2:5"),
    ("a: |\r\n  one\r\n  two\r\n", 2, 2, "f:3:4"),
    ("- a: |\n    one\n    two\n", 2, 1, "f:3:5"),
    ("a: >\n  one\n  two\n", 1, 1, "f:2:3"),
    ("a: >\n  one\n  two\n", 1, 5, "f:3:3"),
    ("a: >\n  one\n  two\n\n  three four\n", 2, 7, "f:5:9"),
    ("a: >\n  f(x) {\n    return 1;\n  }\n", 2, 3, "f:3:5"),
    ("a: one\n  two\n  three\n", 1, 9, "f:3:3"),
    ("a: 'one\n  two'\n", 1, 5, "f:2:3"),
    ("a: 'it''s x'\n", 1, 6, "f:1:11"),
    ("a: '''x'''\n", 1, 2, "f:1:7"),
    ('a: "x\\ty z"\n', 1, 5, "f:1:10"),
    ('a: "\\u0022\\u0022x"\n', 1, 3, "f:1:17"),
    ('a: "one\\\n  two"\n', 1, 4, "f:2:3"),
    ('a: "x\\ny z"\n', 2, 3, "f:1:10"),
    ('a: "\\u0041b"\n', 1, 2, "f:1:11"),
    ("a: &x self\n", 1, 2, "f:1:8"),
    ("a: !!str self\n", 1, 2, "f:1:11"),
    ("a: &x |\n  one\n  two\n", 2, 2, "f:3:4"),
    ("a: !!str\n  &x\n  # note\n  self\n", 1, 2, "f:4:4"),
    ("b: &x 'self'\na: *x\n", 1, 2, "f:1:9"),
    ("b: &x |\n  one\n  two\na: *x\n", 2, 1, "f:3:3"),
    ("b: &x {q: 1}\na: *x\n", 1, 1, "f:2:4"),
    ("a: ''\n", 1, 1, "f:1:5"),
    ("a: |\n\n\nb: 1\n", 1, 1, "f:2:1"),
    ("a: '\u2028 x'\n", 1, 3, "f:1:7"),
]


@pytest.mark.parametrize(("text", "line", "column", "place"), INSIDE, ids=[repr(case[0])[:40] for case in INSIDE])
def test_places_inside_a_scalar(text, line, column, place):
    (document,) = parse(text, "f")
    path = (0, "a") if isinstance(document.data, list) else ("a",)
    assert str(document.origin.inside(path, line, column)) == place
    again = Origin.from_json(json.loads(json.dumps(document.origin.to_json())))
    assert str(again.inside(path, line, column)) == place


def test_inside_what_is_not_there_is_its_ancestor():
    origin = parse("a: {b: c}", "f")[0].origin
    assert str(origin.inside(("a", "x"), 1, 4)) == "f:1:4"
    assert str(origin.inside(("a",), 1, 4)) == "f:1:4"


WORD = st.text(alphabet="abcdefg({=", min_size=1, max_size=8)
LINES = st.lists(st.tuples(st.integers(0, 3), WORD), min_size=1, max_size=6)


@given(LINES, st.integers(1, 5), st.data())
@settings(max_examples=100, deadline=None)
def test_literal_blocks_are_mapped_exactly(lines, indent, data):
    (_, first), *rest = lines
    code = [first, *(" " * spaces + word for spaces, word in rest)]
    text = "x:\n a: |\n" + "".join(" " * (indent + 1) + line + "\n" for line in code)
    (document,) = parse(text, "f")
    number = data.draw(st.integers(0, len(code) - 1))
    column = data.draw(st.integers(0, len(code[number]) - 1))
    place = document.origin.inside(("x", "a"), number + 1, column + 1)
    assert text.split("\n")[place.line - 1][place.column - 1] == code[number][column]


@given(st.lists(WORD, min_size=2, max_size=6, unique=True), st.data())
@settings(max_examples=100, deadline=None)
def test_folded_blocks_are_mapped_to_the_line_of_the_word(words, data):
    text = "a: >\n" + "".join(f"  {word}\n" for word in words)
    (document,) = parse(text, "f")
    number = data.draw(st.integers(0, len(words) - 1))
    column = sum(len(word) + 1 for word in words[:number]) + 1
    assert str(document.origin.inside(("a",), 1, column)) == f"f:{number + 2}:3"


def paths(data, path=()):
    yield path, data
    if isinstance(data, dict):
        for key, value in data.items():
            yield from paths(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from paths(value, (*path, index))


@given(
    st.recursive(
        st.integers(0, 99),
        lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(WORD, inner, min_size=1, max_size=3),
        max_leaves=15,
    )
)
@settings(max_examples=100, deadline=None)
def test_every_number_stands_where_its_place_says(data):
    text = dump(data)
    (document,) = parse(text, "f")
    lines = text.split("\n")
    for path, value in paths(document.data):
        if isinstance(value, int):
            place = document.origin.place(path)
            assert lines[place.line - 1][place.column - 1 :].startswith(str(value))
